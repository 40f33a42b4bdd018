import { isDeepStrictEqual } from 'node:util'
import { type PublicHost, parsePublicHost } from '../deploy/public-host.ts'
import type { LiveTags } from '../deploy/site/live.ts'
import type { SiteProgram } from '../deploy/site/program.ts'
import type { PublishOptions } from '../deploy/site/publish.ts'
import type { EmitProblem } from '../emit/emitter.ts'
import type { SiteMeasure } from '../emit/measure-site.ts'
import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { isOn, textOf, wholeNumberOf } from './arguments.ts'
import type { Arguments, RunContext } from './command.ts'
import { caFileOf, isDetailed } from './deploy-flags.ts'
import { publicHostOf } from './deploy-run.ts'
import { EXIT } from './exit-code.ts'
import { formatError } from './format.ts'
import { formatProblems, isRefused } from './format-plan.ts'
import { formatWarning } from './refresh.ts'
import { rootOf } from './root.ts'
import { loadSiteEngine, type SiteEngine } from './site-engine.ts'
import { refuseStoreFlags } from './site-flags.ts'
import {
  changedError,
  findVanishing,
  formatVanishing,
  readTreeTags,
  type TreeTags,
  unseenError,
  type Vanishing,
  vanishingError,
} from './site-live.ts'
import { isProved, proveSite, type ToldSite, tellPlanned, tellPublished } from './site-tell.ts'
import type { SiteTarget } from './targets/target.ts'

/** Publishes a site as a whole by the program of its host, or says what would be published: `isPlan`. */
export async function runSite(
  target: SiteTarget,
  { args, context, isPlan }: { readonly args: Arguments; readonly context: RunContext; readonly isPlan: boolean },
): Promise<number> {
  refuseStoreFlags(args, target)
  isDetailed(args, { isPlan })
  const named = publicHostOf(args)
  const engine = await loadSiteEngine()
  const program = engine.programOf(target.host)
  const known = program.hostOf(target.site)
  const tree = engine.openTree(rootOf(args, { mustExist: true }))
  const host = named ?? (known === undefined ? undefined : parsePublicHost(known))
  const run: SiteRun = { target, args, context, engine, program, tree, named, host }
  return isPlan ? plan(run) : publish(run)
}

/** Everything that a run needs. */
interface SiteRun {
  readonly target: SiteTarget
  readonly args: Arguments
  readonly context: RunContext
  readonly engine: SiteEngine
  readonly program: SiteProgram
  readonly tree: ReadonlyTree
  /** --url. */
  readonly named: PublicHost | undefined
  /** Where the site is seen, as far as that is known. */
  readonly host: PublicHost | undefined
}

async function plan(run: SiteRun): Promise<number> {
  const { target, context, engine, tree } = run
  const measure = await engine.measureSite(tree, target.host, { signal: context.signal })
  const tags = await readTreeTags(tree, context)
  const problems = await engine.checkTree(tree.root, context)
  const { vanishing, refused } = await lookAt(run, tags)
  sayLimits(run, measure)
  tellPlanned({ target, measure, tags, vanishing, host: run.host }, context)
  if (refused !== undefined) context.complain(`refused: ${formatError(refused)}`)
  for (const line of formatProblems({ problems })) context.complain(line)
  return refused === undefined && !isRefused({ problems }) ? EXIT.done : EXIT.failed
}

async function publish(run: SiteRun): Promise<number> {
  const { target, context, engine, program, tree } = run
  const { signal, say, complain } = context
  const started = Date.now()
  const publishing = { root: tree.root, signal, site: target.site, branch: target.branch }
  await engine.findPublisher(program, publishing)
  const problems = await engine.checkTree(tree.root, { signal })
  for (const line of formatProblems({ problems })) complain(line)
  if (isRefused({ problems })) {
    complain('registrish: nothing was published')
    return EXIT.failed
  }
  const tags = await readTreeTags(tree, { signal })
  const look = await lookAt(run, tags)
  if (look.refused !== undefined) throw look.refused
  const onLine = (line: string): void => say(`${program.name}: ${line}`)
  const { measure, url } = await emitAndPublish(run, tags, { ...publishing, onLine })
  const host = run.named ?? hostOf(url, run.host)
  tellMoved(run, host)
  return finish(run, { target, measure, tags, ...look, host, milliseconds: Date.now() - started })
}

