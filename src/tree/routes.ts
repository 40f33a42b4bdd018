import { throwIfAborted } from '../errors.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { formatReferrers } from '../oci/referrers.ts'
import { formatCatalog, formatTagsList, referrersBySubject } from './documents.ts'
import { isFolderInside } from './files.ts'
import {
  blobPath,
  catalogPath,
  manifestPath,
  manifestsFolder,
  parseRequestPath,
  type RequestTarget,
  referrersPath,
  tagsListPath,
} from './layout.ts'
import type { SnapshotMemory } from './read-manifests.ts'
import {
  DOCUMENT_TYPES,
  type FileRoute,
  headersOf,
  type Route,
  type RouteFamily,
  type RouteKind,
  type RouteTable,
  VERSION_BODY,
} from './route.ts'
import { listRepositories, type RepositorySnapshot, readBlobs, readRepository } from './snapshot.ts'
import type { ReadonlyTree } from './tree.ts'

/** The rules that hold for many URLs at once, the same for every tree. */
export const FAMILIES: readonly RouteFamily[] = [
  family('blob', '/v2/{name}/blobs/{digest}', DOCUMENT_TYPES.blob, '{digest}'),
  family('manifest', '/v2/{name}/manifests/{digest}', '{mediaType}', '{digest}'),
  family('tag', '/v2/{name}/manifests/{tag}', '{mediaType}', '{digest}'),
  { ...family('referrers', '/v2/{name}/referrers/{digest}', DOCUMENT_TYPES.referrers), fallback: formatReferrers([]) },
  family('tags', '/v2/{name}/tags/list', DOCUMENT_TYPES.tags),
  family('catalog', '/v2/_catalog', DOCUMENT_TYPES.catalog),
  { ...family('version', '/v2/', DOCUMENT_TYPES.version), fallback: VERSION_BODY },
]

/**
 * The route table of a tree: the one computation that all printers print. Documents are computed from the files, never taken from a document
 * on disk; fallback tags are the files that `rebuildDocuments` made. Blobs are not read; of manifests only what is not in `memory` yet.
 */
export function createRouteTable(tree: ReadonlyTree, memory?: SnapshotMemory): RouteTable {
  return {
    families: FAMILIES,
    async *routes({ repositories, blobs = true, signal } = {}): AsyncGenerator<Route> {
      const all = await listRepositories(tree.root)
      if (repositories === undefined) {
        yield documentRoute('catalog', `/${catalogPath}`, formatCatalog(all))
        yield documentRoute('version', '/v2/', VERSION_BODY)
      }
      const wanted = repositories === undefined ? undefined : new Set(repositories)
      for (const repository of all) {
        throwIfAborted(signal)
        if (wanted !== undefined && !wanted.has(repository)) continue
        if (blobs) for (const blob of await readBlobs(tree.root, repository)) yield blobRoute(repository, blob)
        yield* repositoryRoutes(tree.root, repository, memory)
      }
    },
  }
}

/**
 * The route of one request path, decoded and without query; undefined where there is nothing. The same answer as the table's, but that a manifest's
 * body is the file that bears the very name asked for, which is the one to watch; the table names the file of its digest, which no tag moves.
 * @throws RegistrishError `digest-mismatch`, `manifest-invalid` or `unsupported` where that file is not what its name says: the table leaves it out.
 */
export async function findRoute(tree: ReadonlyTree, path: string): Promise<Route | undefined> {
  const target = parseRequestPath(path)
  return target === undefined ? undefined : findTarget(tree, target)
}

/**
 * The route of a parsed request path. A referrers list is always there, empty where nothing refers (distribution spec, "Listing Referrers").
 * A list of tags reads all manifests that are not in `memory` yet.
 */
