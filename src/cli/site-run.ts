import { type PublicHost, parsePublicHost } from '../deploy/public-host.ts'
import type { LiveTags } from '../deploy/site/live.ts'
import type { SiteProgram } from '../deploy/site/program.ts'
import type { EmitProblem } from '../emit/emitter.ts'
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
  findVanishing,
  formatVanishing,
  readTreeTags,
  type TreeTags,
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
  const vanishing = await lookAt(run, tags)
  sayLimits(run, measure)
  tellPlanned({ target, measure, tags, vanishing, host: run.host }, context)
  const refused = refusalOf(run, vanishing)
  if (refused !== undefined) context.complain(`refused: ${formatError(refused)}`)
  for (const line of formatProblems({ problems })) context.complain(line)
  return refused === undefined && !isRefused({ problems }) ? EXIT.done : EXIT.failed
}

async function publish(run: SiteRun): Promise<number> {
  const { target, context, engine, program, tree } = run
  const { signal, say, complain } = context
  const started = Date.now()
  const publishing = { root: tree.root, signal, ...(target.site === undefined ? {} : { site: target.site }) }
  await engine.findPublisher(program, publishing)
  const problems = await engine.checkTree(tree.root, { signal })
  for (const line of formatProblems({ problems })) complain(line)
  if (isRefused({ problems })) {
    complain('registrish: nothing was published')
    return EXIT.failed
  }
  const tags = await readTreeTags(tree, { signal })
  const vanishing = await lookAt(run, tags)
  const refused = refusalOf(run, vanishing)
  if (refused !== undefined) throw refused
  const [emitted] = await engine.emitHosts(tree, [{ name: target.host }], { signal })
  if (emitted !== undefined) sayLimits(run, emitted)
  const measure = await engine.measureSite(tree, target.host, { signal })
  const url = await engine.publishSite(program, { ...publishing, onLine: line => say(`${program.name}: ${line}`) })
  const host = run.named ?? hostOf(url, run.host)
  return finish(run, { target, measure, tags, vanishing, host, milliseconds: Date.now() - started })
}

/** Fetches back what was asked for, and tells. */
async function finish(
  { named, tree, engine, context, args }: SiteRun,
  told: ToldSite & { readonly vanishing: Look | undefined; readonly milliseconds: number },
): Promise<number> {
  const asked = { tree, engine, context, asking: askingOf(args) }
  const proof =
    named === undefined ? undefined : await proveSite({ ...told, host: named, live: told.vanishing?.live }, asked)
  tellPublished({ ...told, proof }, context)
  return proof === undefined || isProved(proof) ? EXIT.done : EXIT.failed
}

/** What a site serves now and what of it would vanish. */
interface Look extends Vanishing {
  readonly live: LiveTags
}

/** Asks the site for what it serves now; undefined where that cannot be known, which is said. */
async function lookAt({ host, context, engine, args }: SiteRun, tags: TreeTags): Promise<Look | undefined> {
  const { say, signal, onProgress } = context
  if (host === undefined) {
    say(
      'where this site is seen is not known, so whatever others published there is replaced: deploy --url HOST looks first',
    )
    return undefined
  }
  const live = await engine.readLive({ host, signal, onProgress, ...askingOf(args) })
  if (!(live instanceof RegistrishError)) return { live, ...findVanishing(live, tags) }
  say(`${host.host} shows no catalogue, so whatever is there is replaced: ${live.message}`)
  return undefined
}

function refusalOf({ args, host }: SiteRun, vanishing: Vanishing | undefined): RegistrishError | undefined {
  const phrase = vanishing === undefined ? undefined : formatVanishing(vanishing)
  return phrase === undefined || host === undefined || isOn(args, 'prune')
    ? undefined
    : vanishingError(phrase, host.host)
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
