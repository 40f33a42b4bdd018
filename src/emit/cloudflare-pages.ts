import type { RouteTable } from '../tree/route.ts'
import { checkCloudflarePages } from './cloudflare-pages-check.ts'
import { formatHeaderRule, headerRules } from './cloudflare-pages-headers.ts'
import { PAGES_SITE, pagesPaths, servedAt } from './cloudflare-pages-paths.ts'
import { redirectLines } from './cloudflare-pages-redirects.ts'
import { surveyPages } from './cloudflare-pages-survey.ts'
import type { Emitter, SiteFile } from './emitter.ts'
import { errorPage, noReferrers, routeFiles } from './site-files.ts'

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
  reload: () => 'registrish deploy --cloudflare-pages PROJECT',
  site: {
    folder: PAGES_SITE,
    names: new Set(['404.html', 'blobs', 'manifests', 'referrers', 'v2', 'version.json']),
    files: table => siteFiles(table),
  },
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
  const at = (path: string): string => `${PAGES_SITE}${path}`
  yield* routeFiles(table, route => at(servedAt(route)))
  yield noReferrers(at(pagesPaths.noReferrers), table.families)
  for (const [folder, code] of MISSING) yield errorPage(at(`${folder}/404.html`), code)
}

/** Pages answers with the page in the nearest folder above. A client that asks for referrers takes NAME_UNKNOWN for an error and any other code for "none". */
const MISSING = [
  ['', 'NAME_UNKNOWN'],
  ['/blobs', 'BLOB_UNKNOWN'],
  ['/manifests', 'MANIFEST_UNKNOWN'],
  ['/referrers', 'MANIFEST_UNKNOWN'],
] as const
