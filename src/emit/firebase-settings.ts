import { ERROR_HEADERS } from '../oci/api-error.ts'
import { DIGEST_PATTERN } from '../oci/digest.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import type { RouteTable } from '../tree/route.ts'
import { firebasePages } from './firebase-paths.ts'
import { formatFamilies, formatManifests } from './firebase-rules.ts'
import { ANY_NAME } from './name-patterns.ts'

/**
 * The text of firebase.json, a rule a line. Everything in the folder is published, whatever its name; and nothing is served at another path than its own:
 * a tag such as `x.html` is not a page.
 */
export async function* formatSettings(table: RouteTable): AsyncGenerator<string> {
  yield '{\n  "hosting": {\n    "public": "site",\n    "ignore": [],\n    "cleanUrls": false,\n    "headers": [\n'
  for (const { regex, headers } of formatFamilies(table.families)) yield `${formatRule({ regex }, headers)},\n`
  for await (const { regex, headers } of formatManifests(table)) yield `${formatRule({ regex }, headers)},\n`
  yield `${formatRule({ source: '404.html' }, { 'Content-Type': JSON_TYPE, ...ERROR_HEADERS })}\n    ],\n    "rewrites": [\n`
  yield REWRITES.map(rewrite => `      ${JSON.stringify(rewrite)}`).join(',\n')
  yield '\n    ]\n  }\n}\n'
}

/** Only where there is no file: a list of referrers that is there is served itself. */
const REWRITES = [
  { regex: '^/v2/?$', destination: firebasePages.version },
  { regex: `^/v2/${ANY_NAME}/referrers/${DIGEST_PATTERN}$`, destination: firebasePages.noReferrers },
] as const

/** `source` is a glob, `regex` an expression. */
function formatRule(
  path: { readonly regex: string } | { readonly source: string },
  headers: Readonly<Record<string, string>>,
): string {
  const list = Object.entries(headers).map(([key, value]) => ({ key, value }))
  return `      ${JSON.stringify({ ...path, headers: list })}`
}
