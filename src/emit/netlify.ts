import { formatApiError } from '../oci/api-error.ts'
import { netlifyPaths } from '../tree/layout.ts'
import type { RouteTable } from '../tree/route.ts'
import type { EmittedFile, Emitter } from './emitter.ts'
import { checkNetlify, MOST_FILES } from './netlify-check.ts'
import { type Findings, formatHeaders } from './netlify-headers.ts'
import { formatRedirects } from './netlify-redirects.ts'
import { familyOf } from './route-parts.ts'

/**
 * Netlify publishes v2/ itself (netlify.toml says so), with rules in two files that stand there: what a file's name cannot say needs a rule for each tag and digest.
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
  reload: () => 'netlify deploy --prod --no-build --dir v2',
  check: table => checkNetlify(table),
  async *emit(table) {
    const findings: Findings = { depths: new Set(), redirects: [], complete: false }
    yield { path: netlifyPaths.notFound, bare: true, chunks: [formatApiError('MANIFEST_UNKNOWN')] }
    yield { path: netlifyPaths.noReferrers, bare: true, chunks: [noReferrers(table)] }
    yield { path: netlifyPaths.headers, chunks: withHead(formatHeaders(table, findings)) }
    yield { path: netlifyPaths.redirects, chunks: withHead(formatRedirects(findings)) }
  },
}

function noReferrers({ families }: RouteTable): string {
  const fallback = familyOf(families, 'referrers').fallback
  if (fallback === undefined) throw new TypeError('the route table has no empty list of referrers')
  return new TextDecoder().decode(fallback)
}

async function* withHead(rules: EmittedFile['chunks']): AsyncGenerator<string> {
  yield '# The command above writes this file again: what you change here is lost. Rules of your own belong into netlify.toml.\n\n'
  yield* rules
}
