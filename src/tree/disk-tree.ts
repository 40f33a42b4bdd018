import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join, resolve as resolvePath } from 'node:path'
import { fileError, RegistrishError, systemCode, throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import { isTag, isTreeRepository, parseTag, parseTreeRepository } from '../oci/name.ts'
import type { Content, OpenOptions } from '../oci/source.ts'
import { type BlobStore, createBlobStore } from './blob-store.ts'
import { openBlobWriter } from './blob-writer.ts'
import { checkCase } from './case-folding.ts'
import { referrersBySubject } from './documents.ts'
import { fileKey, flushFolder, isFolderInside, linkOrCopy, statEntry, writeWhole } from './files.ts'
import { blobPath, manifestPath, manifestsFolder } from './layout.ts'
import { listRepositories, type RepositorySnapshot, readRepository } from './snapshot.ts'
import { hasManifestFile, readStoredManifest } from './stored-manifest.ts'
import type { PutOptions, StoredManifest, Tree } from './tree.ts'

/** Opens the tree below a folder, which need not exist yet: nothing is created before something is put. */
export function openTree(folder: string): Tree {
  const root = resolvePath(folder)
  const blobs = createBlobStore(root)
  const snapshots = createSnapshotCache(root)
  const manifest = async (
    repository: string,
    reference: string,
    options?: { readonly mayBeOld?: boolean },
  ): Promise<StoredManifest | undefined> => {
    const digest = asDigest(reference)
    if (!isTreeRepository(repository) || (digest === undefined && !isTag(reference))) return undefined
    const stored = readStoredManifest(root, repository, reference)
    if (stored !== undefined || digest === undefined) return stored
    return findByTag(root, await snapshots(repository, options), digest)
  }
  return {
    root,
    title: root,
    repositories: () => listRepositories(root),
    tags: async repository => listTags(root, repository),
    manifest,
    async resolve(repository, reference, options): Promise<Descriptor> {
      throwIfAborted(options?.signal)
      const stored = await manifest(repository, reference)
      if (stored !== undefined) {
        return {
          mediaType: stored.manifest.mediaType,
          digest: asDigest(reference) ?? stored.digest,
          size: stored.bytes.length,
        }
      }
      const digest = asDigest(reference)
      const size = digest === undefined ? undefined : blobs.size(repository, digest)
      if (digest !== undefined && size !== undefined) return { mediaType: OCTET_STREAM, digest, size }
      throw notFound(root, `${repository}${digest === undefined ? ':' : '@'}${reference}`)
    },
    open: (repository, descriptor, options) => openContent({ root, blobs, repository, descriptor, options, manifest }),
    async referrers(repository, digest): Promise<readonly Descriptor[]> {
      return isTreeRepository(repository) ? (referrersBySubject(await snapshots(repository)).get(digest) ?? []) : []
    },
    blobSize: async (repository, digest) => blobs.size(repository, digest),
    putManifest: (repository, bytes, digest, options) =>
      putManifest({ root, blobs }, { repository, bytes, digest, ...options }),
    async findBlob(repository, descriptor) {
      const path = await blobs.find(repository, descriptor)
      if (path === undefined) return undefined
      return path === blobPath(repository, descriptor.digest) ? 'here' : 'elsewhere'
    },
    linkBlob: async (repository, descriptor) => {
      refuseWindows()
      return blobs.link(parseTreeRepository(repository), descriptor)
    },
    writeBlob: async (repository, descriptor, options) => {
      refuseWindows()
      const onVisible = (): void => blobs.changed(repository)
      return openBlobWriter(root, parseTreeRepository(repository), descriptor, { ...options, onVisible })
    },
    tag: (repository, tag, digest, options) => putTag(root, { repository, tag, digest, ...options }),
  }
}

/**
 * Reads a repository's snapshot again only when its folder has changed since, and has been still for a while: a folder's date is no finer than the
 * kernel's clock tick; who takes an old one (`mayBeOld`) gets the last that was read. Who asks while it is being read shares the reading that begins next, lest a thousand askers read a thousand files each.
 */
function createSnapshotCache(
  root: string,
): (repository: string, options?: { readonly mayBeOld?: boolean }) => Promise<RepositorySnapshot> {
  const cache = new Map<string, { readonly changed: number; readonly snapshot: RepositorySnapshot }>()
  const running = new Map<string, Promise<unknown>>()
  const next = new Map<string, Promise<RepositorySnapshot>>()
  const dateOf = (repository: string): number | undefined =>
    statSync(join(root, manifestsFolder(repository)), { throwIfNoEntry: false })?.mtimeMs
  return async (repository, { mayBeOld = false } = {}) => {
    const known = cache.get(repository)
    if (known !== undefined && (mayBeOld || known.changed === dateOf(repository))) return known.snapshot
    const reading = next.get(repository) ?? readNext(repository)
    next.set(repository, reading)
    return reading
  }

  async function readNext(repository: string): Promise<RepositorySnapshot> {
    await running.get(repository)
    next.delete(repository)
    const reading = read(repository)
    const ended = Promise.allSettled([reading])
    running.set(repository, ended)
    try {
      return await reading
    } finally {
      if (running.get(repository) === ended) running.delete(repository)
    }
  }

  async function read(repository: string): Promise<RepositorySnapshot> {
    const changed = dateOf(repository)
    const still = changed !== undefined && Date.now() - changed > STILL
    const snapshot = await readRepository(root, repository)
    cache.delete(repository)
    cache.set(repository, { changed: still ? changed : Number.NaN, snapshot })
    for (const oldest of cache.keys()) {
      if (cache.size <= LARGEST_CACHE) break
      cache.delete(oldest)
    }
    return snapshot
  }
}

/** Milliseconds a folder must not have changed for its date to be believed. */
const STILL = 100
/** Snapshots kept in memory. */
const LARGEST_CACHE = 64

function findByTag(root: string, snapshot: RepositorySnapshot, digest: Digest): StoredManifest | undefined {
  if (!digest.startsWith('sha256:')) return undefined
  const file = snapshot.manifests.get(digest)?.file
  const tag = file?.slice(file.lastIndexOf('/') + 1)
  const stored = tag === undefined ? undefined : readStoredManifest(root, snapshot.repository, tag)
  return stored?.digest === digest ? stored : undefined
}

function listTags(root: string, repository: string): readonly string[] {
  if (!isTreeRepository(repository)) return []
  const folder = manifestsFolder(repository)
  if (!isFolderInside(root, folder)) return []
  try {
    return readdirSync(join(root, folder))
      .filter(name => isTag(name) && statEntry(root, `${folder}/${name}`) !== undefined)
      .sort()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', folder, 'source')
  }
}

interface Writing {
  readonly root: string
  readonly blobs: BlobStore
}

interface Opening extends Writing {
  readonly repository: string
  readonly descriptor: Descriptor
  readonly options: OpenOptions
  readonly manifest: Tree['manifest']
}

async function openContent({ root, blobs, repository, descriptor, options, manifest }: Opening): Promise<Content> {
  const { digest } = descriptor
  const offset = options.offset ?? 0
  if (options.kind === 'manifest') {
    const stored = await manifest(repository, digest)
    if (stored === undefined) throw notFound(root, `${repository}@${digest}`)
    return { offset, body: oneChunk(stored.bytes.subarray(offset), options.signal) }
  }
  if (blobs.size(repository, digest) === undefined) throw notFound(root, `blob ${digest} of ${repository}`)
  return { offset, body: readBlob(join(root, blobPath(repository, digest)), offset, options.signal) }
}

async function* readBlob(path: string, start: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  try {
    for await (const chunk of createReadStream(path, { start, highWaterMark: READ_SIZE })) {
      yield chunk
      throwIfAborted(signal)
    }
  } catch (error) {
    throw fileError(error, 'read', path, 'source')
  }
}

/** Bytes of one read of a blob. */
const READ_SIZE = 1024 * 1024

async function* oneChunk(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  yield bytes
  throwIfAborted(signal)
}

interface Putting extends PutOptions {
  readonly repository: string
  readonly bytes: Uint8Array
  readonly digest: Digest | undefined
}

/** What it points to is flushed before: a power loss may take the manifest, never what a visible one needs. */
async function putManifest(
  { root, blobs }: Writing,
  { repository, bytes, digest, before: first }: Putting,
): Promise<void> {
  refuseWindows()
  parseTreeRepository(repository)
  const { kind } = parseManifest(bytes)
  const sha256 = digestOf(bytes)
  if (digest !== undefined && digest !== sha256 && digest !== digestOf(bytes, 'sha512')) {
    throw new RegistrishError('digest-mismatch', `the manifest that should be ${digest} has other bytes: ${sha256}`, {
      side: 'source',
    })
  }
  const before = async (): Promise<void> => {
    await first?.()
    await blobs.flush(repository, { others: true })
    if (kind === 'index') await flushFolder(join(root, manifestsFolder(repository)))
  }
  const written = await writeWhole(root, manifestPath(repository, sha256), bytes, { before })
  if (!written) await blobs.flush(repository)
  if (digest === undefined || digest === sha256) return
  const path = manifestPath(repository, digest)
  if (!written && !isSameFile(root, path, manifestPath(repository, sha256))) await first?.()
  await linkOrCopy(root, join(root, manifestPath(repository, sha256)), join(root, path))
}

function isSameFile(root: string, one: string, other: string): boolean {
  const [here, there] = [statEntry(root, one), statEntry(root, other)]
  return here !== undefined && there !== undefined && fileKey(here) === fileKey(there)
}

interface Tagging extends PutOptions {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

async function putTag(root: string, { repository, tag, digest, before }: Tagging): Promise<boolean> {
  parseTreeRepository(repository)
  parseTag(tag)
  if (!hasManifestFile(root, repository, digest)) {
    throw new RegistrishError('incomplete', `cannot tag ${repository}:${tag}: ${digest} is not in the tree`, {
      side: 'target',
    })
  }
  const known = readTagged(root, repository, tag)
  const sha256 = digest.startsWith('sha256:') ? digest : readStoredManifest(root, repository, digest)?.digest
  if (known === sha256) return false
  await checkCase(root, repository, tag)
  await before?.()
  await flushFolder(join(root, manifestsFolder(repository)))
  await linkOrCopy(root, join(root, manifestPath(repository, digest)), join(root, manifestPath(repository, tag)))
  await flushFolder(join(root, manifestsFolder(repository)))
  return true
}

/** The digest of what a tag's file holds now; an unreadable one counts as none, to be replaced. */
function readTagged(root: string, repository: string, tag: string): Digest | undefined {
  try {
    return readStoredManifest(root, repository, tag)?.digest
  } catch (error) {
    if (error instanceof RegistrishError && ['manifest-invalid', 'unsupported'].includes(error.code)) return undefined
    throw error
  }
}

function refuseWindows(): void {
  if (process.platform !== 'win32') return
  throw new RegistrishError('unsupported', 'Windows cannot hold ":" in file names, and a registry needs it', {
    hint: 'run registrish in WSL, on a Linux file system',
    side: 'target',
  })
}

function notFound(root: string, what: string): RegistrishError {
  return new RegistrishError('not-found', `there is no ${what} in ${root}`, {
    side: 'source',
    hint: 'registrish list shows what is there',
  })
}
