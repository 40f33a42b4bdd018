import { lstatSync } from 'node:fs'
import { link, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { isRealFolder } from './deletion.ts'
import { fileKey, newTemporary } from './files.ts'
import { blobPath, blobsFolder } from './layout.ts'
import { readBlobs } from './snapshot.ts'
import type { Findings } from './verify-report.ts'

/**
 * Makes equal blobs of several repositories names of one file again, after a copy of the tree that lost its links. `bad` are root-relative paths that
 * are left alone; all others have just been hashed, and the caller holds the exclusive tree lock. Ends early where the file system gives no links.
 */
export async function relinkBlobs(
  root: string,
  { repositories, bad }: { readonly repositories: readonly string[]; readonly bad: ReadonlySet<string> },
  findings: Findings,
): Promise<void> {
  const first = new Map<Digest, string>()
  for (const repository of repositories) {
    if (!isRealFolder(root, blobsFolder(repository))) continue
    for (const { digest } of await readBlobs(root, repository)) {
      const path = blobPath(repository, digest)
      if (bad.has(path)) continue
      findings.checked('links')
      const from = first.get(digest)
      const result = from === undefined ? 'full' : await relink(root, from, path, findings)
      if (result === 'no-links') return
      if (result === 'full') first.set(digest, path)
    }
  }
}

/** `full`: the file has as many names as it can have, or there is none yet: the next ones are linked to the other. */
async function relink(
  root: string,
  from: string,
  to: string,
  findings: Findings,
): Promise<'linked' | 'full' | 'no-links'> {
  const [kept, replaced] = [from, to].map(path => lstatSync(join(root, path), { bigint: true }))
  if (kept === undefined || replaced === undefined || !kept.isFile() || !replaced.isFile()) return 'linked'
  if (fileKey(kept) === fileKey(replaced)) return 'linked'
  try {
    const temporary = await newTemporary(root)
    try {
      await link(join(root, from), temporary)
      await rename(temporary, join(root, to))
    } finally {
      await rm(temporary, { force: true })
    }
  } catch (error) {
    if (systemCode(error) === 'EMLINK') return 'full'
    if (['EPERM', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '')) return 'no-links'
    throw fileError(error, 'link', to)
  }
  findings.relinked(replaced.nlink === 1n ? Number(replaced.size) : 0)
  return 'linked'
}
