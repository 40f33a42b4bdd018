import { isRegistrishError } from '../errors.ts'
import { digestOf } from '../oci/digest.ts'
import { formatReferrers } from '../oci/referrers.ts'
import type { CallOptions } from '../oci/source.ts'
import {
  catalogPath,
  manifestPath,
  parseRequestPath,
  publicPrefix,
  type RequestTarget,
  referrersPath,
  tagsListPath,
} from '../tree/layout.ts'
import { callOf } from './call-of.ts'
import { CONSTANTS } from './constants.ts'
import { isListedAs, type LocalRepository, neededKeys } from './content.ts'
import type { Deletions } from './deletions.ts'
import { LARGEST_DOCUMENT } from './documents.ts'
import type { StoreListing } from './listing.ts'
import { isFallbackList } from './plan-referrers.ts'
import { pruneStore } from './prune.ts'
import { type PrunePlan, planPrune, refuseHalf } from './prune-plan.ts'
import { reachOfTags, type StoreDigest, type StoreTag } from './prune-reach.ts'
import type { Amount, DeployOptions, PlannedObject, PlannedTag, PlanProblem } from './report.ts'
import { sparseChildren } from './sparse.ts'
import type { ObjectStore } from './store.ts'
import { readContents } from './store-contents.ts'

/** Milliseconds that something stays after nothing refers to it any more, so that running pulls end well. */
const GRACE = 24 * 3_600_000

/** What a deploy deletes. */
export interface Pruning {
  /** Whether a key is to be deleted, by this run or a later one. */
  isGoing(key: string): boolean
  /** Repositories of which tags go. */
  readonly repositories: ReadonlySet<string>
  readonly tags: readonly PlannedTag[]
  readonly objects: readonly PlannedObject[]
  readonly problems: readonly PlanProblem[]
  /** Does it, once no document names it any more. */
  run(store: ObjectStore, options: CallOptions): Promise<Pruned>
}

/** What was deleted. */
interface Pruned {
  readonly deleted: Amount
  readonly keys: readonly string[]
  readonly tags: readonly PlannedTag[]
}

export interface PruningSources extends CallOptions {
  readonly store: ObjectStore
  readonly repositories: readonly LocalRepository[]
  readonly listing: StoreListing
  /** When the listing began, by the store's clock. */
  readonly listedAt: number
  readonly deletions: Deletions
  readonly options: Pick<DeployOptions, 'grace' | 'force'>
}

/**
 * Plans what goes: what the tree does not hold. Tags go at once; what only they needed ages from now on, also where an earlier run has recorded it: it was
 * needed until now. What is no part of a registry is nobody's business and stays.
 */
export async function createPruning(sources: PruningSources): Promise<Pruning> {
  const { listing, listedAt, store, signal, options } = sources
  const kept = keysOf(sources.repositories)
  const staying = await reachOfTags(store, await rootsOf(sources), callOf(signal))
  for (const key of staying.keys) kept.add(key)
  const damaged = sources.repositories.filter(({ graph }) => graph.snapshot.problems.length > 0).map(({ name }) => name)
  const targets = new Map<string, RequestTarget>()
  for (const key of listing.keys()) {
    const target = kept.has(key) ? undefined : parseRequestPath(`/${key}`)
    const name = repositoryOf(target)
    if (target === undefined || key === publicPrefix || damaged.includes(name) || staying.unread.has(name)) continue
    targets.set(key, target)
  }
  const foreign = new Map([...targets].flatMap(([key, target]) => tagIn(key, target)))
  const ageing = { listedAt, grace: options.grace ?? GRACE }
  const planned = planPrune({
    ...ageing,
    objects: listing,
    keep: key => !targets.has(key),
    foreignTags: foreign.keys(),
    deletions: sources.deletions,
  })
  const reach = await reachOfTags(store, foreign.values(), callOf(signal))
  const needed = (key: string): boolean => reach.keys.has(key) || reach.unread.has(repositoryOf(targets.get(key)))
  const recorded = sources.deletions.unreferenced.flatMap(({ keys }) => keys)
  const plan = restart(
    planned,
    recorded.filter(key => targets.has(key) && needed(key)),
  )
  const going = new Set([...plan.tags.map(({ key }) => key), ...plan.age, ...plan.delete])
  for (const key of recorded) if (targets.has(key)) going.add(key)
  const tags = plan.tags.flatMap(({ key }) => describeTag(foreign.get(key)))
  return {
    isGoing: key => going.has(key),
    repositories: new Set(tags.map(({ repository }) => repository)),
    tags,
    objects: describe(plan, listing),
    problems: [
      ...damaged.map(spareDamaged),
      ...judge(plan, { total: listing.size + countNew(sources), force: options.force === true }),
    ],
    async run(target, call) {
      const outcome = await pruneStore(target, plan, { ...ageing, ...call, rank: key => rankOf(targets.get(key)) })
      return {
        deleted: amountOf(outcome.deleted, listing),
        keys: outcome.deleted,
        tags: outcome.deleted.flatMap(key => describeTag(foreign.get(key))),
      }
    },
  }
}

