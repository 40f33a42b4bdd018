import type { RouteTable } from '../tree/route.ts'
import type { EmittedFile, Emitter, SiteFile } from './emitter.ts'
import { checkNetlify, MOST_FILES } from './netlify-check.ts'
import { type Findings, formatHeaders } from './netlify-headers.ts'
import { netlifyPages, netlifyPaths, sitePath } from './netlify-paths.ts'
import { formatRedirects } from './netlify-redirects.ts'
import { errorPage, noReferrers, routeFiles } from './site-files.ts'

/**
 * Netlify publishes a folder made for it (netlify.toml names it), with rules in two files that stand there: what a file's name cannot say needs a rule for each tag and digest.
 * What it cannot keep: blobs have no Docker-Content-Digest, and a path that is not there is answered with a page that it serves as HTML, though it is JSON.
 */
export const netlify: Emitter = {
  name: 'netlify',
  title: 'Netlify',
  documentation: 'https://docs.netlify.com/manage/routing/headers/',
  limits: { filesPerFolder: MOST_FILES },
  options: [],
  marker: netlifyPaths.redirects,
  comment: '#',
  unproven:
    'Netlify itself: its rules were judged by its documentation, and redirects and errors tried with `netlify dev`',
  reload: () => 'registrish deploy --netlify SITE',
  site: {
    folder: netlifyPaths.site,
    names: new Set(['404.html', 'pool', 'referrers.json', 'v2']),
    files: table => listFiles(table),
  },
  check: table => checkNetlify(table),
  async *emit(table) {
    const findings: Findings = { depths: new Set(), complete: false }
    yield { path: netlifyPaths.headers, chunks: withHead(formatHeaders(table, findings)) }
    yield { path: netlifyPaths.redirects, chunks: withHead(formatRedirects(findings)) }
  },
}

async function* listFiles(table: RouteTable): AsyncGenerator<SiteFile> {
  const at = (path: string): string => `${netlifyPaths.site}${path}`
  yield errorPage(at(netlifyPages.notFound), 'MANIFEST_UNKNOWN')
  yield noReferrers(at(netlifyPages.noReferrers), table.families)
  yield* routeFiles(table, route => at(sitePath(route)))
}

async function* withHead(rules: EmittedFile['chunks']): AsyncGenerator<string> {
  yield '# The command above writes this file again: what you change here is lost. Rules of your own belong into netlify.toml.\n\n'
  yield* rules
}
