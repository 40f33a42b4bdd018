import { afterEach, describe, expect, it, vi } from 'vitest'
import { readDeletions } from '../../src/deploy/deletions-record.ts'
import { deployTree } from '../../src/deploy/deploy.ts'
import { TAG_LANDING } from '../../src/deploy/writing-guard.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey, manifestPath } from '../../src/tree/layout.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { digestTag, type Graph, makeArtifact, makeImage, withReferrers } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { keysOfGraph, makeTreeWithout } from './support/partial-trees.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import { type Images, makeFilledStore, makeTree, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })
afterEach(() => {
  vi.restoreAllMocks()
  releaseClocks()
})

const DAY = 24 * 3_600_000
const PRUNE = { prune: true, force: true } as const

async function recordedOf(store: MemoryStore, repository: string): Promise<readonly string[]> {
  const { unreferenced } = await readDeletions(store)
  return unreferenced.flatMap(({ keys }) => keys).filter(key => key.startsWith(`v2/${repository}/`))
}

describe('a store that keeps no conditions', () => {
  it.each(['refused', 'ignored'] as const)('takes back what waited to be deleted: %s', async conditions => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = createMemoryStore({ conditions })
    followSleep(store.clock)
    await deployTree(await makeTree({ x: { a }, y: { b } }), store)
    const others = await makeTree({ y: { b } })
    await deployTree(others, store, PRUNE)
    expect(await recordedOf(store, 'x')).toEqual(expect.arrayContaining([...keysOfGraph('x', a)]))
    store.clock.now += DAY + 60_000
    store.forget()
    await deployTree(await makeTree({ x: { a } }), store)
    expect(await recordedOf(store, 'x')).toEqual([])
    judgeStore(store)
    await deployTree(others, store, PRUNE)
    expect(keysOfGraph('x', a).filter(key => !store.objects.has(key))).toEqual([])
  })

  it('is compared with before each write of the record too', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = createMemoryStore({ conditions: 'ignored' })
    followSleep(store.clock)
    await deployTree(await makeTree({ x: { a }, y: { b } }), store)
    await deployTree(await makeTree({ y: { b } }), store, PRUNE)
    store.forget()
    await deployTree(await makeTree({ x: { a } }), store)
    const steps = store.log().filter(line => line.includes(deletionsKey))
    const writes = steps.flatMap((line, at) => (line.startsWith('put') ? [[steps[at - 1], line]] : []))
    expect(writes.length).toBeGreaterThan(0)
    for (const write of writes) expect(write).toEqual([`head ${deletionsKey}`, `put ${deletionsKey}`])
  })
})