/** What stays on the store though the tree does not hold it: platforms that were not fetched, and tags of fallback names that are someone's own. */
async function rootsOf({
  store,
  repositories,
  listing,
  signal,
}: PruningSources): Promise<readonly (StoreTag | StoreDigest)[]> {
  const roots: (StoreTag | StoreDigest)[] = []
  for (const repository of repositories) {
    const { name, fallbacks, referrers } = repository
    for (const child of sparseChildren(repository, listing)) roots.push(child)
    for (const [tag, subject] of fallbacks) {
      const listed = listing.get(manifestPath(name, tag))
      const entries = referrers.get(subject) ?? []
      if (listed === undefined || isListedAs(listed, formatReferrers(entries))) continue
      const found = await store.get(listed.key, { limit: LARGEST_DOCUMENT, ...callOf(signal) })
      if (found !== undefined && !isFallbackList(found.bytes, entries)) roots.push({ repository: name, tag })
    }
  }
  return roots
}

/** Objects that the store lacks of the repositories that it has: an image that is built anew takes the place of another. */
function countNew({ repositories, listing }: PruningSources): number {
  const { tags } = readContents(listing.keys())
  return repositories
    .filter(({ name }) => tags.has(name))
    .reduce((sum, { objects }) => sum + objects.filter(({ key }) => !listing.has(key)).length, 0)
}

/** All keys that the tree makes, documents too. */
function keysOf(repositories: readonly LocalRepository[]): Set<string> {
  const keys = new Set([catalogPath, ...CONSTANTS.map(({ key }) => key)])
  for (const repository of repositories) {
    const { name, referrers, fallbacks } = repository
    for (const key of neededKeys(repository)) keys.add(key)
    for (const tag of fallbacks.keys()) keys.add(manifestPath(name, tag))
    for (const [subject, entries] of referrers) {
      keys.add(referrersPath(name, subject))
      keys.add(manifestPath(name, digestOf(formatReferrers(entries))))
    }
    keys.add(tagsListPath(name))
  }
  return keys
}

function tagIn(key: string, target: RequestTarget): readonly (readonly [string, StoreTag])[] {
  if (target.kind !== 'manifest' || target.reference.includes(':')) return []
  return [[key, { repository: target.repository, tag: target.reference }]]
}

/** Has keys age from now on that were recorded before. */
function restart(plan: PrunePlan, again: readonly string[]): PrunePlan {
  if (again.length === 0) return plan
  const those = new Set(again)
  return {
    ...plan,
    delete: plan.delete.filter(key => !those.has(key)),
    age: [...plan.age, ...again],
    strike: [...plan.strike, ...again],
  }
}

function describeTag(tag: StoreTag | undefined): readonly PlannedTag[] {
  return tag === undefined ? [] : [{ ...tag, change: 'deleted' }]
}

function describe({ tags, age, delete: ripe }: PrunePlan, listing: StoreListing): readonly PlannedObject[] {
  const one = (key: string, action: 'delete' | 'age'): PlannedObject => ({
    key,
    action,
    change: 'deleted',
    size: listing.get(key)?.size ?? 0,
  })
  return [
    ...tags.map(({ key }) => one(key, 'delete')),
    ...ripe.map(key => one(key, 'delete')),
    ...age.map(key => one(key, 'age')),
  ]
}

function judge(
  { tags, age, delete: ripe }: PrunePlan,
  { total, force }: { readonly total: number; readonly force: boolean },
): readonly PlanProblem[] {
  try {
    refuseHalf({ total, going: tags.length + age.length + ripe.length, force })
    return []
  } catch (error) {
    if (!isRegistrishError(error, 'conflict')) throw error
    const { message: text, hint } = error
    return [{ level: 'refuse', code: 'conflict', text, side: 'target', ...(hint === undefined ? {} : { hint }) }]
  }
}

/** What a damaged manifest of the tree names is not known. */
function spareDamaged(name: string): PlanProblem {
  return {
    level: 'warn',
    code: 'conflict',
    text: `nothing of ${name} is deleted, since a manifest of it is damaged in the tree`,
    hint: 'mend it with registrish verify --repair and fetch it again',
  }
}

/** Documents go first, then manifests, then what they need. */
function rankOf(target: RequestTarget | undefined): number {
  if (target?.kind === 'manifest') return 1
  return target?.kind === 'blob' ? 2 : 0
}

function repositoryOf(target: RequestTarget | undefined): string {
  return target !== undefined && 'repository' in target ? target.repository : ''
}

function amountOf(keys: readonly string[], listing: StoreListing): Amount {
  return { objects: keys.length, bytes: keys.reduce((sum, key) => sum + (listing.get(key)?.size ?? 0), 0) }
}