export async function findTarget(
  tree: ReadonlyTree,
  target: RequestTarget,
  memory?: SnapshotMemory,
): Promise<Route | undefined> {
  switch (target.kind) {
    case 'version':
      return documentRoute('version', '/v2/', VERSION_BODY)
    case 'catalog':
      return documentRoute('catalog', `/${catalogPath}`, formatCatalog(await tree.repositories()))
    case 'tags': {
      const names = await tree.tags(target.repository)
      if (names.length === 0 && !isFolderInside(tree.root, manifestsFolder(target.repository))) return undefined
      const { tags } = await readRepository(tree.root, target.repository, memory) // damaged ones are left out, as in the table
      return tagsRoute(
        target.repository,
        names.filter(name => tags.has(name)),
      )
    }
    case 'blob': {
      const size = await tree.blobSize(target.repository, target.digest)
      return size === undefined ? undefined : blobRoute(target.repository, { digest: target.digest, size })
    }
    case 'referrers': {
      const referrers = await tree.referrers(target.repository, target.digest)
      return referrersRoute(target.repository, target.digest, formatReferrers(referrers))
    }
    case 'manifest': {
      const stored = await tree.manifest(target.repository, target.reference)
      if (stored === undefined) return undefined
      const { manifest, bytes, digest, file } = stored
      return manifestRoute({
        repository: target.repository,
        reference: target.reference,
        mediaType: manifest.mediaType,
        size: bytes.length,
        digest,
        file,
      })
    }
  }
}

/** All but those of blobs. */
async function* repositoryRoutes(root: string, repository: string, memory?: SnapshotMemory): AsyncGenerator<Route> {
  const snapshot = await readRepository(root, repository, memory)
  yield* manifestRoutes(snapshot)
  const bySubject = [...referrersBySubject(snapshot)].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [subject, referrers] of bySubject) yield referrersRoute(repository, subject, formatReferrers(referrers))
  yield tagsRoute(repository, [...snapshot.tags.keys()])
}

/** The routes of a repository's manifests, by digest and by tag, sorted. */
export function manifestRoutes({ repository, manifests, tags }: RepositorySnapshot): readonly FileRoute[] {
  const routes: FileRoute[] = []
  for (const { digest, file, size, mediaType, aliases } of manifests.values()) {
    for (const reference of [digest, ...aliases])
      routes.push(manifestRoute({ repository, reference, mediaType, size, digest, file }))
  }
  for (const [tag, digest] of tags) {
    const entry = manifests.get(digest)
    if (entry !== undefined) routes.push(manifestRoute({ ...entry, repository, reference: tag }))
  }
  return routes.sort(byPath)
}

interface ManifestPlace {
  readonly repository: string
  readonly reference: string
  readonly mediaType: string
  readonly size: number
  readonly digest: Digest
  readonly file: string
}

/** By digest the header echoes the digest asked for; by tag it is the sha256 (design §4). */
function manifestRoute({ repository, reference, mediaType, size, digest, file }: ManifestPlace): FileRoute {
  const named = asDigest(reference)
  const kind = named === undefined ? 'tag' : 'manifest'
  return {
    path: `/${manifestPath(repository, reference)}`,
    kind,
    repository,
    body: { file },
    mediaType,
    size,
    digest: named ?? digest,
    cache: named === undefined ? 'short' : 'immutable',
    headers: headersOf(kind, mediaType, named ?? digest),
  }
}

/** The route of a blob. */
export function blobRoute(
  repository: string,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): FileRoute {
  const file = blobPath(repository, digest)
  const mediaType = DOCUMENT_TYPES.blob
  return {
    path: `/${file}`,
    kind: 'blob',
    repository,
    body: { file },
    mediaType,
    size,
    digest,
    cache: 'immutable',
    headers: headersOf('blob', mediaType, digest),
  }
}

/** The route of a list of tags. */
export function tagsRoute(repository: string, tags: readonly string[]): Route {
  return { ...documentRoute('tags', `/${tagsListPath(repository)}`, formatTagsList(repository, tags)), repository }
}

/** The route of a list of referrers. */
export function referrersRoute(repository: string, digest: Digest, bytes: Uint8Array): Route {
  return { ...documentRoute('referrers', `/${referrersPath(repository, digest)}`, bytes), repository }
}

/** The route of a document. */
export function documentRoute(
  kind: 'version' | 'catalog' | 'tags' | 'referrers',
  path: string,
  bytes: Uint8Array,
): Route {
  const mediaType = DOCUMENT_TYPES[kind]
  return {
    path,
    kind,
    body: { bytes },
    mediaType,
    size: bytes.length,
    cache: 'short',
    headers: headersOf(kind, mediaType),
  }
}

function family(kind: RouteKind, path: string, mediaType: string, digest?: string): RouteFamily {
  return {
    kind,
    path,
    mediaType,
    cache: kind === 'blob' || kind === 'manifest' ? 'immutable' : 'short',
    headers: headersOf(kind, mediaType, digest),
  }
}

function byPath(a: Route, b: Route): number {
  return a.path < b.path ? -1 : 1
}
