import { afterEach, describe, expect, it, vi } from 'vitest'
import { deployTree } from '../../src/deploy/deploy.ts'
import type { DeployOptions } from '../../src/deploy/report.ts'
import { isRegistrishError } from '../../src/errors.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { type Graph, makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeBigLayer, makeLayer } from '../support/made-layers.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { createRandom, type Random } from './deletions-schedule.ts'
import { type Actor, byChance, type Choose, inTurns, interleave } from './support/interleave.ts'
import { findFaults } from './support/judge.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import { cloneStore, makeFilledStore, makeTree } from './support/trees.ts'

/*
 * One deploys while another prunes what the first relies on: at every step, in turns and by chance, with the clock going on between the steps.
 */

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))

afterEach(releaseClocks)

const RUNS = 80
const LONG = 240_000
const HOUR = 3_600_000
const DAY = 24 * HOUR

const PRUNE: DeployOptions = { prune: true, force: true }

interface Race {
  /** As it is before: something was recorded, and has aged or not. */
  readonly store: MemoryStore
  readonly writer: Tree
  readonly pruner: Tree
  /** Tags (keys) that the writer wants, by the bytes they must have. */
  readonly wanted: ReadonlyMap<string, string>
}

const text = ({ root, manifests }: Graph): string => Buffer.from(manifests.get(root.digest) ?? []).toString()

/** The writer brings back what the pruner is about to delete; part of it from another repository. */
async function makeRace(aged: boolean): Promise<Race> {
  const base = await makeBigLayer(70_000, 'base')
  const kept = await makeMultiPlatform({ seed: 'kept' })
  const gone = await makeImage({ layers: [base, await makeLayer('gone')], seed: 'gone' })
  const again = await makeImage({ layers: [base, await makeLayer('gone'), await makeLayer('again')], seed: 'again' })
  const elsewhere = await makeImage({ layers: [base], seed: 'elsewhere' })
  const signed = withReferrers(gone, makeArtifact({ subject: gone, payload: 'signature' }))
  const store = await makeFilledStore({ app: { latest: kept, old: signed }, lib: { latest: kept } })
  const pruner = await makeTree({ app: { latest: kept }, lib: { latest: kept } })
  if (aged) {
    await deployTree(pruner, store, PRUNE)
    store.clock.now += DAY + 60_000
  }
  const moved = await makeImage({ layers: [base, await makeLayer('moved')], seed: 'moved' })
  const writer = await makeTree({ app: { again, signed, old: moved }, elsewhere: { latest: elsewhere } })
  return {
    store,
    writer,
    pruner,
    wanted: new Map([
      ['v2/app/manifests/again', text(again)],
      ['v2/app/manifests/old', text(moved)],
      ['v2/elsewhere/manifests/latest', text(elsewhere)],
    ]),
  }
}

interface Settings {
  readonly choose: Choose
  readonly random?: Random
  readonly jobs?: number
  readonly grace: number
}

/** What was found: graphs that are not whole and tags that were lost; and documents that are wrong when all is over. */
interface Outcome {
  readonly harm: readonly string[]
  readonly lag: readonly string[]
}

const DOCUMENTS = /tags\/list: |_catalog: |\/referrers\/\S*: |: (?:names|does not name) |: a list of nobody/

async function race({ store, writer, pruner, wanted }: Race, settings: Settings): Promise<Outcome> {
  const { choose, random, jobs = 1, grace } = settings
  const copy = cloneStore(store)
  followSleep(copy.clock)
  const harm: string[] = []
  const look = (when: string): void => {
    if (harm.length > 0) return
    const faults = findFaults(copy, { phase: 'midway', tagsOnly: true, ignore: DOCUMENTS })
    harm.push(...faults.map(fault => `${when}: ${fault}`))
  }
  const listed = new Set<string>()
  const prunes: Actor = own => {
    const list = own.list.bind(own)
    own.list = async function* (...request) {
      for await (const page of list(...request)) {
        for (const { key } of page.objects) if (wanted.has(key) && copy.text(key) === wanted.get(key)) listed.add(key)
        yield page
      }
    }
    return deployTree(pruner, own, { ...PRUNE, jobs, grace }).catch((error: unknown) => {
      if (!isRegistrishError(error, 'conflict')) throw error
    })
  }
  const tick = random === undefined ? undefined : (): number => (random() < 0.3 ? Math.floor(random() * 4000) : 0)
  const check = (): void => look('on the way')
  const world = { objects: copy.objects, clock: copy.clock, choose, check, ...(tick === undefined ? {} : { tick }) }
  await interleave([own => deployTree(writer, own, { jobs }), prunes], world)
  releaseClocks()
  // A tag that the pruner has seen is its to delete.
  for (const [key, bytes] of wanted) if (!listed.has(key) && copy.text(key) !== bytes) harm.push(`${key} is lost`)
  const lag = findFaults(copy, { tagsOnly: true })
  // And later: whatever was recorded and has aged goes, what the tags need stays.
  for (let time = 0; time < 2; time += 1) {
    copy.clock.now += DAY + 60_000
    await deployTree(writer, createMemoryStore({ objects: copy.objects, clock: copy.clock }))
    look('after another deploy')
    harm.push(...findFaults(copy).map(fault => `after another deploy: ${fault}`))
  }
  return { harm, lag }
}

