import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode, throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { fallbackTag, formatReferrers, isFallbackTag } from '../oci/referrers.ts'
import type { CallOptions } from '../oci/source.ts'
import { isRealFolder } from './deletion.ts'
import { flushFolder, linkOrCopy, openToAll, writeWhole } from './files.ts'
import {
  catalogPath,
  manifestPath,
  manifestsFolder,
  PUBLIC,
  referrersFolder,
  referrersPath,
  tagsListPath,
  versionPath,
} from './layout.ts'
import { acquireNamedLock } from './lock.ts'
import type { SnapshotMemory } from './read-manifests.ts'
import { VERSION_BODY } from './route.ts'
import { listRepositories, type RepositorySnapshot, readRepository } from './snapshot.ts'
import { readFallback } from './stored-manifest.ts'

/** Tags of a repository as `tags/list` and clients order them: by code unit. */
export function formatTagsList(repository: string, tags: Iterable<string>): Uint8Array {
  return encode({ name: repository, tags: [...tags] })
}

/** The body of `_catalog`. */
export function formatCatalog(repositories: readonly string[]): Uint8Array {
  return encode({ repositories })
}

/** Who refers to what in a repository, computed from its manifests: subject → descriptors. */
export function referrersBySubject(snapshot: RepositorySnapshot): ReadonlyMap<Digest, readonly Descriptor[]> {
  const bySubject = new Map<Digest, Descriptor[]>()
  for (const { subject, referrer } of snapshot.manifests.values()) {
    if (subject === undefined || referrer === undefined) continue
    const known = bySubject.get(subject)
    if (known === undefined) bySubject.set(subject, [referrer])
    else known.push(referrer)
  }
  return bySubject
}

/**
 * Whether a tag is a fallback document of ours, to be regenerated and not a root: it is named `sha256-<hex>`, and an OCI index of which every
 * entry that is present has that subject; where none is present, one that is written as ours are. Anything else so named (`cosign copy` tags
 * the image itself that way) is someone's own.
 */
export function isFallbackDocument(root: string, snapshot: RepositorySnapshot, tag: string): boolean {
  const digest = isFallbackTag(tag) ? snapshot.tags.get(tag) : undefined
  const entry = digest === undefined ? undefined : snapshot.manifests.get(digest)
  if (entry?.mediaType !== OCI_INDEX || entry.subject !== undefined || fallbackTag(entry.digest) === tag) return false
  const entries = readFallback(root, entry.file)
  if (entries === undefined) return false
  let present = 0
  for (const { digest: child } of entries.manifests) {
    const found = snapshot.manifests.get(child)
    if (found === undefined) continue
    if (found.subject === undefined || fallbackTag(found.subject) !== tag) return false
    present += 1
  }
  return present > 0 || (entries.canonical && entries.manifests.every(({ platform }) => platform === undefined))
}

/**
 * Regenerates the documents of the repositories named (default: all) and the catalogue, from a listing taken under the documents' own lock, so
 * that two processes at once never lose each other's tags. Only what differs is written. True if anything changed.
 */
export async function rebuildDocuments(
  root: string,
  repositories?: Iterable<string>,
  options: CallOptions & { readonly memory?: SnapshotMemory } = {},
): Promise<boolean> {
  const lock = await acquireNamedLock(root, 'documents', options)
  try {
    const all = await listRepositories(root)
    const wanted = repositories === undefined ? all : [...new Set(repositories)]
    let changed = false
    for (const repository of wanted) {
      throwIfAborted(options.signal)
      changed = (await rebuildRepository(root, repository, options.memory)) || changed
    }
    const catalog = await writeWhole(root, catalogPath, formatCatalog(all))
    const version = await writeWhole(root, versionPath, VERSION_BODY)
    await openToAll(join(root, PUBLIC))
    return changed || catalog || version
  } finally {
    await lock.release()
  }
}

async function rebuildRepository(root: string, repository: string, memory?: SnapshotMemory): Promise<boolean> {
  const snapshot = await readRepository(root, repository, memory)
  const bySubject = referrersBySubject(snapshot)
  const tags = new Set(snapshot.tags.keys())
  const flushing = flushBefore(root, repository)
  let changed = false
  for (const [subject, referrers] of bySubject) {
    await setImmediate()
    const bytes = formatReferrers(referrers)
    changed = (await writeWhole(root, referrersPath(repository, subject), bytes, flushing)) || changed
    const tag = fallbackTag(subject)
    if (tags.has(tag) && !isFallbackDocument(root, snapshot, tag)) continue
    if (await writeFallback(root, repository, { tag, bytes, flushing })) {
      changed = true
      flushing.again()
    }
    tags.add(tag)
  }
  const fallbacks = new Set([...bySubject.keys()].map(fallbackTag))
  for (const tag of snapshot.tags.keys()) {
    if (!isFallbackTag(tag) || fallbacks.has(tag) || !isFallbackDocument(root, snapshot, tag)) continue
    await remove(join(root, manifestPath(repository, tag)))
    tags.delete(tag)
    changed = true
  }
  changed = (await removeStaleReferrers(root, repository, bySubject)) || changed
  if (snapshot.manifests.size === 0 && tags.size === 0)
    return (await remove(join(root, tagsListPath(repository)))) || changed
  const list = formatTagsList(repository, [...tags].sort())
  return (await writeWhole(root, tagsListPath(repository), list, flushing)) || changed
}

/** Flushes the names of a repository's manifests once, before the first document that names them is written; `again`: there are new ones. */
interface FlushBefore {
  before(): Promise<void>
  again(): void
}

function flushBefore(root: string, repository: string): FlushBefore {
  let flushed: Promise<void> | undefined
  return {
    before() {
      flushed ??= flushFolder(join(root, manifestsFolder(repository)))
      return flushed
    },
    again() {
      flushed = undefined
    },
  }
}

interface Fallback {
  readonly tag: string
  readonly bytes: Uint8Array
  readonly flushing: FlushBefore
}

async function writeFallback(root: string, repository: string, { tag, bytes, flushing }: Fallback): Promise<boolean> {
  const file = manifestPath(repository, digestOf(bytes))
  const written = await writeWhole(root, file, bytes, flushing)
  return (await linkOrCopy(root, join(root, file), join(root, manifestPath(repository, tag)))) || written
}

/** Files that bear no digest are not ours, nor is what lies behind a symbolic link. */
async function removeStaleReferrers(
  root: string,
  repository: string,
  wanted: ReadonlyMap<Digest, unknown>,
): Promise<boolean> {
  if (!isRealFolder(root, referrersFolder(repository))) return false
  const folder = join(root, referrersFolder(repository))
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, 'list', folder)
  })
  const stale = names
    .map(asDigest)
    .filter(digest => digest !== undefined)
    .filter(digest => !wanted.has(digest))
  for (const name of stale) await remove(join(folder, name))
  return stale.length > 0
}

async function remove(path: string): Promise<boolean> {
  try {
    await rm(path)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
    throw fileError(error, 'remove', path)
  }
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}
