import type { Digest } from '../oci/digest.ts'
import type { Route, RouteTable } from '../tree/route.ts'
import { referenceOf } from './route-parts.ts'

/** A manifest and all paths that say its digest. */
export interface DigestGroup {
  readonly digest: Digest
  /** The first of the routes. */
  readonly route: Route
  /** Tags and digests by repository. */
  readonly references: ReadonlyMap<string, readonly string[]>
}

/** The manifests of a table, once for each digest that is told of them, in the order in which it first names them. Holds all of their names. */
export async function groupByDigest(
  table: RouteTable,
  kinds: readonly Route['kind'][],
): Promise<readonly DigestGroup[]> {
  const groups = new Map<Digest, GrowingGroup>()
  for await (const route of table.routes({ blobs: false })) {
    const { kind, digest, repository } = route
    if (!kinds.includes(kind) || digest === undefined || repository === undefined) continue
    const known = groups.get(digest)
    if (known === undefined) {
      groups.set(digest, { digest, route, references: new Map([[repository, [referenceOf(route)]]]) })
      continue
    }
    const references = known.references.get(repository)
    if (references === undefined) known.references.set(repository, [referenceOf(route)])
    else references.push(referenceOf(route))
  }
  return [...groups.values()]
}

interface GrowingGroup extends DigestGroup {
  readonly references: Map<string, string[]>
}

/** Text as an expression, in RE2, PCRE and JavaScript: of what names, tags and digests are made of, only the full stop means something else there. */
export function asPattern(text: string): string {
  return text.replaceAll('.', '[.]')
}

/** An expression for any of several. */
export function anyPattern(patterns: readonly string[]): string {
  return patterns.length === 1 ? patterns.join('') : `(?:${patterns.join('|')})`
}
