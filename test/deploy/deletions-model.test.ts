import { expect, it } from 'vitest'
import { parseDeletions } from '../../src/deploy/deletions-format.ts'
import { openDeletions, readDeletions } from '../../src/deploy/deletions-record.ts'
import { pruneStore } from '../../src/deploy/prune.ts'
import { planPrune } from '../../src/deploy/prune-plan.ts'
import type { StoredObject } from '../../src/deploy/store.ts'
import { beginWriting, TAG_LANDING } from '../../src/deploy/writing-guard.ts'
import { isRegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey, manifestPath, publicPrefix } from '../../src/tree/layout.ts'
import { createMemoryStore, type MemoryObject } from '../support/memory-store.ts'
import { type Access, createSchedule, type Schedule } from './deletions-schedule.ts'

/*
 * Two writers and two pruners at once over one store, in thousands of orders of their requests, with deaths, lost answers, clocks that differ and that jump.
 * A tag's bytes name the manifest it stands for; what a manifest needs is in a table.
 */

const RUNS = 300

const [b1, b2, b3] = ['1', '2', '3'].map(text => blobPath('a', digestOf(text))) as [string, string, string]
const [m1, m2] = ['m1', 'm2'].map(text => manifestPath('a', digestOf(text))) as [string, string]
const [one, two] = ['one', 'two'].map(tag => manifestPath('a', tag)) as [string, string]
const NEEDS: Readonly<Record<string, readonly string[]>> = { [m1]: [m1, b1, b2], [m2]: [m2, b2, b3] }
const RANKS: Readonly<Record<string, number>> = { [m1]: 0, [m2]: 0 }
const needsOf = (target: string | undefined): readonly string[] => NEEDS[target ?? ''] ?? []

