import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCode } from '../errors.ts'
import { type Algorithm, algorithmOf, type Digest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { fileKey, statEntry } from './files.ts'
import { hashFile } from './hash-file.ts'
import { blobPath } from './layout.ts'
import { listBlobs } from './snapshot.ts'
import type { Findings } from './verify-report.ts'

export interface BlobOptions extends CallOptions {
  readonly onProgress?: OnProgress
  /** Files that are read at a time. */
  readonly jobs: number
}

/** The blobs of a repository, wrong ones included unless they were moved aside: digest → bytes. */
export type PresentBlobs = ReadonlyMap<Digest, number>

/** Hashes the blobs of repositories against their names, one repository after another. A file with several names is hashed once. */
export interface BlobVerifier {
  verify(repository: string): Promise<PresentBlobs>
  /** Root-relative paths of blobs that are wrong or cannot be read. */
  readonly bad: ReadonlySet<string>
}

export function createBlobVerifier(root: string, findings: Findings, options: BlobOptions): BlobVerifier {
  const bad = new Set<string>()
  const hash = createHasher(root, findings, options)
  return {
    bad,
    async verify(repository) {
      const present = new Map<Digest, number>()
      await forEachParallel(listBlobs(root, repository), options.jobs, async digest => {
        const path = blobPath(repository, digest)
        const stats = statEntry(root, path)
        if (stats === undefined) return
        present.set(digest, Number(stats.size))
        const hashed = await hash({ repository, digest, stats })
        if (hashed.state === 'gone') return
        findings.checked('blobs')
        if (hashed.state === 'read' && hashed.digest === digest) return
        bad.add(path)
        if (hashed.state === 'unreadable') {
          findings.problem({ step: 'blobs', path, text: `it cannot be read: ${hashed.reason}` })
          return
        }
        if (findings.repair) present.delete(digest)
        await findings.badFile({ step: 'blobs', path, text: `its bytes are those of ${hashed.digest}` })
      })
      return present
    },
  }
}

interface Blob {
  readonly repository: string
  readonly digest: Digest
  readonly stats: BigIntStats
}

type Hashed =
  | { readonly state: 'read'; readonly digest: Digest }
  | { readonly state: 'unreadable'; readonly reason: string }
  | { readonly state: 'gone' }

/** Hashes a file once for all its names; what is known of it is forgotten when all were seen. */
function createHasher(root: string, findings: Findings, options: BlobOptions): (blob: Blob) => Promise<Hashed> {
  const known = new Map<string, { names: number; readonly digests: Map<Algorithm, Promise<Hashed>> }>()
  return blob => {
    const key = fileKey(blob.stats)
    const file = known.get(key) ?? { names: Number(blob.stats.nlink), digests: new Map<Algorithm, Promise<Hashed>>() }
    const algorithm = algorithmOf(blob.digest)
    const hashing = file.digests.get(algorithm) ?? hashBlob(root, blob, { findings, ...options })
    file.digests.set(algorithm, hashing)
    file.names -= 1
    if (file.names > 0) known.set(key, file)
    else known.delete(key)
    return hashing
  }
}

async function hashBlob(
  root: string,
  { repository, digest, stats }: Blob,
  { findings, onProgress, signal }: BlobOptions & { readonly findings: Findings },
): Promise<Hashed> {
  const size = Number(stats.size)
  onProgress?.({ type: 'blob-start', repository, digest, size, offset: 0 })
  const onBytes = (bytes: number): void => {
    findings.hashed(bytes)
    onProgress?.({ type: 'blob-bytes', digest, bytes })
  }
  try {
    const options = { onBytes, ...(signal === undefined ? {} : { signal }) }
    const path = join(root, blobPath(repository, digest))
    const found = await hashFile(path, { size, algorithm: algorithmOf(digest) }, options)
    onProgress?.({ type: 'blob-done', repository, digest, size })
    return { state: 'read', digest: found }
  } catch (error) {
    onProgress?.({ type: 'blob-failed', digest })
    const code = systemCode(error) ?? ''
    if (code === 'ENOENT') return { state: 'gone' }
    if (!UNREADABLE.has(code)) throw error
    return { state: 'unreadable', reason: messageOf(error) }
  }
}

/** What is wrong with one file only; any other error ends the whole. */
const UNREADABLE = new Set(['EIO', 'EACCES', 'EPERM', 'EBADMSG', 'EUCLEAN'])

/** After a failure nothing more is begun, and nothing is still at work when it is thrown. */
async function forEachParallel<T>(items: readonly T[], jobs: number, each: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    try {
      for (let item = items[next++]; item !== undefined; item = items[next++]) await each(item)
    } catch (error) {
      next = items.length
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, items.length) }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
