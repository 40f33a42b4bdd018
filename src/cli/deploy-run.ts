import type { ProofOptions } from '../deploy/proof.ts'
import type { ProofReport } from '../deploy/proof-report.ts'
import { type PublicHost, parsePublicHost } from '../deploy/public-host.ts'
import type { DeployPlan, DeployReport, PlannedTag } from '../deploy/report.ts'
import type { ObjectStore } from '../deploy/store.ts'
import { isRegistrishError, messageOf, type RegistrishError } from '../errors.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { isOn, textOf } from './arguments.ts'
import type { Arguments, OutputFormat, RunContext } from './command.ts'
import type { DeployEngine } from './deploy-engine.ts'
import { caFileOf, deployOptionsOf, isDetailed } from './deploy-flags.ts'
import { EXIT } from './exit-code.ts'
import { formatError } from './format.ts'
import { formatChanges, formatDone, formatProof, formatProofTroubles, formatStale, pullOf } from './format-deploy.ts'
import { formatAmounts, formatDocument, formatProblems, hasDifferences, isRefused } from './format-plan.ts'
import { refreshAfter } from './refresh.ts'
import { rootOf } from './root.ts'
import { storeOf } from './targets/targets.ts'

/** Deploys, proves and tells. */
export async function runDeploy(args: Arguments, context: RunContext, engine: DeployEngine): Promise<number> {
  isDetailed(args, { isPlan: false })
  const target = storeOf(args)
  const host = publicHostOf(args)
  const options = deployOptionsOf(args, context)
  const connecting = { jobs: options.jobs, ...caFileOf(args) }
  const tree = engine.openTree(rootOf(args, { mustExist: true }))
  const store = await engine.openStore(target, { onProgress: context.onProgress, ...connecting })
  const deploying = { tree, store, engine, context }
  try {
    const started = Date.now()
    const report = await deployAndRefresh(deploying, options, target.folder)
    if (report === undefined) return EXIT.failed
    const milliseconds = Date.now() - started
    if (hasDifferences(report.plan)) {
      context.say(formatDone(report, { milliseconds, grace: options.grace }))
      if (target.unproven !== undefined) context.say(`${target.flags}: unproven: ${target.unproven}`)
      if (host === undefined) for (const note of target.notes) context.say(note)
    }
    const authFile = textOf(args, 'authfile')
    const { setup } = target
    const asking = { ...connecting, ...(authFile === undefined ? {} : { authFile }), setup }
    const proof = await prove({ ...deploying, report, host, asking })
    tell({ report, proof, host, store, milliseconds }, context)
    return proof === undefined || isProved(proof) ? EXIT.done : EXIT.failed
  } finally {
    await store.close()
  }
}

/** --url, checked also where it is not used yet. @throws RegistrishError `usage`. */
export function publicHostOf(args: Arguments): PublicHost | undefined {
  const url = textOf(args, 'url')
  return url === undefined ? undefined : parsePublicHost(url, { plainHttp: isOn(args, 'plain-http') })
}

/** Deploys, and brings the hosts in use in a folder up to date with what was done there, also before it fails. An interrupt leaves that to the next command, which finds it noted. */
async function deployAndRefresh(
  deploying: Deploying,
  options: ReturnType<typeof deployOptionsOf>,
  folder: string | undefined,
): Promise<DeployReport | undefined> {
  if (folder === undefined) return deploy(deploying, options)
  const { store, context } = deploying
  // Closed first: notes of a run that has not ended are kept.
  const refresh = async (repositories?: readonly string[]): Promise<void> =>
    store.close().then(async () => refreshAfter(folder, repositories, context))
  let report: DeployReport | undefined
  try {
    report = await deploy(deploying, options)
  } catch (failure) {
    const complain = (error: unknown): void =>
      context.complain(
        `registrish: hosts in use in ${folder} may lag behind, registrish emit --root ${folder} mends them: ${messageOf(error)}`,
      )
    if (!context.signal.aborted) await refresh([]).catch(complain)
    throw failure
  }
  if (report !== undefined) await refresh()
  return report
}

interface Deploying {
  readonly tree: ReadonlyTree
  readonly store: ObjectStore
  readonly engine: DeployEngine
  readonly context: RunContext
}

/** Deploys, and says before what it will do; undefined where that is refused, with the reasons said. */
async function deploy(
  { tree, store, engine, context }: Deploying,
  options: ReturnType<typeof deployOptionsOf>,
): Promise<DeployReport | undefined> {
  let planned: DeployPlan | undefined
  const onPlan = (plan: DeployPlan): void => {
    planned = plan
    for (const line of formatProblems(plan)) context.complain(line)
    if (!isRefused(plan)) context.say(formatAmounts(plan, options))
  }
  try {
    return await engine.deployTree(tree, store, { ...options, onPlan })
  } catch (error) {
    if (planned === undefined || !isRefused(planned) || !isRegistrishError(error)) throw error
    context.complain('registrish: nothing was deployed')
    return undefined
  }
}