it('keeps what a tag needs, whatever the order of requests and whoever dies', async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    try {
      await runOnce(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
}, 120_000)

it('finds the faults it looks for: without striking off, a tag loses what it needs', async () => {
  const careless = async (): Promise<void> => {
    for (let seed = 1; seed <= RUNS; seed += 1) await runOnce(seed, { isCareless: true })
  }
  await expect(careless).rejects.toThrow(/lacks/)
}, 120_000)

async function runOnce(seed: number, { isCareless = false } = {}): Promise<void> {
  const schedule = createSchedule(seed)
  const { random } = schedule
  const watch = createWatch(schedule)
  const world: World = {
    schedule,
    watch,
    isCareless,
    grace: random() < 0.8 ? 0 : 200_000,
    rest: random() < 0.6 ? 0 : 0.5,
  }
  await furnish(schedule)
  watch()
  schedule.start(access => write(world, access, one))
  schedule.start(access => write(world, access, two))
  schedule.start(access => prune(world, access))
  schedule.start(access => prune(world, access))
  await schedule.run(watch)
  await heal(world)
}

interface World {
  readonly schedule: Schedule
  readonly watch: Watch
  readonly isCareless: boolean
  readonly grace: number
  /** How often those who act rest between two rounds. */
  readonly rest: number
}

/** What is there when all begin: a tag or two, things that nothing refers to, and a record of some of them. */
async function furnish({ objects, clock, random }: Schedule): Promise<void> {
  const store = createMemoryStore({ objects, clock })
  for (const [tag, target] of [
    [one, m1],
    [two, m2],
  ] as const) {
    if (random() < 0.5) continue
    for (const key of needsOf(target)) store.set(key, key)
    store.set(tag, target)
  }
  for (const key of [m1, m2, b1, b2, b3]) if (random() < 0.7) store.set(key, key)
  const needed = new Set([...neededNow(objects).values()].flat())
  const stale = [m1, m2, b1, b2, b3].filter(key => objects.has(key) && !needed.has(key) && random() < 0.7)
  if (stale.length === 0) return
  const since = clock.now - Math.floor(random() * 400_000)
  await openDeletions(store).change(deletions => ({
    next: { ...deletions, unreferenced: [{ since, keys: stale }] },
    result: undefined,
  }))
}

/** A deploy of one tag, a few times. */
async function write(world: World, access: Access, tag: string): Promise<void> {
  const { random } = world.schedule
  for (let times = 1 + Math.floor(random() * 3); times > 0; times -= 1) {
    await deploy(world, access, { tag, target: random() < 0.5 ? m1 : m2 })
    if (random() < world.rest) await access.sleep(random() * 100_000)
  }
}

async function deploy(
  { schedule, watch, isCareless }: World,
  access: Access,
  { tag, target }: { readonly tag: string; readonly target: string },
): Promise<void> {
  const { store, alarm } = access
  const guard = await beginWriting(store, access)
  const listing = await list(access)
  const needs = needsOf(target)
  const all = [...needs, tag]
  let suspects: readonly string[] = needs.filter(key => !listing.has(key))
  const tagged = await createMemoryStore().put(bodyOf(tag, target))
  let isTagged = listing.get(tag)?.etag === tagged
  const confirm = async (): Promise<readonly string[]> => (isCareless ? guard.confirm([]) : guard.confirm(all))
  for (;;) {
    for (const key of suspects) {
      if (key !== tag && (await store.head(key)) === undefined) await store.put(bodyOf(key, key))
      if (key === tag && (await store.head(key))?.etag !== tagged) isTagged = false
    }
    const asked = schedule.steps()
    suspects = await confirm()
    if (suspects.length > 0) continue
    if (isTagged) {
      watch.ended(tag, asked)
      return
    }
    if (!guard.isFresh()) continue
    const late = alarm(TAG_LANDING)
    try {
      await store.put(bodyOf(tag, target), { signal: late })
      isTagged = true
    } catch (error) {
      if (!late.aborted) throw error
    }
  }
}

async function prune(world: World, access: Access, { rounds = 4, every = false } = {}): Promise<void> {
  const { random } = world.schedule
  for (let round = 0; round < rounds; round += 1) {
    const { store } = access
    const deletions = await openDeletions(store, access).read()
    const listedAt = store.now()
    const objects = await list(access)
    const foreignTags = every ? [] : [one, two].filter(() => random() < 0.3)
    const kept = new Set<string>()
    for (const tag of [one, two]) {
      if (!objects.has(tag) || foreignTags.includes(tag)) continue
      const content = await store.get(tag, { limit: 1000 })
      kept.add(tag)
      for (const key of needsOf(content && Buffer.from(content.bytes).toString())) kept.add(key)
    }
    const ageing = { listedAt, grace: world.grace }
    const plan = planPrune({ ...ageing, objects, keep: key => kept.has(key), foreignTags, deletions })
    try {
      await pruneStore(store, plan, { ...ageing, ...access, rank: key => RANKS[key] ?? 1 })
    } catch (error) {
      if (!isRegistrishError(error, 'timeout')) throw error
    }
    if (every || random() < world.rest) await access.sleep(every ? 400_000 : random() * 150_000)
  }
}

/** When all is over: a prune or two later no claim is left, nor anything that nothing refers to. */
async function heal(world: World): Promise<void> {
  const { schedule, watch } = world
  schedule.clock.now += 300_000
  schedule.start(access => prune(world, access, { every: true, rounds: 3 }), { mortal: false })
  await schedule.run(watch)
  const { objects } = schedule
  const needed = [...neededNow(objects)].flatMap(([tag, needs]) => [tag, ...needs])
  const left = [...objects.keys()].filter(key => key !== deletionsKey)
  expect(new Set(left)).toEqual(new Set(needed))
  const store = createMemoryStore({ objects, clock: schedule.clock })
  expect((await readDeletions(store)).claims).toEqual([])
}

/** Looks at the store after each request. */
interface Watch {
  (): void
  /** A writer has ended, and began its last look at the record at that step. */
  ended(tag: string, asked: number): void
}

function createWatch({ objects, clock, steps }: Schedule): Watch {
  let before = new Set<string>()
  let etag: string | undefined
  const recorded = new Map<string, number>()
  const claimed = new Map<string, number>()
  const watch = (): void => {
    for (const [tag, needs] of neededNow(objects)) {
      for (const key of needs) if (!objects.has(key)) throw new Error(`${tag} lacks ${key}`)
    }
    for (const key of before) {
      if (objects.has(key) || key === one || key === two) continue
      const age = clock.now - (recorded.get(key) ?? Number.NaN)
      if (!(age >= 50_000)) throw new Error(`${key} was deleted ${age} ms after it was recorded`)
    }
    before = new Set([...objects.keys()].filter(key => key.startsWith(publicPrefix)))
    const object = objects.get(deletionsKey)
    if (object === undefined || object.etag === etag) return
    etag = object.etag
    const record = parseDeletions(object.bytes, 'test')
    const groups = [...record.unreferenced, ...record.claims.flatMap(claim => claim.unreferenced)]
    const known = new Map(groups.flatMap(({ since, keys }) => keys.map(key => [key, since] as const)))
    for (const key of recorded.keys()) if (!known.has(key)) recorded.delete(key)
    for (const [key, since] of known) if (!recorded.has(key)) recorded.set(key, Math.min(since, clock.now))
    for (const tag of record.claims.flatMap(claim => claim.tags)) claimed.set(tag, steps())
  }
  return Object.assign(watch, {
    ended(tag: string, asked: number) {
      if (objects.has(tag) || (claimed.get(tag) ?? 0) > asked) return
      throw new Error(`${tag} is lost`)
    },
  })
}

/** What each visible tag needs. */
function neededNow(objects: ReadonlyMap<string, MemoryObject>): ReadonlyMap<string, readonly string[]> {
  const tags = [one, two].flatMap(tag => {
    const object = objects.get(tag)
    return object === undefined ? [] : [[tag, needsOf(Buffer.from(object.bytes).toString())] as const]
  })
  return new Map(tags)
}

async function list({ store }: Access): Promise<ReadonlyMap<string, StoredObject>> {
  const found = new Map<string, StoredObject>()
  for await (const page of store.list(publicPrefix)) for (const object of page.objects) found.set(object.key, object)
  return found
}

function bodyOf(key: string, text: string): Parameters<Access['store']['put']>[0] {
  const bytes = Buffer.from(text)
  return { key, body: { bytes }, size: bytes.length, contentType: 'text/plain', cacheControl: 'no-store' }
}
