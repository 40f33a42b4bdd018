import { afterEach, describe, expect, it, vi } from 'vitest'
import { readDeletions } from '../../src/deploy/deletions-record.ts'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { manifestPath } from '../../src/tree/layout.ts'
import type { Tree } from '../../src/tree/tree.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeImage,
  makeMultiPlatform,
  rootBytes,
  withReferrers,
} from '../support/made-images.ts'
import type { MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { keysOfGraph, makeTreeWithout } from './support/partial-trees.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import { makeFilledStore, makeTree } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })
afterEach(releaseClocks)

const DAY = 24 * 3_600_000

const absent = ({ objects }: MemoryStore, keys: readonly string[]): readonly string[] =>
  keys.filter(key => !objects.has(key))

/** Two runs that delete, the second when all that the first has recorded is old enough. */
async function pruneTwice(tree: Tree, store: MemoryStore): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    await deployTree(tree, store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
  }
}

describe('a tree that holds one platform of an index', () => {
  /** The whole image, what of it the tree lacks, and that tree. */
  async function makeSparse(): Promise<{ whole: Graph; lacking: readonly string[]; tree: Tree }> {
    const whole = await makeMultiPlatform({ seed: 'kept' })
    const arm = await makeImage({ seed: 'kept', platform: 'linux/arm64' })
    const lacking = keysOfGraph('app', arm)
    return { whole, lacking, tree: await makeTreeWithout({ app: { latest: whole } }, lacking) }
  }

  it('leaves the other platforms to a store that holds them, whole, though it prunes', async () => {
    const { whole, lacking, tree } = await makeSparse()
    const store = await makeFilledStore({ app: { latest: whole, old: await makeImage({ seed: 'old' }) } })
    followSleep(store.clock)
    expect(lacking).toHaveLength(3)
    await pruneTwice(tree, store)
    expect(absent(store, keysOfGraph('app', whole))).toEqual([])
    expect(store.objects.has('v2/app/manifests/old')).toBe(false)
    judgeStore(store)
  })

  it('strikes off what those platforms need, where it waits to be deleted', async () => {
    const { whole, lacking, tree } = await makeSparse()
    const other = { x: { a: await makeImage({ seed: 'other' }) } }
    const store = await makeFilledStore({ app: { latest: whole }, ...other })
    followSleep(store.clock)
    const others = await makeTree(other)
    await deployTree(others, store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
    expect(await recordedKeys(store)).toEqual(expect.arrayContaining([...lacking]))
    await deployTree(tree, store)
    expect((await recordedKeys(store)).filter(key => keysOfGraph('app', whole).includes(key))).toEqual([])
    judgeStore(store)
    await deployTree(others, store, { prune: true, force: true })
    expect(absent(store, keysOfGraph('app', whole))).toEqual([])
  })
})

describe('a tree that lacks a layer which the store holds', () => {
  it('strikes it off, where it waits to be deleted', async () => {
    const image = await makeImage({ seed: 'kept', layers: 2 })
    const other = { x: { a: await makeImage({ seed: 'other' }) } }
    const store = await makeFilledStore({ app: { latest: image }, ...other })
    followSleep(store.clock)
    await deployTree(await makeTree(other), store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
    const lacking = keysOfGraph('app', image).slice(-1)
    expect(await recordedKeys(store)).toEqual(expect.arrayContaining([...lacking]))
    await deployTree(await makeTreeWithout({ app: { latest: image } }, lacking), store)
    expect((await recordedKeys(store)).filter(key => keysOfGraph('app', image).includes(key))).toEqual([])
    judgeStore(store)
  })
})

describe('a tag of a fallback name that is someone’s own', () => {
  it.each([
    ['an index of platforms', () => makeMultiPlatform({ seed: 'own' })],
    ['an image', () => makeImage({ seed: 'own', layers: 2 })],
  ])('keeps all that it needs, though the tree has a referrer of that subject and prunes: %s', async (_, make) => {
    const subject = await makeImage({ seed: 'subject' })
    const own = await make()
    const tag = digestTag(subject.root.digest)
    const key = manifestPath('app', tag)
    const store = await makeFilledStore({ app: { [tag]: own, old: await makeImage({ seed: 'old' }) } })
    followSleep(store.clock)
    const signed = withReferrers(subject, makeArtifact({ subject, payload: 'signature' }))
    await pruneTwice(await makeTree({ app: { latest: signed } }), store)
    expect(store.text(key)).toBe(Buffer.from(rootBytes(own)).toString())
    expect(absent(store, keysOfGraph('app', own))).toEqual([])
    expect(store.objects.has('v2/app/manifests/old')).toBe(false)
    judgeStore(store, { own: new Set([key]) })
  })

  it('keeps it where it names the image itself, as cosign copy leaves it', async () => {
    const subject = await makeImage({ seed: 'subject', layers: 2 })
    const tag = digestTag(subject.root.digest)
    const key = manifestPath('app', tag)
    const store = await makeFilledStore({ app: { [tag]: subject } })
    followSleep(store.clock)
    const note = makeArtifact({ subject, payload: 'a note' })
    await pruneTwice(await makeTree({ app: { note } }), store)
    expect(store.text(key)).toBe(Buffer.from(rootBytes(subject)).toString())
    expect(absent(store, keysOfGraph('app', subject))).toEqual([])
    judgeStore(store, { own: new Set([key]) })
  })
})

describe('a store of one image of which the tree brings a rebuilt one', () => {
  it('is pruned without force: what comes counts', async () => {
    const [old, rebuilt] = [await makeImage({ seed: 'old', layers: 6 }), await makeImage({ seed: 'new', layers: 6 })]
    const store = await makeFilledStore({ app: { latest: old } })
    followSleep(store.clock)
    const tree = await makeTree({ app: { latest: rebuilt } })
    expect((await planDeploy(tree, store, { prune: true })).problems).toEqual([])
    await deployTree(tree, store, { prune: true })
    store.clock.now += DAY + 60_000
    await deployTree(tree, store, { prune: true })
    expect(keysOfGraph('app', old).filter(key => store.objects.has(key))).toEqual([])
    judgeStore(store)
  })
})

async function recordedKeys(store: MemoryStore): Promise<readonly string[]> {
  return (await readDeletions(store)).unreferenced.flatMap(({ keys }) => keys)
}
