import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode } from '../errors.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { LARGEST_MANIFEST } from '../oci/manifest.ts'
import { isReserved, isTag, NAME_PATTERN } from '../oci/name.ts'
import { fileKey, isFolderInside, statEntry } from './files.ts'
import { blobPath, blobsFolder, manifestPath, manifestsFolder, PUBLIC } from './layout.ts'
import {
  type ManifestFacts,
  type OnManifest,
  type ReadFile,
  readNames,
  type SnapshotMemory,
  versionOf,
} from './read-manifests.ts'
import { tooLarge } from './stored-manifest.ts'

/** One manifest of a repository, as its file says. */
export interface ManifestEntry extends ManifestFacts {
  /** Root-relative path of a file that holds it: its digest's where there is one, else a tag's. */
  readonly file: string
  /** sha512 digests it stands at too. */
  readonly aliases: readonly Digest[]
}

/** A file of a repository that is not what its name says. */
export interface SnapshotProblem {
  /** Root-relative path. */
  readonly file: string
  readonly text: string
}

/** What a repository's `manifests/` folder holds at one moment. */
export interface RepositorySnapshot {
  readonly repository: string
  /** By sha256 digest, sorted. */
  readonly manifests: ReadonlyMap<Digest, ManifestEntry>
  /** Tag → sha256 digest, sorted. */
  readonly tags: ReadonlyMap<string, Digest>
  /** Files that are left out, and why. */
  readonly problems: readonly SnapshotProblem[]
}

/** Files that are read before the event loop gets a turn: synchronous calls are several times cheaper than promises in such numbers. */
const BATCH = 256

export interface ReadOptions {
  /** Told what each manifest says, as the only chance to keep more of it than its entry does. */
  readonly onManifest?: OnManifest
}

/**
 * Reads a repository: the one place where files become manifests and tags. Every distinct file is read and hashed once, whatever its names;
 * blobs are not touched. A repository that is not there is empty. With a memory, a file of the same inode, birth, size and date is not read again.
 * Of what is written meanwhile it holds no manifest without those that were visible before it: the folder is listed until it has no new names.
 */
export async function readRepository(
  root: string,
  repository: string,
  memory?: SnapshotMemory,
  { onManifest }: ReadOptions = {},
): Promise<RepositorySnapshot> {
  const reading: Reading = {
    root,
    repository,
    memory,
    onManifest,
    turns: 0,
    manifests: new Map(),
    tags: new Map(),
    problems: [],
  }
  const seen = new Set<string>()
  for (;;) {
    // A tag that moves after it was listed is read as what it names by then, whose children the listing lacks.
    const names = listNames(root, manifestsFolder(repository)).filter(name => !seen.has(name) && isManifestName(name))
    if (names.length === 0) break
    for (const name of names) seen.add(name)
    await readListed(reading, names)
  }
  const { manifests, tags, problems } = reading
  return { repository, manifests: sorted(manifests), tags: sorted(tags), problems }
}

interface Reading {
  readonly root: string
  readonly repository: string
  readonly memory: SnapshotMemory | undefined
  readonly onManifest: OnManifest | undefined
  /** Files that were looked at. */
  turns: number
  readonly manifests: Map<Digest, ManifestEntry>
  readonly tags: Map<string, Digest>
  readonly problems: SnapshotProblem[]
}

async function readListed(reading: Reading, listed: readonly string[]): Promise<void> {
  const { root, repository, memory, onManifest, problems } = reading
  const files = new Map<string, { readonly names: string[]; readonly version: string }>()
  for (const name of listed) {
    const path = manifestPath(repository, name)
    const stats = statEntry(root, path)
    if (stats === undefined) continue
    if (stats.size > LARGEST_MANIFEST) {
      problems.push({ file: path, text: tooLarge(path, Number(stats.size)).message })
      continue
    }
    const known = files.get(fileKey(stats))
    if (known === undefined) files.set(fileKey(stats), { names: [name], version: versionOf(stats) })
    else known.names.push(name)
    if (++reading.turns % BATCH === 0) await setImmediate()
  }
  const folder = join(root, manifestsFolder(repository))
  for (const { names, version } of files.values()) {
    if (++reading.turns % BATCH === 0) await setImmediate()
    for (const found of readNames({ folder, names, version }, memory, onManifest)) addFile(reading, found)
  }
}

