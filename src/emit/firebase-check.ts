import type { Route, RouteTable } from '../tree/route.ts'
import { checkRoutes } from './check-routes.ts'
import { formatNumber, megabytes, refuse, warn } from './check-text.ts'
import type { EmitProblem } from './emitter.ts'
import { referenceOf } from './route-parts.ts'
import { seenTable } from './seen-table.ts'

/** Bytes of a file, which must be less: what the host answers to an upload of more. */
const LARGEST = 2_147_483_648
/** Bytes that the plan without costs holds (Firebase, "Usage, quotas and pricing"). */
const FREE_STORAGE = 10_000_000_000
/** Rules: nothing is published; each request is compared with one after the other, at least in the emulator. */
const MANY_RULES = 1_000
/** What the tool leaves out wherever it stands, whatever the settings say (firebase-tools, `listFiles`). */
const TOOLS_OWN = /^firebase-debug(?:\..*)?\.log$/
/** What the plan without costs refuses to hold (Firebase, "Deploy to your site"). */
const EXECUTABLE = /\.(?:exe|dll|bat|apk|ipa)$/i

/** What Firebase cannot hold, or would leave out without a word, refuses; what depends on the plan or is not published warns. */
export async function* checkFirebase(table: RouteTable): AsyncGenerator<EmitProblem> {
  const survey = createSurvey()
  yield* checkRoutes(seenTable(table, survey.add))
  yield* refuseFiles(survey)
  yield* warnOfPlan(survey)
  if (survey.rules.size > MANY_RULES)
    yield warn(
      `${formatNumber(survey.rules.size)} manifests need as many header rules: no limit is published, and each request is compared with one rule after the other`,
      'try it in a preview channel first: firebase hosting:channel:deploy; remove images, or choose another host',
    )
}

interface Survey {
  /** Bytes of all content by digest, or by path where it has none: what is there twice is held once. */
  readonly sizes: ReadonlyMap<string, number>
  /** Digests of manifests. */
  readonly rules: ReadonlySet<string>
  /** Tags that end like programs, and those that the tool takes for its own, as `repository:tag`. */
  readonly executable: readonly string[]
  readonly toolsOwn: readonly string[]
  readonly add: (route: Route) => void
}

function createSurvey(): Survey {
  const sizes = new Map<string, number>()
  const rules = new Set<string>()
  const executable: string[] = []
  const toolsOwn: string[] = []
  return {
    sizes,
    rules,
    executable,
    toolsOwn,
    add({ kind, path, repository, digest, size }) {
      sizes.set(digest ?? path, size)
      if (digest !== undefined && kind !== 'blob') rules.add(digest)
      if (kind !== 'tag') return
      const tag = referenceOf({ path })
      if (EXECUTABLE.test(tag)) executable.push(`${repository}:${tag}`)
      if (TOOLS_OWN.test(tag)) toolsOwn.push(`${repository}:${tag}`)
    },
  }
}

function* refuseFiles({ sizes, toolsOwn }: Survey): Generator<EmitProblem> {
  const large = [...sizes].filter(([, size]) => size >= LARGEST)
  for (const [name, size] of large)
    yield refuse(
      `${name} has ${formatNumber(size)} bytes, and a file on Firebase Hosting must have less than ${formatNumber(LARGEST)}`,
      'build the image with smaller layers, or choose another host',
    )
  for (const tag of toolsOwn)
    yield refuse(
      `firebase-tools takes ${tag} for its own log and does not publish it`,
      `fetch it with another tag, and remove this one with: registrish remove ${tag}`,
    )
}

function* warnOfPlan({ sizes, executable }: Survey): Generator<EmitProblem> {
  const bytes = [...sizes.values()].reduce((total, size) => total + size, 0)
  if (bytes > FREE_STORAGE)
    yield warn(
      `the images have ${megabytes(bytes)}: the Spark plan holds 10 GB, earlier versions of the site included, and lets 360 MB a day be pulled`,
      'take the Blaze plan, or choose another host',
    )
  const [first] = executable
  if (first !== undefined)
    yield warn(
      `${executable.length === 1 ? first : `${first} and ${formatNumber(executable.length - 1)} more`} end${executable.length === 1 ? 's' : ''} like a program, for which a project on the Spark plan is refused as a whole`,
      'fetch it with another tag, or take the Blaze plan',
    )
}
