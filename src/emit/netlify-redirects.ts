import type { Findings } from './netlify-headers.ts'
import { netlifyPages, POOL } from './netlify-paths.ts'
import { ascending, namePlaceholders } from './netlify-text.ts'

/**
 * The rules of `_redirects`: for the version check, and for each depth of names, since a placeholder is one component. A file that is there goes before a rule with
 * status 200, so a list of referrers needs none. A blob that is not in the pool is a file that is missing: 404.
 */
export function* formatRedirects(findings: Findings): Generator<string> {
  if (!findings.complete)
    throw new TypeError('the redirects follow from what was found while the header rules were printed')
  yield `/v2/ ${netlifyPages.version} 200\n`
  for (const depth of ascending(findings.depths)) {
    const name = namePlaceholders(depth)
    yield `/v2/${name}/blobs/:digest ${POOL}/:digest 200\n`
    yield `/v2/${name}/referrers/:digest ${netlifyPages.noReferrers} 200\n`
  }
}