/** Under one lock, so that nobody writes the site in between: what is published is what was checked. */
async function emitAndPublish(
  run: SiteRun,
  tags: TreeTags,
  publishing: PublishOptions,
): Promise<{ readonly measure: SiteMeasure; readonly url: string | undefined }> {
  const { target, context, engine, program, tree } = run
  const { signal } = context
  const lock = await engine.acquireNamedLock(tree.root, 'emit', { signal })
  try {
    const [emitted] = await engine.emitHosts(tree, [{ name: target.host }], { signal, lock })
    if (!isDeepStrictEqual(await readTreeTags(tree, { signal }), tags)) throw changedError()
    if (emitted !== undefined) sayLimits(run, emitted)
    const measure = await engine.measureSite(tree, target.host, { signal })
    return { measure, url: await engine.publishSite(program, { ...publishing, lock }) }
  } finally {
    await lock.release()
  }
}

/** Fetches back what was asked for, and tells. */
async function finish(
  { named, tree, engine, context, args }: SiteRun,
  told: ToldSite & Look & { readonly milliseconds: number },
): Promise<number> {
  const asked = { tree, engine, context, asking: askingOf(args) }
  const proof = named === undefined ? undefined : await proveSite({ ...told, host: named }, asked)
  tellPublished({ ...told, proof }, context)
  return proof === undefined || isProved(proof) ? EXIT.done : EXIT.failed
}

/** What a site serves now, what of it would vanish, both undefined where nothing is there or it is not known, and why nothing is to be published, if so. */
interface Look {
  readonly live: LiveTags | undefined
  readonly vanishing: Vanishing | undefined
  readonly refused?: RegistrishError
}

const NOTHING: Look = { live: undefined, vanishing: undefined }

/** Asks the site for what it serves now. */
async function lookAt({ host, named, context, engine, args }: SiteRun, tags: TreeTags): Promise<Look> {
  const { say, complain, signal, onProgress } = context
  if (host === undefined) {
    say(
      'where this site is seen is not known, so whatever others published there is replaced: deploy --url HOST looks first',
    )
    return NOTHING
  }
  try {
    const onNote = (text: string): void => complain(`registrish: ${text}`)
    const asking = { host, signal, onProgress, ...askingOf(args), isDerived: named === undefined, onNote }
    const live = await engine.readLive(asking)
    if (!(live instanceof RegistrishError)) {
      const vanishing = findVanishing(live, tags)
      const phrase = isOn(args, 'prune') ? undefined : formatVanishing(vanishing)
      return { live, vanishing, ...(phrase === undefined ? {} : { refused: vanishingError(phrase, host.host) }) }
    }
    say(`${host.host} shows no catalogue, so whatever is there is replaced: ${live.message}`)
  } catch (error) {
    if (!isRegistrishError(error) || error.code === 'aborted' || error.code === 'usage') throw error
    if (!isOn(args, 'prune')) return { ...NOTHING, refused: unseenError(error, host.host) }
    complain(`registrish: ${host.host} was not compared with this tree, and is replaced: ${error.message}`)
  }
  return NOTHING
}

function sayLimits(
  { target, context }: SiteRun,
  { warnings, unproven }: { readonly warnings: readonly EmitProblem[]; readonly unproven?: string },
): void {
  for (const warning of warnings) context.say(formatWarning(target.host, warning))
  if (unproven !== undefined) context.say(`${target.host}: unproven: ${unproven}`)
}

/** How a public host is asked. */
function askingOf(args: Arguments): { readonly jobs: number; readonly caFile?: string; readonly authFile?: string } {
  const authFile = textOf(args, 'authfile')
  return {
    jobs: wholeNumberOf(args, 'jobs', 1) ?? 16,
    ...caFileOf(args),
    ...(authFile === undefined ? {} : { authFile }),
  }
}

/** The host of the URL that a program names; what it was taken for where that is none. */
function hostOf(url: string | undefined, otherwise: PublicHost | undefined): PublicHost | undefined {
  if (url === undefined) return otherwise
  try {
    return parsePublicHost(url)
  } catch (error) {
    if (isRegistrishError(error, 'usage')) return otherwise
    throw error
  }
}

/** A name that others had taken is an address with another ending, which only its program knows. */
function tellMoved({ named, host: asked, context }: SiteRun, host: PublicHost | undefined): void {
  if (named !== undefined || asked === undefined || host === undefined || asked.host === host.host) return
  const domain = asked.host.replace(/^[^.]+/, '')
  // A domain of the user's own leads to the site whose name was asked for.
  if (!host.host.endsWith(domain)) return
  context.complain(
    `registrish: this site is seen at ${host.host}, and ${asked.host} was asked for what it serves: give --url ${host.host} from now on`,
  )
}
