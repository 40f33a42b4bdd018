import { statSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isTreeRepository } from '../oci/name.ts'
import { ensureFolderInside, flushFolder, linkOrCopy, statInside } from './files.ts'
import { blobPath, blobsFolder, verifiedPath } from './layout.ts'
import { listBlobRepositories } from './snapshot.ts'

/** Where the blobs of a tree are, and how one of them becomes visible in a repository. */
export interface BlobStore {
  /** Size in bytes of a blob that is visible in a repository, or undefined. */
  size(repository: string, digest: Digest): number | undefined
  /** Root-relative path of a blob of that size: in this repository, verified beside all, or in another repository. */
  find(repository: string, descriptor: Descriptor): Promise<string | undefined>
  /** Makes a blob that is anywhere in the tree visible in a repository. False where there is none. */
  link(repository: string, descriptor: Descriptor): Promise<boolean>
  /** Says that a blob became visible in a repository. */
  changed(repository: string): void
  /** Flushes the names of blobs that became visible in a repository since it was last flushed; with `others` also those that were met there: another process may be about to. */
  flush(repository: string, options?: { readonly others?: boolean }): Promise<void>
}

/** Repositories from which on their list is good enough for some ms to look for a blob in: it is read for each blob, and what another process adds meanwhile is fetched once more at worst. */
const MANY = 500
const LIST_LIFE = 1000

export function createBlobStore(root: string): BlobStore {
  const flushed = new Map<string, Promise<void>>()
  const met = new Set<string>()
  let listed: { readonly until: number; readonly names: readonly string[] } = { until: 0, names: [] }
  const list = async (fresh: boolean): Promise<readonly string[]> => {
    if (!fresh && performance.now() < listed.until) return listed.names
    const names = await listBlobRepositories(root)
    listed = { until: names.length < MANY ? 0 : performance.now() + LIST_LIFE, names }
    return names
  }
  const size = (repository: string, digest: Digest): number | undefined => {
    if (!isTreeRepository(repository)) return undefined
    const stats = statInside(root, blobPath(repository, digest))
    return stats === undefined ? undefined : Number(stats.size)
  }
  const find = async (repository: string, blob: Descriptor, fresh = false): Promise<string | undefined> => {
    const { digest } = blob
    if (size(repository, digest) === blob.size) return blobPath(repository, digest)
    const verified = verifiedPath(digest)
    if (statSync(join(root, verified), { throwIfNoEntry: false })?.size === blob.size) return verified
    const other = (await list(fresh)).find(name => size(name, digest) === blob.size)
    return other === undefined ? undefined : blobPath(other, digest)
  }
  return {
    size,
    find: (repository, blob) => find(repository, blob),
    async link(repository, blob) {
      const target = blobPath(repository, blob.digest)
      for (;;) {
        const found = (await find(repository, blob)) ?? (await find(repository, blob, true))
        if (found === undefined) return false
        if (found === target) {
          met.add(repository)
          return true
        }
        if (found !== verifiedPath(blob.digest)) await linkOrCopy(root, join(root, found), join(root, target))
        else if (!(await moveInto(root, found, target))) continue
        flushed.delete(repository)
        return true
      }
    },
    changed: repository => void flushed.delete(repository),
    flush(repository, { others = false } = {}) {
      if (others && met.delete(repository)) flushed.delete(repository)
      const flushing = flushed.get(repository) ?? flushFolder(join(root, blobsFolder(repository)))
      flushed.set(repository, flushing)
      return flushing
    },
  }
}

/** Renames a verified blob to its name; false where another process has just done so. */
async function moveInto(root: string, from: string, to: string): Promise<boolean> {
  await ensureFolderInside(root, dirname(join(root, to)))
  try {
    await rename(join(root, from), join(root, to))
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw fileError(error, 'write', to)
  }
}
