import { isRegistrishError, messageOf, RegistrishError, throwIfAborted } from '../errors.ts'
import { acquireReadingLock } from '../tree/lock.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { applyPlan, settleDocuments } from './apply.ts'
import { callOf } from './call-of.ts'
import { honoursConditions } from './conditions.ts'
import { INDEX_OBJECT } from './constants.ts'
import { pauseFor } from './deletions-record.ts'
import { byName, refusePlan } from './plan.ts'
import { JOBS, type Preparation, prepare } from './prepare.ts'
import type { Amount, DeployOptions, DeployPlan, DeployReport } from './report.ts'
import type { Applied, ApplyOptions } from './send.ts'
import type { ObjectStore } from './store.ts'
import { createTarget, type Target } from './target.ts'

/** Says what {@link deployTree} would do, and changes nothing. */
export async function planDeploy(
  tree: ReadonlyTree,
  store: ObjectStore,
  options: DeployOptions = {},
): Promise<DeployPlan> {
  return reading(tree, options, async () => (await prepare(tree, store, options)).plan)
}

/**
 * Takes a tree to a store: sends what that lacks in an order that never shows half an image, beside other deploys at work on the same store. What is on the
 * store and not in the tree stays, unless `prune` was asked for. Cut off at any moment it may simply be run again.
 * @throws RegistrishError with the code of the plan's first problem where there is one that forbids it.
 */
export async function deployTree(
  tree: ReadonlyTree,
  store: ObjectStore,
  options: DeployOptions & { readonly onPlan?: (plan: DeployPlan) => void } = {},
): Promise<DeployReport> {
  return reading(tree, options, async () => {
    const target = createTarget(store)
    const prepared = await prepare(tree, target, options)
    const { plan } = prepared
    options.onPlan?.(plan)
    refusePlan(plan)
    if (plan.objects.length === 0 && prepared.recorded.size === 0)
      return { plan, sent: NOTHING, copied: NOTHING, deleted: NOTHING, tags: [], stale: [] }
    await checkConditions(target, options)
    const { signal, jobs = JOBS, onProgress } = options
    const settings = { jobs, onProgress, pause: createPause(signal), ...callOf(signal) }
    const applied = await applyPlan(target, prepared, settings)
    return finish(target, prepared, { applied, options: settings })
  })
}

const NOTHING: Amount = { objects: 0, bytes: 0 }

/** Nothing is taken out of the tree while it is read and sent. */
async function reading<T>(
  tree: ReadonlyTree,
  { signal, onProgress, jobs = JOBS }: DeployOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (!Number.isSafeInteger(jobs) || jobs < 1) throw wrongJobs(jobs)
  const lock = await acquireReadingLock(tree.root, {
    ...(signal === undefined ? {} : { signal }),
    purpose: 'deploy',
    onWait: owner => onProgress?.({ type: 'note', text: `waiting for ${owner}` }),
  })
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** A store that does not keep conditions is compared with before each write. */
async function checkConditions(store: Target, { signal, onProgress }: DeployOptions): Promise<void> {
  if (await honoursConditions(store, INDEX_OBJECT, callOf(signal))) return
  store.compareFirst()
  onProgress?.({
    type: 'note',
    text: `${store.title} does not keep the conditions of a write (If-None-Match, If-Match): it is compared with before each write instead; run one deploy at a time there, lest two lose each other's tags`,
  })
}

/** Deletes last, and looks at the documents again: what somebody has moved meanwhile stays, and whoever listed what went before it did may have named it. */
async function finish(
  store: ObjectStore,
  prepared: Preparation,
  { applied, options }: { readonly applied: Applied; readonly options: ApplyOptions },
): Promise<DeployReport> {
  const { plan, pruning } = prepared
  const pruned = await pruning?.run(store, callOf(options.signal))
  await settleDocuments({ store, prepared, applied, options })
  await sweep(store, options)
  const { sent, copied, tags, stale } = applied
  const deleted = pruned?.tags ?? []
  return {
    plan,
    sent,
    copied,
    deleted: pruned?.deleted ?? NOTHING,
    tags: [...new Map([...tags, ...deleted].map(tag => [`${tag.repository}:${tag.tag}`, tag])).values()].sort(byName),
    stale: [...new Set([...stale, ...(pruned?.keys ?? [])])].map(key => `/${key}`).sort(byLife),
  }
}

/** What may change first, then what a digest names, which is many and matters to nobody who has not got it yet. */
function byLife(one: string, other: string): number {
  const [first, second] = [one, other].map(path => Number(/\/(?:manifests|blobs)\/sha(?:256|512):[^/]*$/.test(path)))
  return (first ?? 0) - (second ?? 0) || (one < other ? -1 : 1)
}

/** The deploy is done by then: what cannot be swept now is left to the next. */
async function sweep(store: ObjectStore, { signal, onProgress }: ApplyOptions): Promise<void> {
  try {
    await store.sweep?.(callOf(signal))
  } catch (error) {
    throwIfAborted(signal)
    if (isRegistrishError(error, 'aborted')) throw error
    const text = `what uploads that were cut off have left in ${store.title} stays until the next deploy: ${messageOf(error)}`
    onProgress?.({ type: 'note', text })
  }
}

/** Longer from try to try, and by chance, so that two that have met do not meet again. */
function createPause(signal: AbortSignal | undefined): (tried: number) => Promise<unknown> {
  return async tried => pauseFor(Math.random() * LONGEST_PAUSE * Math.min(tried + 1, 10), signal)
}

/** Milliseconds of the first pause, at most. */
const LONGEST_PAUSE = 50

function wrongJobs(jobs: number): RegistrishError {
  return new RegistrishError('usage', `jobs is ${jobs}, which is no number of requests at once`, {
    hint: 'give a whole number from 1',
  })
}