interface Proving extends Deploying {
  readonly report: DeployReport
  readonly host: PublicHost | undefined
  /** How the host is asked. */
  readonly asking: Pick<ProofOptions, 'jobs' | 'setup' | 'caFile' | 'authFile'>
}

/** What came of fetching back, or why that could not be done; undefined where it was not asked for or the tree has no tags. */
type Proof = ProofReport | RegistrishError

async function prove({ tree, engine, context, report, host, asking }: Proving): Promise<Proof | undefined> {
  const { signal, onProgress, say, complain } = context
  if (host === undefined) return undefined
  const { plan } = report
  const hasPulls = report.tags.some(({ digest }) => digest !== undefined)
  const tags = hasPulls ? report.tags : await sampleTags(tree)
  if (tags.length === 0) return undefined
  const done = hasDifferences(plan) ? 'deployed, but ' : ''
  try {
    const proof = await engine.proveImages(tree, { ...asking, host, tags, objects: plan.objects, signal, onProgress })
    for (const line of formatProofTroubles(proof)) complain(line)
    if (isProved(proof)) say(formatProof(proof))
    else complain(`registrish: ${done}clients cannot pull all of it from ${host.origin}`)
    return proof
  } catch (error) {
    if (!isRegistrishError(error) || error.code === 'aborted') throw error
    complain(`registrish: ${done}images could not be fetched back: ${formatError(error)}`)
    return error
  }
}

/**
 * Some tags of a tree, fetched back where no tag was left to deploy: the deploy before may have ended with the advice to mend the store and come again, or
 * was killed after its tags; and headers or documents may be all that this one wrote.
 */
async function sampleTags(tree: ReadonlyTree): Promise<readonly PlannedTag[]> {
  const tags: PlannedTag[] = []
  for (const repository of await tree.repositories()) {
    for (const tag of await tree.tags(repository)) {
      if (tags.length === SAMPLE) return tags
      const { digest } = await tree.resolve(repository, tag)
      tags.push({ repository, tag, change: 'moved', digest })
    }
  }
  return tags
}

const SAMPLE = 10

function isProved(proof: Proof): proof is ProofReport {
  return 'failures' in proof && proof.failures.length === 0
}

interface Told {
  readonly report: DeployReport
  readonly proof: Proof | undefined
  readonly host: PublicHost | undefined
  readonly store: ObjectStore
  readonly milliseconds: number
}

function tell(told: Told, context: RunContext): void {
  if (context.output === 'text') tellPeople(told, context)
  else tellPrograms(told, context.output, context)
}

/** Lines to pull by, but none that is known to fail; then what a cache may still hold, where one can stand in between. */
function tellPeople({ report, proof, host, store }: Told, { print, say }: RunContext): void {
  const { tags, stale } = report
  const name = host?.host ?? store.publicHost
  if (proof !== undefined && !isProved(proof)) return
  for (const line of formatChanges(tags, name)) print(line)
  if (host === undefined && tags.some(({ digest }) => digest !== undefined)) {
    const pulls = name === undefined ? 'to be told what to type, and to ' : 'to '
    say(`${pulls}have images fetched back as clients do: --url HOST, the host that users pull from`)
  }
  if (host === undefined || host.host === store.publicHost || stale.length === 0) return
  say('what a cache before the store may still hold, to be purged there:')
  for (const line of formatStale(staleUrls(stale, host, proof))) print(line)
}

function tellPrograms(
  { report, proof, host, store, milliseconds }: Told,
  output: Exclude<OutputFormat, 'text'>,
  { print }: RunContext,
): void {
  const name = host?.host ?? store.publicHost
  const { plan, sent, copied, deleted } = report
  const pulled = (tag: DeployReport['tags'][number]): object => {
    const pull = name === undefined ? undefined : pullOf(tag, name)
    return { ...tag, ...(pull === undefined ? {} : { pull }) }
  }
  const rest = {
    target: plan.target,
    ...(host === undefined ? {} : { url: host.origin }),
    ...{ sent, copied, deleted, age: plan.age, unchanged: plan.unchanged, problems: plan.problems },
    stale: host === undefined ? report.stale : staleUrls(report.stale, host, proof),
    ...(proof === undefined ? {} : { proof: proofDocument(proof) }),
    milliseconds,
  }
  for (const line of formatDocument({ tags: report.tags.map(pulled), objects: plan.objects, rest }, output)) print(line)
}

function staleUrls(paths: readonly string[], { origin }: PublicHost, proof: Proof | undefined): readonly string[] {
  const known = proof !== undefined && 'origin' in proof ? proof.origin : origin
  return paths.map(path => `${known}${path}`)
}

function proofDocument(proof: Proof): object {
  if ('failures' in proof) return proof
  const { code, message, hint } = proof
  return { error: { code, message, hint } }
}
