import type { RouteTable } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import { formatNumber, megabytes, refuse, warn } from './check-text.ts'
import type { EmitProblem } from './emitter.ts'
import { differ } from './netlify-headers.ts'
import { createSurveyor, type RepositorySurvey, type Survey } from './netlify-survey.ts'
import { referenceOf } from './route-parts.ts'
import { seenTable } from './seen-table.ts'

/** Files in one folder (Netlify, "Deploy"). */
export const MOST_FILES = 54_000
/** Rules: what Netlify advises to stay below for redirects; twice as many header rules take its tool 10 seconds to read, and four times that with each doubling. */
const MANY_RULES = 10_000
/** Bytes of `_headers` with which deploys are known to have failed. */
const MANY_BYTES = 15_000_000

/** What Netlify cannot hold (published, or what would be served wrong) refuses; what is not published warns. */
export async function* checkNetlify(table: RouteTable): AsyncGenerator<EmitProblem> {
  const surveyor = createSurveyor(table.families)
  yield* checkRoutes(seenTable(table, surveyor.add))
  const survey = surveyor.finish()
  yield* refusePool(survey)
  for (const tag of survey.toolsOwn)
    yield refuse(
      `netlify-cli takes ${tag} for a file of its own and does not publish it`,
      `fetch it with another tag, and remove this one with: registrish remove ${tag}`,
    )
  for (const repository of survey.repositories) yield* refuseRepository(repository)
  yield* warnOfRules(survey)
  yield* warnOfFiles(survey)
}

function* refusePool({ blobs }: Survey): Generator<EmitProblem> {
  if (blobs > MOST_FILES)
    yield refuse(
      `the images have ${formatNumber(blobs)} blobs, which stand in one folder, and Netlify takes ${formatNumber(MOST_FILES)} files in a folder`,
      'remove some of them, spread the repositories over several sites, or choose another host',
    )
}

function* refuseRepository({ repository, files, alike }: RepositorySurvey): Generator<EmitProblem> {
  for (const [folder, number] of Object.entries(files)) {
    if (number > MOST_FILES)
      yield refuse(
        `${repository} has ${formatNumber(number)} files in ${folder}/, Netlify takes ${formatNumber(MOST_FILES)} in a folder`,
        `remove some of them, or fetch some into another repository with --as`,
      )
  }
  for (const routes of alike) {
    if (differ(routes, 'mediaType'))
      yield refuse(
        `the tags ${list(routes.map(referenceOf))} of ${repository} differ only by case, which Netlify's rules do not see, and name manifests of different types`,
        `remove all but one, for example with: registrish remove ${repository}:${routes.map(referenceOf)[0]}; or fetch it with another tag`,
      )
  }
}

function* warnOfRules({ repositories }: Survey): Generator<EmitProblem> {
  const rules = sum(repositories.map(repository => repository.rules))
  const bytes = sum(repositories.map(repository => repository.bytes))
  if (rules > MANY_RULES || bytes > MANY_BYTES)
    yield warn(
      `${formatNumber(sum(repositories.map(({ files }) => files.manifests)))} tags and digests need ${formatNumber(rules)} header rules, ${megabytes(bytes)}: no limit is published, but above ${formatNumber(MANY_RULES)} rules the time that its tool takes to read them grows with their square, and deploys with ${megabytes(MANY_BYTES)} are known to have failed`,
      'try it with a draft (netlify deploy without --prod); remove tags, spread the repositories over several sites, or choose another host',
    )
}

function* warnOfFiles({ large, pages }: Survey): Generator<EmitProblem> {
  if (large.size > 0)
    yield warn(
      `${large.size === 1 ? '1 file is' : `${formatNumber(large.size)} files are`} larger than 10 MB, up to ${megabytes(largest(large.values()))}: Netlify's terms let it refuse large downloads, and traffic is metered`,
      'for more than a trial choose a host that is made for large files',
    )
  if (pages.length > 0)
    yield warn(
      `${list(pages)} end${pages.length === 1 ? 's' : ''} like a page: Netlify may answer with it where the tag without the ending is asked for, or the other way round`,
      'fetch it with another tag, or switch off "Pretty URLs" for the site',
    )
}

/** At most three of them. */
function list(names: readonly string[]): string {
  const shown = names.length > 3 ? [...names.slice(0, 3), `${formatNumber(names.length - 3)} more`] : names
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

/** Not by Math.max, which takes no more arguments than the stack has room for. */
function largest(numbers: Iterable<number>): number {
  let most = 0
  for (const number of numbers) if (number > most) most = number
  return most
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