type Found = readonly { readonly name: string; readonly outcome: Outcome }[]

async function raceByChance(aged: boolean, grace: number): Promise<Found> {
  const scenario = await makeRace(aged)
  const found = []
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = createRandom(seed)
    const outcome = await race(scenario, { choose: byChance(random), random, jobs: seed % 3 === 0 ? 4 : 1, grace })
    found.push({ name: `seed ${seed}`, outcome })
  }
  return found
}

async function raceInTurns(aged: boolean, grace: number): Promise<Found> {
  const scenario = await makeRace(aged)
  const [alone, other] = [cloneStore(scenario.store), cloneStore(scenario.store)]
  await deployTree(scenario.writer, alone, { jobs: 1 })
  await deployTree(scenario.pruner, other, { ...PRUNE, jobs: 1, grace })
  const found = []
  for (let held = 0; held <= alone.steps.length; held += 1) {
    const outcome = await race(scenario, { choose: inTurns(held), grace })
    found.push({ name: `writer held before step ${held}, ${alone.log()[held]}`, outcome })
  }
  for (let held = 0; held <= other.steps.length; held += 1) {
    const outcome = await race(scenario, { choose: pruneFirst(held), grace })
    found.push({ name: `pruner held before step ${held}, ${other.log()[held]}`, outcome })
  }
  return found
}

/** The first few of what was found. */
function harmOf(found: Found, kind: keyof Outcome): readonly object[] {
  const bad = found.filter(({ outcome }) => outcome[kind].length > 0)
  return bad.slice(0, 3).map(({ name, outcome }) => ({ of: bad.length, name, faults: outcome[kind].slice(0, 4) }))
}

describe.each([
  ['what was recorded has aged', true, DAY],
  ['nothing was recorded yet', false, DAY],
  ['what was recorded has aged, and there is no grace', true, 0],
] as const)('a deploy against a prune: %s', (_, aged, grace) => {
  let chance: Promise<Found> | undefined
  let turns: Promise<Found> | undefined
  const runChance = async (): Promise<Found> => {
    chance ??= raceByChance(aged, grace)
    return chance
  }
  const runTurns = async (): Promise<Found> => {
    turns ??= raceInTurns(aged, grace)
    return turns
  }

  it(
    `keeps whole what is visible, in ${RUNS} orders by chance`,
    async () => {
      expect(harmOf(await runChance(), 'harm')).toEqual([])
    },
    LONG,
  )

  it(
    'keeps whole what is visible, wherever one is held while the other does all',
    async () => {
      expect(harmOf(await runTurns(), 'harm')).toEqual([])
    },
    LONG,
  )

  it(
    `leaves documents that say what is there, in ${RUNS} orders by chance`,
    async () => {
      expect(harmOf(await runChance(), 'lag')).toEqual([])
    },
    LONG,
  )

  it(
    'leaves documents that say what is there, wherever one is held while the other does all',
    async () => {
      expect(harmOf(await runTurns(), 'lag')).toEqual([])
    },
    LONG,
  )
})

/** The pruner does so many steps, then the writer all, then the pruner its rest. */
function pruneFirst(held: number): Choose {
  return (live, done) => {
    if (live.includes(1) && (done[1] ?? 0) < held) return 1
    return live[0] ?? 1
  }
}

describe('two who prune', () => {
  it(
    'of one tree: end as one',
    async () => {
      const { store, pruner } = await makeRace(true)
      const found: object[] = []
      for (let seed = 1; seed <= RUNS / 2; seed += 1) {
        const copy = cloneStore(store)
        followSleep(copy.clock)
        const random = createRandom(seed)
        const actor: Actor = own => deployTree(pruner, own, { ...PRUNE, jobs: 1 })
        await interleave([actor, actor], { objects: copy.objects, clock: copy.clock, choose: byChance(random) })
        releaseClocks()
        const faults = findFaults(copy)
        if (faults.length > 0) found.push({ seed, faults })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )

  it(
    'of two trees, as a mistake: no half image stays visible',
    async () => {
      const one = await makeTree({ app: { one: await makeImage({ seed: 'one' }) } })
      const other = await makeTree({ app: { other: await makeMultiPlatform({ seed: 'other' }) } })
      const store = await makeFilledStore({ app: { old: await makeImage({ seed: 'old' }) } })
      const found: object[] = []
      for (let seed = 1; seed <= RUNS / 2; seed += 1) {
        const copy = cloneStore(store)
        followSleep(copy.clock)
        const random = createRandom(seed)
        const actors = [one, other].map(
          (tree): Actor =>
            own =>
              deployTree(tree, own, { ...PRUNE, jobs: 1, grace: 0 }),
        )
        const check = (): void => {
          const faults = findFaults(copy, { phase: 'midway', tagsOnly: true, ignore: DOCUMENTS })
          if (faults.length > 0 && found.length < 5) found.push({ seed, faults: faults.slice(0, 3) })
        }
        const tick = (): number => (random() < 0.3 ? Math.floor(random() * 4000) : 0)
        await interleave(actors, { objects: copy.objects, clock: copy.clock, choose: byChance(random), check, tick })
        releaseClocks()
        const faults = findFaults(copy)
        if (faults.length > 0) found.push({ seed, end: faults.slice(0, 3) })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )
})
