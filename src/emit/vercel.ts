import type { RouteTable } from '../tree/route.ts'
import type { Emitter, SiteFile } from './emitter.ts'
import { errorPage, noReferrers, routeFiles } from './site-files.ts'
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
  site: {
    folder: vercelPaths.site,
    names: new Set(['404.json', '405.json', 'blobs', 'digests', 'referrers.json', 'tags', 'v2', 'version.json']),
    files: table => listFiles(table),
  },
  check: table => checkVercel(table),
  async *emit(table) {
    const chunks = { [Symbol.asyncIterator]: () => formatConfig(table) }
    yield { path: vercelPaths.config, bare: true, chunks }
    yield { path: vercelPaths.marker, chunks: ['*\n'] }
  },
}

async function* listFiles(table: RouteTable): AsyncGenerator<SiteFile> {
  const at = (path: string): string => `${vercelPaths.site}${path}`
  yield errorPage(at(vercelPages.notFound), 'MANIFEST_UNKNOWN')
  yield errorPage(at(vercelPages.notAllowed), 'UNSUPPORTED')
  yield noReferrers(at(vercelPages.noReferrers), table.families)
  yield* routeFiles(table, route => at(sitePath(route)))
}
