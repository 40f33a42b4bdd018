import { hash } from 'node:crypto'
import { join } from 'node:path'
import { throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf, hexOf } from '../oci/digest.ts'
import { fallbackTag } from '../oci/referrers.ts'
import type { CallOptions } from '../oci/source.ts'
import { isFallbackDocument, referrersBySubject } from '../tree/documents.ts'
import { parentsFirst, type RepositoryGraph, readGraph } from '../tree/graph.ts'
import { blobPath, manifestPath } from '../tree/layout.ts'
import type { FileRoute, Route } from '../tree/route.ts'
import { blobRoute, manifestRoutes } from '../tree/routes.ts'
import { listRepositories, readBlobs } from '../tree/snapshot.ts'
import type { NewObject, ObjectHead, StoredObject } from './store.ts'

/** A file of the tree as an object of a store. */
export interface WantedObject extends NewObject {
  readonly kind: 'blob' | 'manifest' | 'tag'
  readonly repository: string
  readonly digest: Digest
  /** Blobs 0; manifests one more than what they point to, so that lower levels are written first. */
  readonly level: number
  /** MD5 of the bytes, as most stores tell it in listings; only of what tags name, and where there is MD5. */
  readonly md5?: string | undefined
}

/** What one repository of the tree brings to a store. Its documents are not here: they are made from this and what the store holds. */
export interface LocalRepository {
  readonly name: string
  readonly graph: RepositoryGraph
  /** Sizes in bytes. */
  readonly blobs: ReadonlyMap<Digest, number>
  readonly objects: readonly WantedObject[]
  /** Subject → who refers to it. */
  readonly referrers: ReadonlyMap<Digest, readonly Descriptor[]>
  /** Fallback tags, documents as the referrers lists are → subject. One that someone else has put to use is none. */
  readonly fallbacks: ReadonlyMap<string, Digest>
}

/** Reads the whole tree but the bytes of its blobs. Fallback tags that are documents are left to who makes documents. */
export async function readContent(root: string, { signal }: CallOptions = {}): Promise<readonly LocalRepository[]> {
  const repositories: LocalRepository[] = []
  const room = { bytes: MOST_KEPT }
  for (const name of await listRepositories(root)) {
    throwIfAborted(signal)
    repositories.push(await readLocal(root, name, room))
  }
  return repositories
}

/** Bytes of manifests that are kept, so that files as small as these are opened once, not once more for each of their names; those beyond are read again. */
const MOST_KEPT = 32 * 1024 * 1024

async function readLocal(root: string, name: string, room: { bytes: number }): Promise<LocalRepository> {
  const sums = new Map<Digest, string>()
  const kept = new Map<Digest, Uint8Array>()
  const graph = await readGraph(root, name, {
    onManifest(digest, _, bytes) {
      const sum = md5Of(bytes)
      if (sum !== undefined) sums.set(digest, sum)
      if (bytes.length > room.bytes) return
      room.bytes -= bytes.length
      kept.set(digest, bytes)
    },
  })
  const levels = levelsOf(graph)
  const blobs = await readBlobs(root, name)
  const objects = blobs.map(blob => wantedOf(blobRoute(name, blob), { root, level: 0 }))
  for (const route of manifestRoutes(graph.snapshot)) {
    const { kind, digest } = route
    if (kind === 'tag' && isFallbackDocument(root, graph.snapshot, tagOf(route.path))) continue
    const sha256 = graph.find(digest)?.entry.digest ?? digest
    const md5 = kind === 'tag' ? sums.get(digest) : undefined
    objects.push(wantedOf(route, { root, level: levels.get(sha256) ?? 1, bytes: kept.get(sha256), md5 }))
  }
  const referrers = referrersBySubject(graph.snapshot)
  const taken = new Set(objects.filter(({ kind }) => kind === 'tag').map(({ key }) => tagOf(key)))
  const fallbacks = [...referrers.keys()].map(subject => [fallbackTag(subject), subject] as const)
  return {
    name,
    graph,
    blobs: new Map(blobs.map(({ digest, size }) => [digest, size])),
    objects,
    referrers,
    fallbacks: new Map(fallbacks.filter(([tag]) => !taken.has(tag))),
  }
}

/** The keys of a repository's files and of all that its manifests point to, whether the tree holds it or not: a store may hold what the tree lacks. */
export function* neededKeys({ name, graph, objects }: LocalRepository): Generator<string> {
  for (const { key } of objects) yield key
  for (const { entry, edges } of graph.nodes.values()) {
    for (const { digest } of edges) {
      yield blobPath(name, digest)
      if (entry.kind === 'index') yield manifestPath(name, digest)
    }
  }
}

/** What the object of a route is served with. */
export function headOf({
  path,
  mediaType,
  headers,
}: Pick<Route, 'path' | 'mediaType' | 'headers'>): Omit<ObjectHead, 'size'> {
  return { key: path.slice(1), contentType: mediaType, cacheControl: headers['Cache-Control'] ?? '' }
}

/** The tag in a key or path of one. */
export function tagOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

/** The MD5 of some bytes in hex; undefined where MD5 is forbidden (FIPS). It tells whether an object is the same, it proves nothing. */
export function md5Of(bytes: Uint8Array): string | undefined {
  try {
    return hash('md5', bytes)
  } catch {
    return undefined
  }
}

/** Whether a listing tells that an object has these bytes, by their MD5 or SHA-256. False says nothing: then the object has to be read. */
export function isListedAs({ etag, md5 = etag }: StoredObject, bytes: Uint8Array): boolean {
  return md5.length === SHA256_LENGTH ? md5 === hexOf(digestOf(bytes)) : md5 === md5Of(bytes)
}

/** Of a SHA-256 in hex. */
const SHA256_LENGTH = 64

interface Wanting {
  readonly root: string
  readonly level: number
  /** The bytes of the file, where they are at hand. */
  readonly bytes?: Uint8Array | undefined
  readonly md5?: string | undefined
}

/** One literal, of which there are very many. */
function wantedOf(route: FileRoute, { root, level, bytes, md5 }: Wanting): WantedObject {
  const { kind, repository, digest, size, body } = route
  const { key, contentType, cacheControl } = headOf(route)
  return {
    key,
    size,
    contentType,
    cacheControl,
    body: bytes === undefined ? { file: join(root, body.file) } : { bytes },
    kind,
    repository,
    digest,
    level,
    md5,
  }
}

/** How high each manifest stands above blobs. */
function levelsOf(graph: RepositoryGraph): ReadonlyMap<Digest, number> {
  const levels = new Map<Digest, number>()
  for (const digest of [...parentsFirst(graph, graph.nodes.keys())].reverse()) {
    const node = graph.nodes.get(digest)
    const children = node?.entry.kind === 'index' ? node.edges : []
    const below = children.map(edge => levels.get(graph.find(edge.digest)?.entry.digest ?? edge.digest) ?? 0)
    levels.set(digest, 1 + below.reduce((most, level) => Math.max(most, level), 0))
  }
  return levels
}
