import { ERROR_HEADERS } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { ANY_NAME } from './name-patterns.ts'
import { familyOf, sharedHeaders } from './route-parts.ts'
import { vercelPages } from './vercel-paths.ts'
import type { TagRoute } from './vercel-tags.ts'

type Headers = Readonly<Record<string, string>>

/** A route of the Build Output API. */
interface VercelRoute {
  readonly src?: string
  readonly dest?: string
  readonly headers?: Headers
  readonly methods?: readonly string[]
  readonly continue?: true
  readonly caseSensitive?: true
  readonly status?: number
  readonly handle?: 'filesystem' | 'hit' | 'error'
}

/** Routes of a deployment (Vercel, "Limits"), less some for what Vercel adds itself. */
const MOST_ROUTES = 2_000

/** What Vercel makes itself: its ETag follows from the bytes too. */
const LEFT_OUT: ReadonlySet<string> = new Set(['ETag'])

/** How many tags' routes a deployment has room for. */
export function tagRoom(families: readonly RouteFamily[]): number {
  return MOST_ROUTES - formatRoutes(families, []).length
}

/**
 * All routes. First those that lead a request to its file; what depends on there being one comes after `hit`, so that what is missing does not claim a digest and is not
 * kept for ever. No two that match one request give a header different values: it is not documented which one counts. Those after `hit` match the request's path and
 * that of the file: nor is that.
 */
export function formatRoutes(families: readonly RouteFamily[], tags: readonly TagRoute[]): readonly VercelRoute[] {
  const error = { 'Content-Type': JSON_TYPE, ...ERROR_HEADERS }
  const writes = {
    methods: WRITES,
    status: 405,
    dest: vercelPages.notAllowed,
    headers: { ...error, Allow: 'GET, HEAD' },
  }
  return [
    route('.*', writes),
    route('v2(?:/.*)?', { headers: commonHeaders(families), continue: true }),
    route('v2/?', { dest: vercelPages.version }),
    route(`v2/${ANY_NAME}/blobs/${ASKED}`, { dest: '/blobs/$1/$2' }),
    route(`v2/(${ANY_NAME})/(manifests|referrers)/${ASKED}`, { dest: '/digests/$1/$2/$3/$4' }),
    route(`v2/(${ANY_NAME})/manifests/(${TAG_PATTERN})`, { dest: '/tags/$1/manifests/$2/manifest' }),
    { handle: 'filesystem' },
    route(`(?:v2|digests)/${ANY_NAME}/referrers/${FOUND}`, { dest: vercelPages.noReferrers }),
    { handle: 'hit' },
    ...formatHits(families),
    ...tags.map(({ pattern, digest }) =>
      route(`(?:v2|tags)/${pattern}(?:/manifest)?`, { headers: fill(digestHeader(families), digest), continue: true }),
    ),
    { handle: 'error' },
    route('.*', { status: 404, dest: vercelPages.notFound, headers: error }),
  ]
}

const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
const HEX = '([0-9a-f]{64}|[0-9a-f]{128})'
/** A digest in a request, and where a file may stand. Two captures: algorithm and hex. */
const ASKED = `(sha256|sha512)(?::|%3[Aa])${HEX}`
const FOUND = `(sha256|sha512)(?::|%3[Aa]|/)${HEX}`

function formatHits(families: readonly RouteFamily[]): readonly VercelRoute[] {
  const own = (kind: RouteKind): Headers => fill(ownHeaders(families, kind), '$1:$2')
  const { 'Content-Type': _, ...document } = own('version')
  const documents = [
    ...['v2/?', 'version[.]json', 'referrers[.]json', 'v2/_catalog', `v2/${ANY_NAME}/tags/list`],
    ...[
      `(?:v2|digests)/${ANY_NAME}/referrers/${FOUND}`,
      `(?:v2|tags)/${ANY_NAME}/manifests/${TAG_PATTERN}(?:/manifest)?`,
    ],
  ]
  return [
    route(`(?:v2/${ANY_NAME}/)?blobs/${FOUND}`, { headers: own('blob'), continue: true }),
    route(`(?:v2|digests)/${ANY_NAME}/manifests/${FOUND}`, { headers: own('manifest'), continue: true }),
    route(`(?:${documents.join('|')})`, { headers: document, continue: true }),
  ]
}

function route(path: string, rest: Omit<VercelRoute, 'src'>): VercelRoute {
  return { src: `^/${path}$`, caseSensitive: true, ...rest }
}

/** Headers that all families have alike. */
function commonHeaders(families: readonly RouteFamily[]): Headers {
  const common = sharedHeaders(families).filter(({ kinds }) => kinds.length === families.length)
  return Object.fromEntries(common.map(({ name, value }) => [name, value]))
}

/** The other headers of a family, but a type that depends on the bytes, which Vercel is told of each file. */
function ownHeaders(families: readonly RouteFamily[], kind: RouteKind): Headers {
  const common = commonHeaders(families)
  const { headers } = familyOf(families, kind)
  const own = Object.entries(headers).filter(
    ([name, value]) => !(name in common || LEFT_OUT.has(name) || value === '{mediaType}'),
  )
  return Object.fromEntries(own)
}

/** Of the headers of tags those that say what the tag names. */
function digestHeader(families: readonly RouteFamily[]): Headers {
  const own = Object.entries(ownHeaders(families, 'tag'))
  return Object.fromEntries(own.filter(([, value]) => value.includes('{digest}')))
}

function fill(headers: Headers, digest: string): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value.replace('{digest}', () => digest)]),
  )
}