describe('an image without a tag that waits to be deleted', () => {
  interface Waiting {
    readonly image: Graph
    readonly store: MemoryStore
    readonly tree: Tree
    readonly others: Tree
  }

  /** Recorded, and old enough, by a run with a tree that has only another image: in that repository, or in another one. */
  async function makeWaiting(repository: 'x' | 'y'): Promise<Waiting> {
    const image = await makeImage({ seed: 'a', layers: 2 })
    const other = await makeImage({ seed: 'b' })
    const own: Images = repository === 'x' ? { x: { a: image, b: other } } : { x: { a: image } }
    const tree = await makeTreeWithout(own, ['v2/x/manifests/a'])
    const store = await makeFilledStore({ [repository]: { b: other } })
    followSleep(store.clock)
    await deployTree(tree, store)
    const others = await makeTree({ [repository]: { b: other } })
    await deployTree(others, store, PRUNE)
    store.clock.now += DAY + 60_000
    expect(await recordedOf(store, 'x')).toEqual(expect.arrayContaining([...keysOfGraph('x', image)]))
    store.forget()
    return { image, store, tree, others }
  }

  /** Nothing of it goes now, and all of it when it has aged anew. */
  async function expectGrace({ image, store, others }: Waiting): Promise<void> {
    const keys = keysOfGraph('x', image)
    expect((await recordedOf(store, 'x')).filter(key => keys.includes(key))).toEqual([])
    store.clock.now += 60_000
    await deployTree(others, store, PRUNE)
    expect(keys.filter(key => !store.objects.has(key))).toEqual([])
    store.clock.now += DAY - 60_000
    await deployTree(others, store, PRUNE)
    expect(keys.filter(key => !store.objects.has(key))).toEqual([])
    store.clock.now += 120_000
    await deployTree(others, store, PRUNE)
    expect(keys.filter(key => store.objects.has(key))).toEqual([])
  }

  it('is struck off by a deploy that has nothing to write', async () => {
    const waiting = await makeWaiting('x')
    const { plan } = await deployTree(waiting.tree, waiting.store)
    expect(plan.objects).toEqual([])
    expect(writtenKeys(waiting.store).filter(key => key.startsWith('v2/') && key !== 'v2/index.json')).toEqual([])
    await expectGrace(waiting)
  })

  it('is struck off by a deploy that writes documents only', async () => {
    const waiting = await makeWaiting('y')
    await deployTree(waiting.tree, waiting.store)
    const sent = writtenKeys(waiting.store)
    expect(keysOfGraph('x', waiting.image).filter(key => sent.includes(key))).toEqual([])
    await expectGrace(waiting)
  })

  it.each(['blob', 'manifest'] as const)('is struck off by a deploy that brings a %s only', async kind => {
    const waiting = await makeWaiting('y')
    const { image, store, tree } = waiting
    const [blob] = image.blobs.keys()
    if (blob === undefined) throw new Error('no blobs')
    const key = kind === 'blob' ? blobPath('x', blob) : manifestPath('x', image.root.digest)
    store.objects.delete(key)
    await deployTree(tree, store)
    expect(writtenKeys(store).filter(written => keysOfGraph('x', image).includes(written))).toEqual([key])
    await expectGrace(waiting)
  })
})

describe('the manifest that a fallback tag names', () => {
  it('is struck off when the tag comes back, also where it names more than the tree does', async () => {
    const subject = await makeImage({ seed: 'a' })
    const [one, two] = ['one', 'two'].map(payload => makeArtifact({ subject, payload }))
    if (one === undefined || two === undefined) throw new Error('no referrers')
    const other = { y: { b: await makeImage({ seed: 'b' }) } }
    const store = await makeFilledStore({ x: { a: withReferrers(subject, one, two) }, ...other })
    followSleep(store.clock)
    const key = manifestPath('x', digestTag(subject.root.digest))
    const text = store.text(key)
    await deployTree(await makeTree(other), store, PRUNE)
    store.clock.now += DAY + 60_000
    for (const referrer of [one, two]) {
      await deployTree(await makeTree({ x: { a: withReferrers(subject, referrer) } }), store)
      const there = store.objects.get(key)?.bytes ?? ''
      expect(await recordedOf(store, 'x')).not.toContain(manifestPath('x', digestOf(there)))
      judgeStore(store)
    }
    expect(store.text(key)).toBe(text)
    expect(await recordedOf(store, 'x')).toEqual([])
  })
})

describe('a tag whose writes take too long', () => {
  it('ends in a timeout, and is not said to be moved by others', async () => {
    const image = await makeImage()
    const store = createMemoryStore()
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(ms =>
      ms === TAG_LANDING ? AbortSignal.abort(new DOMException('too late', 'TimeoutError')) : timeout(ms),
    )
    await expect(deployTree(await makeTree({ app: { latest: image } }), store)).rejects.toMatchObject({
      code: 'timeout',
      side: 'target',
      message: expect.stringMatching(/^app:latest could not be written within 15 s$/),
      hint: expect.stringMatching(/--jobs/),
    })
    expect(store.objects.has('v2/app/manifests/latest')).toBe(false)
    vi.restoreAllMocks()
    await deployTree(await makeTree({ app: { latest: image } }), store)
    judgeStore(store)
  })
})
