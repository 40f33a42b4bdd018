import { type ApiErrorCode, formatApiError } from '../oci/api-error.ts'
import type { RouteTable } from '../tree/route.ts'
import type { Emitter, SiteFile } from './emitter.ts'
import { routeFile } from './route-file.ts'
import { familyOf } from './route-parts.ts'
import { checkVercel } from './vercel-check.ts'
import { formatConfig } from './vercel-config.ts'
import { sitePath, vercelPages, vercelPaths } from './vercel-paths.ts'

/** Vercel takes a folder of files and a list of routes (Build Output API, version 3): routes have captures, so that there is one pool of blobs, and digests need no rule each. */
export const vercel: Emitter = {
  name: 'vercel',
  title: 'Vercel',
  documentation: 'https://vercel.com/docs/build-output-api/configuration',
  limits: {},
  options: [],
  marker: vercelPaths.marker,
  comment: '#',
  unproven: 'nothing of Vercel runs without an account: its routes are judged by what its documentation says they do',
  reload: () => 'registrish deploy --vercel PROJECT',
  site: { folder: vercelPaths.site, files: table => listFiles(table) },
  check: table => checkVercel(table),
  async *emit(table) {
    const chunks = { [Symbol.asyncIterator]: () => formatConfig(table) }
    yield { path: vercelPaths.config, bare: true, chunks }
    yield { path: vercelPaths.marker, chunks: ['*\n'] }
  },
}

async function* listFiles(table: RouteTable): AsyncGenerator<SiteFile> {
  const { fallback } = familyOf(table.families, 'referrers')
  if (fallback === undefined) throw new TypeError('the route table has no empty list of referrers')
  yield page(vercelPages.notFound, 'MANIFEST_UNKNOWN')
  yield page(vercelPages.notAllowed, 'UNSUPPORTED')
  yield { path: at(vercelPages.noReferrers), bytes: fallback }
  const pool = new Set<string>()
  for await (const route of table.routes()) {
    const path = at(sitePath(route))
    if (route.kind === 'blob' && pool.has(path)) continue
    if (route.kind === 'blob') pool.add(path)
    yield routeFile(route, path)
  }
}

function page(path: string, code: ApiErrorCode): SiteFile {
  return { path: at(path), bytes: new TextEncoder().encode(formatApiError(code)) }
}

function at(path: string): string {
  return `${vercelPaths.site}${path}`
}
