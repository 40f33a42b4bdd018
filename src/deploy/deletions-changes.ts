import type { AgedKeys, Claim, DeletedKeys, Deletions, Moment } from './deletions.ts'

/** Milliseconds that clocks of two machines may differ by, as each has it from the store. */
const SKEW = 5000
/** Milliseconds that the log remembers. */
const LOGGED = 24 * 3_600_000
/** Keys that the log holds at most. */
const MOST_LOGGED = 20_000

/**
 * Ends claims whose time is over: their pruners died or came too late. What they had claimed is unreferenced as before, and may have been deleted.
 * Tags are not put back: whether one goes is for a plan to say.
 */
export function settleClaims(deletions: Deletions, moment: Moment): Deletions {
  const over = deletions.claims.filter(({ until }) => until + SKEW < moment.now)
  if (over.length === 0) return deletions
  return over.reduce((rest, { id }) => endClaim(rest, id, { moment, deleted: undefined }), deletions)
}

/** What {@link endClaim} is told. */
interface Ending {
  readonly moment: Moment
  /** What was deleted; undefined: nobody knows. */
  readonly deleted: readonly string[] | undefined
}

/** Ends a claim, if it is there still: what was deleted is logged, what was not is put back. */
export function endClaim(deletions: Deletions, id: string, { moment, deleted }: Ending): Deletions {
  const claim = deletions.claims.find(other => other.id === id)
  if (claim === undefined) return deletions
  const logged = deleted ?? claimedKeys(claim)
  return {
    ...deletions,
    claims: deletions.claims.filter(other => other !== claim),
    unreferenced: joinGroups([
      ...deletions.unreferenced,
      ...(deleted === undefined ? claim.unreferenced : withoutKeys(claim.unreferenced, new Set(deleted))),
    ]),
    ...trimLog([...deletions.log, { generation: moment.generation, at: moment.now, keys: logged }], {
      forgotten: deletions.forgotten,
      moment,
    }),
  }
}

/** Takes keys off what is to be deleted, except what is claimed; the same object where none is there. */
export function strikeKeys(deletions: Deletions, keys: ReadonlySet<string>): Deletions {
  const unreferenced = withoutKeys(deletions.unreferenced, keys)
  return unreferenced === deletions.unreferenced ? deletions : { ...deletions, unreferenced }
}

/** What is to be claimed. */
export interface Wish {
  readonly id: string
  /** Milliseconds that the claim holds once it is there. */
  readonly lasts: number
  /** Of these keys what is recorded, and since this time or longer. */
  readonly keys: ReadonlySet<string>
  readonly since: number
  readonly tags: readonly string[]
}

/** Claims what it can of a wish: nobody else claims it, and no writer has struck it off. The same object where that is nothing, or where it is claimed. */
export function claimKeys(deletions: Deletions, wish: Wish, { now }: Moment): Deletions {
  const { id, keys, since } = wish
  if (deletions.claims.some(claim => claim.id === id)) return deletions
  const unreferenced = deletions.unreferenced
    .filter(group => group.since <= since)
    .map(group => ({ since: group.since, keys: group.keys.filter(key => keys.has(key)) }))
    .filter(group => group.keys.length > 0)
  const claimed = new Set(deletions.claims.flatMap(claimedKeys))
  const tags = wish.tags.filter(key => !claimed.has(key))
  if (unreferenced.length + tags.length === 0) return deletions
  const claim: Claim = { id, until: now + countKeys(deletions) + tags.length + wish.lasts, tags, unreferenced }
  const taken = new Set(unreferenced.flatMap(group => group.keys))
  return {
    ...deletions,
    claims: [...deletions.claims, claim],
    unreferenced: withoutKeys(deletions.unreferenced, taken),
  }
}

/** When the last claim on any of some keys ends; undefined where there is none. */
export function claimedUntil(deletions: Deletions, keys: ReadonlySet<string>): number | undefined {
  const claims = deletions.claims.filter(claim => claimedKeys(claim).some(key => keys.has(key)))
  return claims.length === 0 ? undefined : Math.max(...claims.map(({ until }) => until)) + SKEW
}

/** Tells whether a key may have been deleted since a generation: the log says so, or it does not reach back as far. */
export function deletedSince(deletions: Deletions): (key: string, generation: number) => boolean {
  const { begun, forgotten, log } = deletions
  const last = new Map<string, number>()
  for (const { generation, keys } of log) for (const key of keys) last.set(key, generation)
  return (key, generation) =>
    generation > deletions.generation ||
    forgotten > generation ||
    (generation > 0 && generation < begun) ||
    (last.get(key) ?? 0) > generation
}

/** Records keys that are neither recorded nor claimed. They date from when the record is sure to be there, a large one later: see LANDING. */
export function recordKeys(deletions: Deletions, keys: readonly string[], { now }: Moment): Deletions {
  const known = new Set([
    ...deletions.unreferenced.flatMap(group => group.keys),
    ...deletions.claims.flatMap(claimedKeys),
  ])
  const fresh = keys.filter(key => !known.has(key))
  if (fresh.length === 0) return deletions
  const since = now + countKeys(deletions) + fresh.length
  return { ...deletions, unreferenced: joinGroups([...deletions.unreferenced, { since, keys: fresh }]) }
}

/** Keys that a claim holds. */
export function claimedKeys({ tags, unreferenced }: Claim): readonly string[] {
  return [...tags, ...unreferenced.flatMap(({ keys }) => keys)]
}

/** Keys in a record. */
export function countKeys({ unreferenced, claims, log }: Deletions): number {
  const groups: readonly { readonly keys: readonly string[] }[] = [...unreferenced, ...log]
  const claimed = claims.reduce((sum, claim) => sum + claimedKeys(claim).length, 0)
  return groups.reduce((sum, { keys }) => sum + keys.length, claimed)
}

/** Groups without some keys, and without those that are empty then; the same list where none of the keys is in it. */
function withoutKeys(groups: readonly AgedKeys[], keys: ReadonlySet<string>): readonly AgedKeys[] {
  if (!groups.some(group => group.keys.some(key => keys.has(key)))) return groups
  return groups
    .map(({ since, keys: all }) => ({ since, keys: all.filter(key => !keys.has(key)) }))
    .filter(group => group.keys.length > 0)
}

/** One group for each time, oldest first. */
function joinGroups(groups: readonly AgedKeys[]): readonly AgedKeys[] {
  const bySince = new Map<number, string[]>()
  for (const { since, keys } of groups) {
    const known = bySince.get(since) ?? []
    bySince.set(since, known)
    for (const key of keys) known.push(key)
  }
  return [...bySince].map(([since, keys]) => ({ since, keys })).sort((a, b) => a.since - b.since)
}

/** Forgets what is old, and what is too much. */
function trimLog(
  log: readonly DeletedKeys[],
  { forgotten, moment }: { readonly forgotten: number; readonly moment: Moment },
): Pick<Deletions, 'log' | 'forgotten'> {
  let room = MOST_LOGGED
  let last = forgotten
  const kept: DeletedKeys[] = []
  for (const entry of [...log].reverse()) {
    room -= entry.keys.length
    const isKept = entry.generation > last && room >= 0 && entry.at > moment.now - LOGGED
    if (isKept) kept.unshift(entry)
    else last = Math.max(last, entry.generation)
  }
  return { log: kept.filter(({ keys }) => keys.length > 0), forgotten: last }
}
