import type { RouteTable } from '../tree/route.ts'
import type { Emitter, SiteFile } from './emitter.ts'
import { checkFirebase } from './firebase-check.ts'
import { firebasePages, firebasePaths } from './firebase-paths.ts'
import { formatSettings } from './firebase-settings.ts'
import { errorPage, noReferrers, routeFiles } from './site-files.ts'

/**
 * Firebase Hosting serves files at their own paths, with headers by rules in firebase.json. Its rewrites lead to one file each and know no captures, so that there
 * is no pool: a blob stands in each repository, as a link, and is uploaded once, since the tool uploads by digests of contents.
 */
export const firebase: Emitter = {
  name: 'firebase',
  title: 'Firebase Hosting',
  documentation: 'https://firebase.google.com/docs/hosting/full-config',
  limits: {},
  options: [],
  marker: firebasePaths.marker,
  comment: '#',
  unproven: 'Firebase itself: this was tried with superstatic only, the server of its emulator',
  reload: () => 'registrish deploy --firebase PROJECT',
  site: {
    folder: firebasePaths.site,
    names: new Set(['404.html', 'referrers.json', 'v2', 'version.json']),
    files: table => listFiles(table),
  },
  check: table => checkFirebase(table),
  async *emit(table) {
    const chunks = { [Symbol.asyncIterator]: () => formatSettings(table) }
    yield { path: firebasePaths.settings, bare: true, chunks }
    yield { path: firebasePaths.marker, chunks: ['*\n'] }
  },
}

async function* listFiles(table: RouteTable): AsyncGenerator<SiteFile> {
  const at = (path: string): string => `${firebasePaths.site}${path}`
  yield errorPage(at(firebasePages.notFound), 'MANIFEST_UNKNOWN')
  yield noReferrers(at(firebasePages.noReferrers), table.families)
  yield* routeFiles(table, ({ kind, path }) => at(kind === 'version' ? firebasePages.version : path))
}
