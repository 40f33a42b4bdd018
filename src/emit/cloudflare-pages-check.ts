import type { RouteTable } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import { formatNumber, refuse, warn } from './check-text.ts'
import { headerRules } from './cloudflare-pages-headers.ts'
import { hasEmptyList, redirectLines } from './cloudflare-pages-redirects.ts'
import { createPagesSurveyor, type LargeFile, type PagesSurvey } from './cloudflare-pages-survey.ts'
import type { EmitProblem } from './emitter.ts'
import { seenTable } from './seen-table.ts'

/** Bytes of a file (Cloudflare Pages, "Limits"). */
const LARGEST = 25 * 1024 * 1024
/** Rules of `_headers`: its tool keeps what comes before, drops the rest and says so in a warning only. */
const MOST_RULES = 100
/** Characters of a line in `_headers` and in `_redirects`. */
const LONGEST_HEADER = 2000
const LONGEST_REDIRECT = 1000
/** Files of a site, and of a site of a paid plan. */
const MOST_FILES = 20_000
const MOST_FILES_PAID = 100_000
/** Beside what the table has: both files of rules, the version check, the empty list, the pages for what is missing. */
const OWN_FILES = 8

const ELSEWHERE =
  'choose cloudflare-workers, which has neither limit, with the content in R2; or deploy to a store of objects (registrish deploy --s3 BUCKET)'

/** What Cloudflare Pages would refuse, leave out or silently ignore refuses here, before anything is written. */
export async function* checkCloudflarePages(table: RouteTable): AsyncGenerator<EmitProblem> {
  const { survey, add } = createPagesSurveyor(LARGEST)
  let isBroken = false
  for await (const problem of checkRoutes(seenTable(table, add))) {
    isBroken = true
    yield problem
  }
  if (isBroken) return
  const rules = headerRules(table.families, survey)
  if (rules.length > MOST_RULES) yield refuse(...tooManyRules(survey, rules.length))
  if (rules.some(({ path, lines }) => [path, ...lines].some(line => line.length > LONGEST_HEADER)))
    yield refuse(
      `a header rule has a line of more than ${formatNumber(LONGEST_HEADER)} characters, which it ignores`,
      ELSEWHERE,
    )
  if (redirectLines(survey).some(line => line.length > LONGEST_REDIRECT))
    yield refuse(`a redirect has more than ${formatNumber(LONGEST_REDIRECT)} characters, which it ignores`, ELSEWHERE)
  if (survey.large.size > 0) yield refuse(...tooLarge([...survey.large.values()]))
  yield* checkFiles(survey)
}

function tooManyRules({ tags, digests }: PagesSurvey, rules: number): [text: string, hint: string] {
  const manifests = [...tags, ...[...digests.values()].flat()]
  const types = new Set(manifests.map(({ mediaType }) => mediaType)).size
  return [
    `${formatNumber(manifests.length)} tags and digests of ${formatNumber(types)} types of manifest need ${formatNumber(rules)} header rules: it takes ${formatNumber(MOST_RULES)} and ignores the rest`,
    `remove tags, spread the repositories over several sites, or ${ELSEWHERE}`,
  ]
}

/** The largest three by name. */
function tooLarge(files: readonly LargeFile[]): [text: string, hint: string] {
  const largest = [...files].sort((a, b) => b.size - a.size)
  const named = largest.slice(0, 3).map(({ path, size }) => `${path} (${mebibytes(size)})`)
  const more = largest.length > 3 ? ` and ${formatNumber(largest.length - 3)} more` : ''
  return [`it takes no file of more than 25 MiB: ${named.join(', ')}${more}`, ELSEWHERE]
}

function* checkFiles(survey: PagesSurvey): Generator<EmitProblem> {
  const files = survey.files.size + OWN_FILES
  const [left] = survey.left
  if (left !== undefined)
    yield refuse(
      `its tool leaves out folders called node_modules, and so ${left}`,
      'fetch it under another name with --as, and remove it under this one',
    )
  if (files > MOST_FILES_PAID)
    yield refuse(
      `the site has ${formatNumber(files)} files: it takes ${formatNumber(MOST_FILES)}, on a paid plan ${formatNumber(MOST_FILES_PAID)}`,
      ELSEWHERE,
    )
  else if (files > MOST_FILES)
    yield warn(
      `the site has ${formatNumber(files)} files: it takes more than ${formatNumber(MOST_FILES)} on a paid plan only`,
      'set PAGES_WRANGLER_MAJOR_VERSION=4 for the project on a paid plan, or remove tags',
    )
  if (!hasEmptyList(survey))
    yield warn(
      `${formatNumber(survey.referrers.length)} lists of referrers are more than it has rules for: for a digest that nothing refers to the answer is 404 and not an empty list`,
      'nothing needs to be done: clients then ask for the fallback tag',
    )
}

function mebibytes(bytes: number): string {
  return `${formatNumber(Math.ceil(bytes / 1024 / 1024))} MiB`
}
