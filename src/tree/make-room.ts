import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { partialPath, partialsFolder } from './layout.ts'
import { blobLock, tryNamedLock } from './lock.ts'

/** Bytes to make free: more than the documents of a few repositories take. */
const ROOM = 1024 * 1024

/**
 * Makes some room on a full disk, for documents that must name what became visible before: cuts the ends off interrupted downloads that nobody is at,
 * which costs the next run as many bytes. Returns how many.
 * @throws RegistrishError `no-space`, `io`.
 */
export async function makeRoom(root: string): Promise<number> {
  let freed = 0
  for (const digest of await listPartials(root)) {
    if (freed >= ROOM) break
    freed += await shorten(root, digest, ROOM - freed)
  }
  return freed
}

/** A part of a download is worth as much as is there of it: nothing else says how long it is. */
async function shorten(root: string, digest: Digest, by: number): Promise<number> {
  const path = join(root, partialPath(digest))
  const lock = await tryNamedLock(root, blobLock(digest))
  if (lock === undefined) return 0
  try {
    const { size } = await stat(path)
    const cut = Math.min(size, by)
    await truncate(path, size - cut)
    return cut
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0
    throw fileError(error, 'shorten', path)
  } finally {
    await lock.release()
  }
}

async function listPartials(root: string): Promise<readonly Digest[]> {
  const folder = join(root, partialsFolder)
  try {
    return (await readdir(folder)).map(asDigest).filter(digest => digest !== undefined)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, 'list', folder)
  }
}
