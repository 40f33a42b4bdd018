import { afterEach, describe, expect, it, vi } from 'vitest'
import { deployTree } from '../../src/deploy/deploy.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { createRandom } from './deletions-schedule.ts'
import { byChance, type Choose, inTurns, interleave } from './support/interleave.ts'
import { findFaults, judgeStore } from './support/judge.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import {
  cloneStore,
  deployAndListen,
  type Images,
  makeFilledStore,
  makeTree,
  publishedOf,
  tagsIn,
} from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))

afterEach(releaseClocks)

/** Seeds of one scenario. */
const RUNS = 60
const LONG = 240_000

/** Two trees and what they are deployed to. */
interface Scenario {
  readonly trees: readonly Tree[]
  readonly store: MemoryStore
  /** Lines `repository:tag=digest` that must be there at the end. */
  readonly tags: readonly string[]
}

async function makeScenario(name: string): Promise<Scenario> {
  const old: Images = { app: { old: await makeImage({ seed: 'old' }) } }
  const image = await makeMultiPlatform({ seed: 'subject' })
  const parts = async (one: Images, other: Images, store?: MemoryStore): Promise<Scenario> => ({
    trees: [await makeTree(one), await makeTree(other)],
    store: store ?? createMemoryStore(),
    tags: [one, other].flatMap(images =>
      Object.entries(images).flatMap(([repository, graphs]) =>
        Object.entries(graphs).map(([tag, { root }]) => `${repository}:${tag}=${root.digest}`),
      ),
    ),
  })
  const [a, b] = [await makeImage({ seed: 'a' }), await makeMultiPlatform({ seed: 'b' })]
  switch (name) {
    case 'different tags of one repository':
      return parts({ app: { a } }, { app: { b } }, await makeFilledStore(old))
    case 'a repository that is new to both':
      return parts({ app: { a } }, { app: { b } })
    case 'different repositories, on a new store':
      return parts({ one: { a } }, { 'one/nested': { b } })
    case 'referrers of one subject':
      return parts(
        { app: { a: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })) } },
        { app: { b: withReferrers(image, makeArtifact({ subject: image, payload: 'other' })) } },
        await makeFilledStore({ app: { latest: image } }),
      )
    case 'referrers of one subject, beside one that is there':
      return parts(
        { app: { a: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })) } },
        { app: { b: withReferrers(image, makeArtifact({ subject: image, payload: 'other' })) } },
        await makeFilledStore({
          app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'zero' })) },
        }),
      )
    default:
      return parts({ app: { latest: image }, both: { a } }, { app: { latest: image }, both: { a } })
  }
}

const SCENARIOS = [
  'different tags of one repository',
  'a repository that is new to both',
  'different repositories, on a new store',
  'referrers of one subject',
  'referrers of one subject, beside one that is there',
  'the same images',
]

async function runBoth({ trees, store, tags }: Scenario, choose: Choose, jobs = 1): Promise<readonly string[]> {
  const copy = cloneStore(store)
  followSleep(copy.clock)
  const faults: string[] = []
  const check = (): void => {
    if (faults.length === 0) faults.push(...findFaults(copy, { phase: 'midway' }).map(fault => `on the way: ${fault}`))
  }
  const actors = trees.map(tree => async (own: MemoryStore) => deployTree(tree, own, { jobs }))
  await interleave(actors, { objects: copy.objects, clock: copy.clock, choose, check })
  const lost = tags.filter(line => {
    const [, repository, tag, digest] = /^(.*):([^:=]*)=(.*)$/.exec(line) ?? []
    const [there, named] = [`v2/${repository}/manifests/${tag}`, `v2/${repository}/manifests/${digest}`]
    return copy.text(there) === undefined || copy.text(there) !== copy.text(named)
  })
  return [...faults, ...findFaults(copy), ...lost.map(line => `lost: ${line}`)]
}

