import type { Digest } from '../oci/digest.ts'
import { JSON_TYPE, OCI_INDEX, OCTET_STREAM } from '../oci/media-types.ts'

/** What a route stands for. */
export type RouteKind = 'version' | 'catalog' | 'tags' | 'tag' | 'manifest' | 'blob' | 'referrers'

/** How long an answer may be kept: content named by its digest for ever, all else shortly. */
type CacheLife = 'immutable' | 'short'

/** Where a body is: a file of the tree (root-relative path), or bytes. */
type RouteBody = { readonly file: string } | { readonly bytes: Uint8Array }

/** One URL of the registry and exactly what a client must see there. */
export interface Route {
  /** Request path, decoded: `/v2/alpine/manifests/latest`. */
  readonly path: string
  readonly kind: RouteKind
  /** The repository, for all kinds but `version` and `catalog`. */
  readonly repository?: string
  readonly body: RouteBody
  readonly mediaType: string
  /** Bytes. */
  readonly size: number
  /** Digest of the body where clients are told it: for a tag the sha256 of what it names, for a digest route the digest in the path. */
  readonly digest?: Digest
  readonly cache: CacheLife
  /** Every header of the answer that does not follow from the request: spelled as printed, Content-Length apart. */
  readonly headers: Readonly<Record<string, string>>
}

/** The route of a file that has a digest. */
export interface FileRoute extends Route {
  readonly kind: 'blob' | 'manifest' | 'tag'
  readonly repository: string
  readonly body: { readonly file: string }
  readonly digest: Digest
}

/** A rule for many URLs at once: all blobs, or all manifests by digest of one type. Captured values stand as `{name}`, `{tag}`, `{digest}` and `{mediaType}` in `path` and `headers`. */
export interface RouteFamily {
  readonly kind: RouteKind
  readonly path: string
  /** `{mediaType}` where it depends on the bytes. */
  readonly mediaType: string
  readonly cache: CacheLife
  readonly headers: Readonly<Record<string, string>>
  /** Body where no file stands at the path, with status 200; undefined: 404. */
  readonly fallback?: Uint8Array
}

/** The route table of a tree: what printers print. */
export interface RouteTable {
  readonly families: readonly RouteFamily[]
  /** All routes, sorted by repository and path, lazily; may be iterated again. */
  routes(options?: RouteChoice): AsyncIterable<Route>
}

/** Which routes of a table are wanted. */
interface RouteChoice {
  /** Only those of some repositories, so without `version` and `catalog`. Default: all. */
  readonly repositories?: Iterable<string>
  /** Without those of blobs, which are most of all files: for who prints their family only. Default true. */
  readonly blobs?: boolean
  readonly signal?: AbortSignal
}

/** The Cache-Control of each life; `no-transform` keeps proxies from compressing (facts: a compressed blob has another digest). */
const CACHE_CONTROL: Readonly<Record<CacheLife, string>> = {
  immutable: 'public, max-age=31536000, immutable, no-transform',
  short: 'public, max-age=60, no-transform',
}

/**
 * The headers of an answer, the one place that decides them (design §6): `digest` and `mediaType` may be placeholders such as `{digest}`.
 * The ETag is the digest: a date and size say nothing about a tag that moved.
 */
export function headersOf(kind: RouteKind, mediaType: string, digest?: string): Readonly<Record<string, string>> {
  const cache: CacheLife = kind === 'blob' || kind === 'manifest' ? 'immutable' : 'short'
  const headers: Record<string, string> = { 'Content-Type': mediaType }
  if (digest !== undefined) {
    headers['Docker-Content-Digest'] = digest
    headers['ETag'] = `"${digest}"`
  }
  headers['Cache-Control'] = CACHE_CONTROL[cache]
  headers['Docker-Distribution-API-Version'] = 'registry/2.0'
  headers['X-Content-Type-Options'] = 'nosniff'
  return headers
}

/** The body of `/v2/`. */
export const VERSION_BODY: Uint8Array = new TextEncoder().encode('{}')

/** The media type of each kind of document. */
export const DOCUMENT_TYPES: Readonly<Record<'version' | 'catalog' | 'tags' | 'referrers' | 'blob', string>> = {
  version: JSON_TYPE,
  catalog: JSON_TYPE,
  tags: JSON_TYPE,
  referrers: OCI_INDEX,
  blob: OCTET_STREAM,
}
