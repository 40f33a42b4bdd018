import { formatApiError } from '../oci/api-error.ts'
import type { RouteTable } from '../tree/route.ts'
import { checkCloudflarePages } from './cloudflare-pages-check.ts'
import { formatHeaderRule, headerRules } from './cloudflare-pages-headers.ts'
import { PAGES_SITE, pagesPaths, servedAt } from './cloudflare-pages-paths.ts'
import { redirectLines } from './cloudflare-pages-redirects.ts'
import { surveyPages } from './cloudflare-pages-survey.ts'
import type { Emitter, SiteFile } from './emitter.ts'
import { familyOf } from './route-parts.ts'

/**
 * Cloudflare Pages publishes a folder made for it, in which no file bears the name of a tag, with rules in two files. It takes few rules, so those are the fewest that give each manifest its type.
 * What it cannot keep: tags have no Docker-Content-Digest, HEAD has no length, and what is missing is 404 with the right JSON under the type that would be there.
 */
export const cloudflarePages: Emitter = {
  name: 'cloudflare-pages',
  title: 'Cloudflare Pages',
  documentation: 'https://developers.cloudflare.com/pages/configuration/headers/',
  limits: {},
  options: [],
  marker: `${PAGES_SITE}/_redirects`,
  comment: '#',
  reload: () => `wrangler pages deploy ${PAGES_SITE} --project-name PROJECT`,
  site: { folder: PAGES_SITE, files: table => siteFiles(table) },
  unproven:
    "Cloudflare itself: this was tried with `wrangler pages dev` only, which reads rules with Cloudflare's own code",
  check: table => checkCloudflarePages(table),
  async *emit(table) {
    const survey = await surveyPages(table)
    const rules = headerRules(table.families, survey).map(formatHeaderRule)
    yield { path: `${PAGES_SITE}/_headers`, chunks: [NOTE, ...rules.map(rule => `\n${rule}`)] }
    yield { path: `${PAGES_SITE}/_redirects`, chunks: [NOTE, '\n', ...redirectLines(survey).map(line => `${line}\n`)] }
  },
}

const NOTE = '# The command above writes this file again: what you change here is lost.\n'

/** A blob once, wherever it is used, and what answers where there is nothing. */
async function* siteFiles(table: RouteTable): AsyncGenerator<SiteFile> {
  const seen = new Set<string>()
  for await (const route of table.routes()) {
    const place = servedAt(route)
    if (seen.has(place)) continue
    if (route.kind === 'blob') seen.add(place)
    const path = `${PAGES_SITE}${place}`
    if ('bytes' in route.body) yield { path, bytes: route.body.bytes }
    else if (route.digest !== undefined) yield { path, to: route.body.file, digest: route.digest }
  }
  const { fallback } = familyOf(table.families, 'referrers')
  if (fallback !== undefined) yield { path: `${PAGES_SITE}${pagesPaths.noReferrers}`, bytes: fallback }
  for (const [folder, code] of MISSING)
    yield { path: `${PAGES_SITE}${folder}/404.html`, bytes: new TextEncoder().encode(formatApiError(code)) }
}

/** Pages answers with the page in the nearest folder above. A client that asks for referrers takes NAME_UNKNOWN for an error and any other code for "none". */
const MISSING = [
  ['', 'NAME_UNKNOWN'],
  ['/blobs', 'BLOB_UNKNOWN'],
  ['/manifests', 'MANIFEST_UNKNOWN'],
  ['/referrers', 'MANIFEST_UNKNOWN'],
] as const
