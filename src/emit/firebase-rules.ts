import { DIGEST_PATTERN } from '../oci/digest.ts'
import type { RouteFamily, RouteKind, RouteTable } from '../tree/route.ts'
import { anyPattern, asPattern, groupByDigest } from './digest-groups.ts'
import { ANY_NAME } from './name-patterns.ts'
import { familyOf } from './route-parts.ts'

type Headers = Readonly<Record<string, string>>

/** A rule of `headers` in firebase.json. Of all that match, the later one gives a header its value. */
interface HeaderRule {
  /** An RE2 expression; what is here is also one of JavaScript, with the flag `u`, which is what the emulator may have. */
  readonly regex: string
  readonly headers: Headers
}

/** What Firebase makes itself: its ETag follows from the bytes too, and a rule could not make it answer 304 to another. */
const LEFT_OUT: ReadonlySet<string> = new Set(['ETag'])

/** The answers that a request path alone tells apart: most general first. */
export function formatFamilies(families: readonly RouteFamily[]): readonly HeaderRule[] {
  const literal = (kind: RouteKind): Headers => literalHeaders(familyOf(families, kind))
  const document = literal('version')
  const kinds = ['referrers', 'manifest', 'blob'] as const
  return [
    { regex: '^/(?:v2(?:/|$)|version[.]json$)', headers: document },
    ...kinds.map(kind => ({ regex: DIGEST_PATHS[kind], headers: without(literal(kind), document) })),
  ]
}

/** The rules of manifests: one for each digest, of all paths that say it, in the order in which a table first names them. */
export async function* formatManifests(table: RouteTable): AsyncGenerator<HeaderRule> {
  const kinds = ['tag', 'manifest'] as const
  const said = kinds.map(kind => literalHeaders(familyOf(table.families, kind)))
  for (const { route, references } of await groupByDigest(table, kinds)) {
    const own = said.reduce(without, withoutOwn(route.headers))
    const paths = [...references].map(
      ([name, list]) => `${asPattern(name)}/manifests/${anyPattern(list.map(asPattern))}`,
    )
    yield { regex: `^/v2/${anyPattern(paths)}$`, headers: own }
  }
}

/** The request paths of those that a digest names. A rule for all of them says no type of manifests, so that what is not there does not claim to be one. */
const DIGEST_PATHS = {
  referrers: `^(?:/v2/${ANY_NAME}/referrers/${DIGEST_PATTERN}|/referrers[.]json)$`,
  manifest: `^/v2/${ANY_NAME}/manifests/${DIGEST_PATTERN}$`,
  blob: `^/v2/${ANY_NAME}/blobs/${DIGEST_PATTERN}$`,
} as const

function literalHeaders({ headers }: RouteFamily): Headers {
  return Object.fromEntries(Object.entries(withoutOwn(headers)).filter(([, value]) => !value.includes('{')))
}

function withoutOwn(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !LEFT_OUT.has(name)))
}

function without(headers: Headers, others: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name, value]) => others[name] !== value))
}