/** Whether nothing in a repository is, or should be, a manifest or tag: said by its listing, nothing is read. */
export function isEmptyRepository(root: string, repository: string): boolean {
  const names = listNames(root, manifestsFolder(repository))
  return !names.some(name => isManifestName(name) && statEntry(root, manifestPath(repository, name)) !== undefined)
}

/** Names of all repositories below v2/, sorted: folders that hold `manifests/`. Symbolic links to folders are not followed. */
export function listRepositories(root: string): Promise<readonly string[]> {
  return listFoldersHolding(root, ['manifests'])
}

/** Names of all repositories that may hold blobs, sorted: also those of a first fetch that was interrupted before its manifests. */
export function listBlobRepositories(root: string): Promise<readonly string[]> {
  return listFoldersHolding(root, ['manifests', 'blobs'])
}

async function listFoldersHolding(root: string, parts: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  const pending = ['']
  let turn = 0
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const folders = listEntries(join(root, PUBLIC, name)).filter(entry => entry.isDirectory())
    if (name !== '' && folders.some(entry => parts.includes(entry.name))) found.push(name)
    for (const { name: child } of folders) {
      const path = name === '' ? child : `${name}/${child}`
      if (!isReserved(child) && WHOLE_NAME.test(path)) pending.push(path)
    }
    if (++turn % BATCH === 0) await setImmediate()
  }
  return found.sort()
}

/** A blob's digest and its size in bytes. */
export interface BlobEntry {
  readonly digest: Digest
  readonly size: number
}

/** The blobs of a repository, sorted by digest. */
export async function readBlobs(root: string, repository: string): Promise<readonly BlobEntry[]> {
  const blobs: BlobEntry[] = []
  let turn = 0
  for (const digest of listBlobs(root, repository)) {
    const stats = statEntry(root, blobPath(repository, digest))
    if (stats !== undefined) blobs.push({ digest, size: Number(stats.size) })
    if (++turn % BATCH === 0) await setImmediate()
  }
  return blobs
}

/** The names of a repository's blobs, sorted; what stands there is left to the caller to look at. */
export function listBlobs(root: string, repository: string): readonly Digest[] {
  const names = listNames(root, blobsFolder(repository)).sort()
  return names.map(asDigest).filter(digest => digest !== undefined)
}

const WHOLE_NAME = new RegExp(`^${NAME_PATTERN}$`)

function addFile({ repository, manifests, tags, problems }: Reading, { names, content, sha512 }: ReadFile): void {
  const { digest } = content
  const right: string[] = []
  for (const name of names) {
    const named = asDigest(name)
    if (named === undefined || named === digest || named === sha512) right.push(name)
    else problems.push({ file: manifestPath(repository, name), text: `its bytes are those of ${digest}` })
  }
  if ('problem' in content) {
    for (const name of right) problems.push({ file: manifestPath(repository, name), text: content.problem })
    return
  }
  if (right.length === 0) return
  const known = manifests.get(digest)
  const aliases = right.filter(name => name.startsWith('sha512:')) as Digest[]
  const file = right.find(name => name === digest) ?? aliases[0] ?? right[0] ?? digest
  manifests.set(digest, {
    ...content,
    file: known !== undefined && file !== digest ? known.file : manifestPath(repository, file),
    aliases: [...(known?.aliases ?? []), ...aliases].sort(),
  })
  for (const name of right) if (isTag(name)) tags.set(name, digest)
}

function sorted<K extends string, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isManifestName(name: string): boolean {
  return isTag(name) || asDigest(name) !== undefined
}

function listNames(root: string, folder: string): string[] {
  if (!isFolderInside(root, folder)) return []
  try {
    return readdirSync(join(root, folder))
  } catch (error) {
    if (isAbsent(error)) return []
    throw fileError(error, 'list', folder, 'source')
  }
}

function listEntries(folder: string): ReturnType<typeof readDirectoryEntries> {
  try {
    return readDirectoryEntries(folder)
  } catch (error) {
    if (isAbsent(error)) return []
    throw fileError(error, 'list', folder, 'source')
  }
}

function readDirectoryEntries(folder: string) {
  return readdirSync(folder, { withFileTypes: true })
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')
}
