import { DIGEST_PATTERN, type Digest } from '../oci/digest.ts'
import { isReserved, NAME_PATTERN, TAG_PATTERN } from '../oci/name.ts'

/*
 * The only file that knows where things stand in a tree. All paths are relative to the root, with "/".
 * v2/ is what hosts publish; .registrish/ is private, saves time only, and lies on the same file system as v2/.
 */

/** The published folder. */
export const PUBLIC: string = 'v2'
/** The private folder. */
export const PRIVATE: string = '.registrish'

export const versionPath: string = 'v2/index.json'
export const catalogPath: string = 'v2/_catalog'
/** Below it stands everything that a store of objects serves; an object of that very key answers the version check where folders have no index. */
export const publicPrefix: string = `${PUBLIC}/`
/** What website endpoints answer with where there is nothing. No repository begins with "_". */
export const notFoundPath: string = 'v2/_404.json'
/** Beside v2/ in a store of objects, not public: what is to be deleted there one day. */
export const deletionsKey: string = `${PRIVATE}/deletions.json`
export const locksFolder: string = `${PRIVATE}/locks`
export const partialsFolder: string = `${PRIVATE}/partial`
/** Whole, verified blobs of images that are not whole yet. */
export const verifiedFolder: string = `${PRIVATE}/verified`
/** Where manifests and documents are written before they are renamed into v2/. */
export const incomingFolder: string = `${PRIVATE}/incoming`
/** Temporary files of whoever copies images in from elsewhere. */
export const temporaryFolder: string = `${PRIVATE}/temporary`
/** Where `verify --repair` moves bad files. */
export const asideFolder: string = `${PRIVATE}/aside`
/** Notes of repositories whose changes the files of static hosts may not know yet. */
export const changesFolder: string = `${PRIVATE}/changes`

export function repositoryFolder(repository: string): string {
  return `v2/${repository}`
}

export function manifestsFolder(repository: string): string {
  return `v2/${repository}/manifests`
}

/** A manifest by tag or digest. */
export function manifestPath(repository: string, reference: string): string {
  return `v2/${repository}/manifests/${reference}`
}

export function blobsFolder(repository: string): string {
  return `v2/${repository}/blobs`
}

export function blobPath(repository: string, digest: Digest): string {
  return `v2/${repository}/blobs/${digest}`
}

export function tagsListPath(repository: string): string {
  return `v2/${repository}/tags/list`
}

export function referrersFolder(repository: string): string {
  return `v2/${repository}/referrers`
}

export function referrersPath(repository: string, digest: Digest): string {
  return `v2/${repository}/referrers/${digest}`
}

/** A blob that is being downloaded. */
export function partialPath(digest: Digest): string {
  return `${partialsFolder}/${digest}`
}

/** A blob that is verified and not visible yet. */
export function verifiedPath(digest: Digest): string {
  return `${verifiedFolder}/${digest}`
}

/** The notes that were made under one lock of the tree. */
export function changesOf(lock: string): string {
  return `${changesFolder}/${lock}`
}

/** The note of one repository; a single name, since repositories nest. */
export function changePath(lock: string, repository: string): string {
  return `${changesOf(lock)}/${repository.replaceAll('/', ':')}`
}

/** The repository that a note is of, by the name of its file. */
export function changedRepository(name: string): string {
  return name.replaceAll(':', '/')
}

/** What is remembered of a repository: its upstream and the digests that were fetched without a tag. No component of a name begins with "_". */
export function originPath(repository: string): string {
  return `${PRIVATE}/origins/${repository}/_origin.json`
}

/** What a request path of the distribution API names. `reference` is a tag or digest as it stands in the path. */
export type RequestTarget =
  | { readonly kind: 'version' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: Digest }

/** Parses a decoded request path (`/v2/…`, without query); undefined for anything that is not the distribution API's or that no tree can hold. */
export function parseRequestPath(path: string): RequestTarget | undefined {
  if (path === '/v2/' || path === '/v2') return { kind: 'version' }
  if (path === '/v2/_catalog') return { kind: 'catalog' }
  const match = REQUEST.exec(path)?.groups
  const repository = match?.['repository']
  if (match === undefined || repository === undefined || repository.split('/').some(isReserved)) return undefined
  if (match['tags'] !== undefined) return { kind: 'tags', repository }
  const { reference, blob, subject } = match
  if (reference !== undefined) return { kind: 'manifest', repository, reference }
  if (blob !== undefined) return { kind: 'blob', repository, digest: blob as Digest }
  return { kind: 'referrers', repository, digest: subject as Digest }
}

const REQUEST = new RegExp(
  `^/v2/(?<repository>${NAME_PATTERN})/(?:(?<tags>tags/list)|manifests/(?<reference>${TAG_PATTERN}|${DIGEST_PATTERN})|blobs/(?<blob>${DIGEST_PATTERN})|referrers/(?<subject>${DIGEST_PATTERN}))$`,
)
