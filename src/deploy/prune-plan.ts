import { RegistrishError } from '../errors.ts'
import type { Deletions } from './deletions.ts'
import { claimedKeys } from './deletions-changes.ts'
import type { StoredObject } from './store.ts'
import { createKeyReader } from './store-contents.ts'

/** A tag as a listing showed it. */
export type ListedTag = Pick<StoredObject, 'key' | 'etag'>

/** What a prune is to do. */
export interface PrunePlan {
  readonly tags: readonly ListedTag[]
  /** Keys that nothing refers to, recorded now and deleted by a later run. */
  readonly age: readonly string[]
  /** Keys that nothing has referred to for long enough. */
  readonly delete: readonly string[]
  /** Keys that are recorded and referred to again, or gone. */
  readonly strike: readonly string[]
}

/** When a prune looks, and how long things age. */
export interface Ageing {
  /** When the listing began, by the store's clock. */
  readonly listedAt: number
  /** Milliseconds that something must have been unreferenced. {@link YOUNGEST} at least. */
  readonly grace: number
}

/** What a plan is made from. */
export interface PruneInput extends Ageing {
  /** What is below v2/ in the store, and whatever of it may be deleted where `keep` does not say otherwise. */
  readonly objects: ReadonlyMap<string, StoredObject>
  /** Whether something is of the local tree, a document, or needed by any tag that the listing showed and that stays. */
  readonly keep: (key: string) => boolean
  /** Keys of tags to be deleted. */
  readonly foreignTags: Iterable<string>
  readonly deletions: Deletions
}

/** Milliseconds that whatever is deleted has been recorded for, whatever the grace: deletions.ts says why. */
const YOUNGEST = 60_000

/** Until when something must have been recorded that may be deleted now. */
export function oldEnough({ listedAt, grace }: Ageing): number {
  return listedAt - Math.max(grace, YOUNGEST)
}

/** Says what a prune would do, in the order of the listing. What another pruner has claimed is left to it; tags that are not foreign are never touched. */
export function planPrune(input: PruneInput): PrunePlan {
  const { objects, keep, deletions } = input
  const readKey = createKeyReader()
  const since = new Map(deletions.unreferenced.flatMap(group => group.keys.map(key => [key, group.since] as const)))
  const claimed = new Set(deletions.claims.flatMap(claimedKeys))
  const before = oldEnough(input)
  const age: string[] = []
  const ripe: string[] = []
  for (const key of objects.keys()) {
    if (claimed.has(key) || keep(key) || readKey(key)?.isTag === true) continue
    const recorded = since.get(key)
    if (recorded === undefined) age.push(key)
    else if (recorded <= before) ripe.push(key)
  }
  const tags = [...new Set(input.foreignTags)].flatMap(key => {
    const object = objects.get(key)
    return object === undefined || keep(key) || claimed.has(key) ? [] : [{ key, etag: object.etag }]
  })
  return { tags, age, delete: ripe, strike: [...since.keys()].filter(key => !objects.has(key) || keep(key)) }
}

/** Refuses to delete more than half of what is there. @throws RegistrishError `conflict`. */
export function refuseHalf({
  total,
  going,
  force,
}: {
  readonly total: number
  readonly going: number
  readonly force: boolean
}): void {
  if (force || going * 2 <= total) return
  const [some, all] = [going, total].map(count => count.toLocaleString('en'))
  throw new RegistrishError('conflict', `--prune would delete ${some} of ${all} objects`, {
    side: 'target',
    hint: 'look whether this is the right tree and the right place; if it is, say --force',
  })
}
