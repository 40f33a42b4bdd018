import { type ApiErrorCode, formatApiError } from '../oci/api-error.ts'
import type { Route, RouteFamily, RouteTable } from '../tree/route.ts'
import type { SiteFile } from './emitter.ts'
import { routeFile } from './route-file.ts'
import { familyOf } from './route-parts.ts'

/** The files of all routes at the root-relative paths that they are given: blobs of one path, which several repositories share, once. */
export async function* routeFiles(table: RouteTable, pathOf: (route: Route) => string): AsyncGenerator<SiteFile> {
  const pool = new Set<string>()
  for await (const route of table.routes()) {
    const path = pathOf(route)
    if (pool.has(path)) continue
    if (route.kind === 'blob') pool.add(path)
    yield routeFile(route, path)
  }
}

/** An error of the distribution API as a page. */
export function errorPage(path: string, code: ApiErrorCode): SiteFile {
  return { path, bytes: new TextEncoder().encode(formatApiError(code)) }
}

/** The list of referrers of what nothing refers to. */
export function noReferrers(path: string, families: readonly RouteFamily[]): SiteFile {
  const { fallback } = familyOf(families, 'referrers')
  if (fallback === undefined) throw new TypeError('the route table has no empty list of referrers')
  return { path, bytes: fallback }
}
