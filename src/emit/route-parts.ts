import type { Route, RouteFamily, RouteKind } from '../tree/route.ts'

/** A family of the route table, which always has one of each kind. */
export function familyOf(families: readonly RouteFamily[], kind: RouteKind): RouteFamily {
  const family = families.find(entry => entry.kind === kind)
  if (family === undefined) throw new TypeError(`the route table has no family ${kind}`)
  return family
}

/** What the path of a manifest, a blob or a list of referrers ends with: a tag or a digest. */
export function referenceOf({ path }: Pick<Route, 'path'>): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
