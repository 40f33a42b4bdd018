import { versionPath } from '../tree/layout.ts'
import type { Findings } from './netlify-headers.ts'
import { ascending, NO_REFERRERS, namePlaceholders, servedPath } from './netlify-text.ts'

/**
 * The rules of `_redirects`, of which Netlify follows the first that matches. The published folder is v2/ itself, so every path of the registry is rewritten, and no
 * rule can ask whether a file is there: a list of referrers has a rule of its own, before those that answer for digests without one.
 */
export function* formatRedirects(findings: Findings): Generator<string> {
  const { depths, redirects, complete } = findings
  if (!complete) throw new TypeError('the redirects follow from what was found while the header rules were printed')
  yield `/v2/ ${servedPath(versionPath)} 200\n`
  yield* redirects
  for (const depth of ascending(depths)) yield `/v2/${namePlaceholders(depth)}/referrers/:digest ${NO_REFERRERS} 200\n`
  yield '/v2/* /:splat 200\n'
}
