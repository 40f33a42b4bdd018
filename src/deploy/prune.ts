import { randomUUID } from 'node:crypto'
import { RegistrishError, throwIfAborted } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import { withSignal } from './call-of.ts'
import type { Claim, Deletions, Moment } from './deletions.ts'
import { claimKeys, endClaim, recordKeys, strikeKeys, type Wish } from './deletions-changes.ts'
import { type DeletionsRecord, openDeletions, type RecordOptions } from './deletions-record.ts'
import { forEach } from './for-each.ts'
import { type Ageing, type ListedTag, oldEnough, type PrunePlan } from './prune-plan.ts'
import type { ObjectStore } from './store.ts'

export interface PruneStoreOptions extends Ageing, CallOptions, RecordOptions {
  /** Lower ones are deleted before higher ones: indexes, then what they point to, blobs after all manifests. */
  readonly rank: (key: string) => number
  /** Told of keys when they are gone. */
  readonly onDeleted?: (keys: readonly string[]) => void
}

/** What a prune did. */
export interface PruneOutcome {
  readonly deleted: readonly string[]
  /** Keys that nothing refers to, recorded for a later run. */
  readonly recorded: readonly string[]
  /** Keys that were to be deleted and stay: tags that moved, and what another deploy needs or deletes itself. */
  readonly spared: readonly string[]
}

/** Milliseconds that a claim holds, and those at its end in which nothing is deleted any more: a request may still be on its way. */
const CLAIM = 60_000
const RESERVE = 20_000
/** A claim that leaves less time than this, in ms, is given back unused. */
const SHORTEST = 10_000
/** Times that a claim may come too late. */
const TRIES = 5
/** Keys of a claim: what one request deletes, or a twentieth of all, since each claim writes the whole record twice. */
const CLAIMED_AT_ONCE = 1000
const MOST_CLAIMS = 20
/** Tags that are looked at at once. */
const AT_ONCE = 16

/**
 * Does what a plan says: deletes tags that have not moved since they were listed, records what nothing refers to, and deletes what has aged unless a writer
 * needs it now. A run that dies leaves a claim, which ends by time.
 */
export async function pruneStore(
  store: ObjectStore,
  plan: PrunePlan,
  options: PruneStoreOptions,
): Promise<PruneOutcome> {
  const task: Task = { store, record: openDeletions(store, options), options }
  const tags = await deleteTags(task, plan.tags)
  // After the tags: what they needed was referred to until now.
  const recorded = await recordUnreferenced(task, plan)
  const aged = await deleteAged(task, plan.delete)
  const deleted = [...tags, ...aged]
  const gone = new Set(deleted)
  const spared = [...plan.tags.map(({ key }) => key), ...plan.delete].filter(key => !gone.has(key))
  return { deleted, recorded, spared }
}

interface Task {
  readonly store: ObjectStore
  readonly record: DeletionsRecord
  readonly options: PruneStoreOptions
}

async function deleteTags(task: Task, tags: readonly ListedTag[]): Promise<readonly string[]> {
  const etags = new Map(tags.map(({ key, etag }) => [key, etag]))
  const deleted: string[] = []
  for (const batch of batches([...etags.keys()])) {
    deleted.push(
      ...(await underClaim(task, { keys: [], tags: batch }, async (claim, signal) => {
        const still: string[] = []
        await forEach(claim.tags, AT_ONCE, async key => {
          const head = await task.store.head(key, { signal })
          if (head !== undefined && head.etag === etags.get(key)) still.push(key)
        })
        return still
      })),
    )
  }
  return deleted
}

async function recordUnreferenced({ record, options }: Task, plan: PrunePlan): Promise<readonly string[]> {
  if (plan.age.length + plan.strike.length === 0) return []
  const strike = new Set(plan.strike)
  await record.change((deletions, moment) => {
    return { next: recordKeys(strikeKeys(deletions, strike), plan.age, moment), result: undefined }
  }, options)
  return plan.age
}

/** Key by key in their order, and never two ranks in one claim: what points to others is gone before they go. */
async function deleteAged(task: Task, keys: readonly string[]): Promise<readonly string[]> {
  const byRank = new Map<number, string[]>()
  for (const key of keys) {
    const rank = task.options.rank(key)
    const known = byRank.get(rank)
    if (known === undefined) byRank.set(rank, [key])
    else known.push(key)
  }
  const deleted: string[] = []
  for (const [, ranked] of [...byRank].sort(([a], [b]) => a - b)) {
    for (const batch of batches(ranked)) {
      const gone = await underClaim(task, { keys: batch, tags: [] }, async claim =>
        claim.unreferenced.flatMap(group => group.keys),
      )
      for (const key of gone) deleted.push(key)
    }
  }
  return deleted
}

/** Claims, lets `choose` say what of it goes, deletes that in time, and ends the claim. Where the deletion fails the claim stays: what got through is known only when its time is over. */
async function underClaim(
  task: Task,
  wanted: { readonly keys: readonly string[]; readonly tags: readonly string[] },
  choose: (claim: Claim, signal: AbortSignal) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const { store, record, options } = task
  for (let tried = 0; tried < TRIES; tried += 1) {
    throwIfAborted(options.signal)
    const claim = await takeClaim(task, wanted)
    if (claim === undefined) return []
    const left = Math.floor(claim.until - RESERVE - store.now())
    const end = (deleted: readonly string[]): Promise<void> =>
      record.change(
        (now, moment) => ({ next: endClaim(now, claim.id, { moment, deleted }), result: undefined }),
        options,
      )
    if (left >= SHORTEST) {
      const deleted = await inTime(task, left, async signal => {
        const chosen = await choose(claim, signal)
        if (chosen.length > 0) await store.delete(chosen, { signal })
        return chosen
      })
      if (deleted.length > 0) options.onDeleted?.(deleted)
      await end(deleted)
      return deleted
    }
    await end([])
  }
  throw tooSlow(store)
}

async function takeClaim(
  { record, options }: Task,
  { keys, tags }: { readonly keys: readonly string[]; readonly tags: readonly string[] },
): Promise<Claim | undefined> {
  // The age is looked at again in the record that is changed: a key may have been struck off and recorded anew since the plan was made.
  const wish: Wish = { id: randomUUID(), lasts: CLAIM, keys: new Set(keys), since: oldEnough(options), tags }
  const take = (deletions: Deletions, moment: Moment): { next: Deletions; result: Claim | undefined } => {
    const next = claimKeys(deletions, wish, moment)
    return { next, result: next.claims.find(({ id }) => id === wish.id) }
  }
  return record.change(take, options)
}

async function inTime<T>(
  { store, options }: Task,
  ms: number,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, alarm = AbortSignal.timeout } = options
  const late = alarm(ms)
  try {
    return await action(withSignal(signal, late))
  } catch (error) {
    throw late.aborted && signal?.aborted !== true ? tooSlow(store, error) : error
  }
}

function tooSlow(store: ObjectStore, cause?: unknown): RegistrishError {
  return new RegistrishError('timeout', `${store.title} is too slow: what was to be deleted was not deleted in time`, {
    side: 'target',
    cause,
    hint: 'run it again later: nothing is lost, and what is still there is deleted then',
  })
}

function batches(keys: readonly string[]): readonly (readonly string[])[] {
  const size = Math.max(CLAIMED_AT_ONCE, Math.ceil(keys.length / MOST_CLAIMS))
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, index) =>
    keys.slice(index * size, (index + 1) * size),
  )
}