describe.each(SCENARIOS)('two writers at once: %s', name => {
  it(
    `lose nothing of each other, in ${RUNS} orders by chance`,
    async () => {
      const scenario = await makeScenario(name)
      const found: object[] = []
      for (let seed = 1; seed <= RUNS; seed += 1) {
        const faults = await runBoth(scenario, byChance(createRandom(seed)), seed % 3 === 0 ? 4 : 1)
        if (faults.length > 0) found.push({ seed, faults: faults.slice(0, 4) })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )

  it(
    'lose nothing of each other, wherever one is held while the other does all',
    async () => {
      const scenario = await makeScenario(name)
      const [first] = scenario.trees
      const alone = cloneStore(scenario.store)
      if (first !== undefined) await deployTree(first, alone, { jobs: 1 })
      const found: object[] = []
      for (let held = 0; held <= alone.steps.length; held += 1) {
        const faults = await runBoth(scenario, inTurns(held))
        if (faults.length > 0) found.push({ held, before: alone.log()[held], faults: faults.slice(0, 4) })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )

  it(
    'lose nothing of each other, wherever the first is held while the other does a part',
    async () => {
      const scenario = await makeScenario(name)
      const found: object[] = []
      for (let first = 4; first < 40; first += 4) {
        for (let second = 5; second < 40; second += 5) {
          const faults = await runBoth(scenario, inTurns(first, second))
          if (faults.length > 0) found.push({ first, second, faults: faults.slice(0, 4) })
        }
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )
})

describe('two writers that move one tag', () => {
  it('the later re-plans, says so, and wins', async () => {
    const [old, mine, theirs] = [
      await makeImage({ seed: 'old' }),
      await makeImage({ seed: 'mine' }),
      await makeMultiPlatform({ seed: 'theirs' }),
    ]
    const store = await makeFilledStore({ app: { latest: old } })
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    const theirTree = await makeTree({ app: { latest: theirs } })
    let done = false
    store.before = async (op, key) => {
      if (done || op !== 'put' || key !== 'v2/app/manifests/latest') return
      done = true
      await deployTree(theirTree, other)
    }
    const { report, notes } = await deployAndListen(await makeTree({ app: { latest: mine } }), store)
    expect(done).toBe(true)
    expect(notes.join('\n')).toMatch(/app:latest/)
    expect(store.text('v2/app/manifests/latest')).toBe(store.text(`v2/app/manifests/${mine.root.digest}`))
    expect(report.tags).toEqual([{ repository: 'app', tag: 'latest', change: 'moved', digest: mine.root.digest }])
    judgeStore(store)
  })

  it('says so too where the tag is new to both', async () => {
    const [mine, theirs] = [await makeImage({ seed: 'mine' }), await makeImage({ seed: 'theirs' })]
    const store = createMemoryStore()
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    const theirTree = await makeTree({ app: { latest: theirs } })
    let done = false
    store.before = async (op, key) => {
      if (done || op !== 'put' || key !== 'v2/app/manifests/latest') return
      done = true
      await deployTree(theirTree, other)
    }
    const { notes } = await deployAndListen(await makeTree({ app: { latest: mine } }), store)
    expect(notes.join('\n')).toMatch(/app:latest/)
    expect(store.text('v2/app/manifests/latest')).toBe(store.text(`v2/app/manifests/${mine.root.digest}`))
    judgeStore(store)
  })

  it('says nothing where the other has put the same image there', async () => {
    const image = await makeImage()
    const store = createMemoryStore()
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    const tree = await makeTree({ app: { latest: image } })
    const same = await makeTree({ app: { latest: image } })
    let done = false
    store.before = async (op, key) => {
      if (done || op !== 'put' || key !== 'v2/app/manifests/latest') return
      done = true
      await deployTree(same, other)
    }
    const { notes } = await deployAndListen(tree, store)
    expect(notes).toEqual([])
    judgeStore(store)
  })

  it(
    'leave one of the two images whole, in orders by chance',
    async () => {
      const images = [await makeImage({ seed: 'one' }), await makeMultiPlatform({ seed: 'other' })] as const
      const filled = await makeFilledStore({ app: { latest: await makeImage({ seed: 'old' }) } })
      const trees = [await makeTree({ app: { latest: images[0] } }), await makeTree({ app: { latest: images[1] } })]
      const found: object[] = []
      for (let seed = 1; seed <= RUNS; seed += 1) {
        const faults = await runBoth({ trees, store: filled, tags: [] }, byChance(createRandom(seed)))
        if (faults.length > 0) found.push({ seed, faults: faults.slice(0, 4) })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )
})

describe('three writers at once', () => {
  it(
    'lose nothing of each other',
    async () => {
      const image = await makeImage({ seed: 'subject' })
      const store = await makeFilledStore({ app: { latest: image } })
      const trees: Tree[] = []
      const tags: string[] = []
      for (const name of ['one', 'two', 'three']) {
        const tagged = withReferrers(await makeImage({ seed: name }))
        const signed = withReferrers(image, makeArtifact({ subject: image, payload: name }))
        trees.push(await makeTree({ app: { [name]: tagged, latest: signed }, [name]: { latest: tagged } }))
        tags.push(`app:${name}=${tagged.root.digest}`, `${name}:latest=${tagged.root.digest}`)
      }
      const found: object[] = []
      for (let seed = 1; seed <= RUNS; seed += 1) {
        const faults = await runBoth({ trees, store, tags }, byChance(createRandom(seed)), seed % 2 === 0 ? 4 : 1)
        if (faults.length > 0) found.push({ seed, faults: faults.slice(0, 4) })
      }
      expect(found.slice(0, 3)).toEqual([])
    },
    LONG,
  )
})

describe.each(['ignored', 'refused'] as const)('a store that has conditions %s', conditions => {
  it('is said to have none, and two who come one after the other lose nothing', async () => {
    const store = createMemoryStore({ conditions })
    const image = await makeImage({ seed: 'image' })
    const signed = (payload: string): Images => ({
      app: { [payload]: withReferrers(image, makeArtifact({ subject: image, payload })) },
    })
    const first = await deployAndListen(await makeTree(signed('one')), store)
    const second = await deployAndListen(await makeTree(signed('two')), store)
    expect(first.notes.join('\n')).toMatch(/condition/i)
    expect(second.notes.join('\n')).toMatch(/condition/i)
    judgeStore(store)
    expect(tagsIn(store, 'app').filter(tag => !tag.startsWith('sha256-'))).toEqual(['one', 'two'])
    store.forget()
    const again = await deployAndListen(await makeTree(signed('two')), store)
    expect(again.report.plan.objects).toEqual([])
  })

  it('ends as one that keeps them, updates and prune included', async () => {
    const [one, other] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'other' })]
    const kept = await makeImage({ seed: 'kept' })
    const before = await makeTree({ app: { latest: one, old: one, kept } })
    const after = await makeTree({ app: { latest: other, kept } })
    const ends = []
    for (const store of [createMemoryStore(), createMemoryStore({ conditions })]) {
      await deployTree(before, store)
      await deployTree(after, store, { prune: true, force: true })
      store.clock.now += 25 * 3_600_000
      await deployTree(after, store, { prune: true, force: true })
      judgeStore(store)
      ends.push(publishedOf(store))
    }
    expect(ends[1]).toEqual(ends[0])
    expect(Object.keys(ends[0] ?? {})).not.toContain('v2/app/manifests/old')
  })
})
