import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readDeletions } from '../../src/deploy/deletions-record.ts'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { deletionsKey } from '../../src/tree/layout.ts'
import { type Graph, makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { findFaults, judgeStore } from './support/judge.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import {
  blobsOf,
  cloneStore,
  deletedKeys,
  deployAndListen,
  makeFilledStore,
  makeTree,
  manifestsOf,
  present,
  publishedOf,
  tagsIn,
} from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const HOUR = 3_600_000
const DAY = 24 * HOUR

let kept: Graph
let gone: Graph

beforeEach(async () => {
  kept = await makeMultiPlatform({ seed: 'kept' })
  gone = await makeImage({ seed: 'gone', layers: 3 })
})
afterEach(releaseClocks)

/** Tags `latest` and `old` on the store, of which the tree holds `latest` only. */
async function makeOld(): Promise<MemoryStore> {
  const store = await makeFilledStore({ app: { latest: kept, old: gone } })
  followSleep(store.clock)
  return store
}

describe('prune spares', () => {
  it('refuses to take more than half, unless it is forced', async () => {
    const store = await makeFilledStore({ a: { x: gone }, b: { x: gone }, c: { x: gone }, app: { latest: gone } })
    const before = publishedOf(store)
    const tree = await makeTree({ app: { latest: gone } })
    const plan = await planDeploy(tree, store, { prune: true })
    expect(plan.problems.map(({ level }) => level)).toContain('refuse')
    expect(plan.problems.map(({ hint }) => hint).join()).toMatch(/force/)
    await expect(deployTree(tree, store, { prune: true })).rejects.toMatchObject({ code: 'conflict' })
    expect(publishedOf(store)).toEqual(before)
    await deployTree(tree, store, { prune: true, force: true })
    expect(tagsIn(store, 'a')).toEqual([])
    judgeStore(store)
  })

  it('lets go in two runs only what no run alone may take, if it is forced', async () => {
    const store = await makeFilledStore({ a: { x: gone }, b: { x: gone }, app: { latest: gone } })
    const tree = await makeTree({ app: { latest: gone } })
    await deployTree(tree, store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
    const before = store.objects.size
    await deployTree(tree, store, { prune: true }).catch(() => undefined)
    if (store.objects.size < before / 2) expect.unreachable('more than half went without force')
  })

  it('leaves alone what is below v2/ and no file of a registry', async () => {
    const store = await makeOld()
    const strangers = [
      'v2/notes.txt',
      'v2/app/readme.html',
      'v2/app/manifests/.hidden',
      'v2/app/blobs/sha256:12',
      'v2/_headers',
    ]
    const others = ['index.html', 'photos/cat.jpg', 'v2x/app/manifests/old', '.well-known/x']
    for (const key of [...strangers, ...others]) store.set(key, 'someone’s own', { contentType: 'text/plain' })
    const tree = await makeTree({ app: { latest: kept } })
    for (let time = 0; time < 3; time += 1) {
      await deployTree(tree, store, { prune: true, force: true })
      store.clock.now += DAY + 60_000
    }
    expect(present(store, [...strangers, ...others])).toEqual([...strangers, ...others])
    expect(present(store, blobsOf('app', gone))).toEqual([])
    judgeStore(store, { strangers: new Set([...strangers, ...others]) })
  })

  it('spares a tag that was moved between the listing and the deletion, and names it again', async () => {
    const store = await makeOld()
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    const moved = await makeImage({ seed: 'moved' })
    const theirs = await makeTree({ app: { old: moved } })
    let done = false
    store.before = async (op, key) => {
      if (done || key !== 'v2/app/manifests/old' || op === 'get') return
      done = true
      await deployTree(theirs, other)
    }
    const { report } = await deployAndListen(await makeTree({ app: { latest: kept } }), store, { prune: true })
    expect(done).toBe(true)
    expect(store.text('v2/app/manifests/old')).toBe(store.text(`v2/app/manifests/${moved.root.digest}`))
    judgeStore(store)
    expect(report.tags.filter(({ change }) => change === 'deleted')).toEqual([])
    expect(report.deleted.objects).toBe(0)
  })

  it('takes what an ordinary deploy leaves behind when it moves a tag, once it has aged', async () => {
    const store = await makeFilledStore({ app: { latest: gone, other: kept } })
    const tree = await makeTree({ app: { latest: kept, other: kept } })
    await deployTree(tree, store)
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
    store.clock.now += 3 * DAY
    await deployTree(tree, store, { prune: true })
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
    store.clock.now += DAY + 60_000
    await deployTree(tree, store, { prune: true })
    expect(present(store, blobsOf('app', gone))).toEqual([])
    judgeStore(store)
  })

  it('has its record struck by a deploy that relies on what has aged', async () => {
    const store = await makeOld()
    const without = await makeTree({ app: { latest: kept } })
    await deployTree(without, store, { prune: true })
    store.clock.now += DAY + 60_000
    const layers = gone.blobs
    store.forget()
    await deployTree(await makeTree({ app: { again: gone } }), store)
    expect(
      present(
        store,
        [...layers.keys()].map(digest => `v2/app/blobs/${digest}`),
      ),
    ).toHaveLength(layers.size)
    const { unreferenced } = await readDeletions(store)
    const recorded = unreferenced.flatMap(({ keys }) => keys)
    expect([...blobsOf('app', gone), ...manifestsOf('app', gone)].filter(key => recorded.includes(key))).toEqual([])
    const log = store.log()
    const struck = log.findIndex(line => line.startsWith(`put ${deletionsKey}`))
    const tagged = log.findIndex(line => line.startsWith('put v2/app/manifests/again'))
    expect(struck).toBeGreaterThanOrEqual(0)
    expect(tagged).toBeGreaterThan(struck)
    judgeStore(store)
    // Another who prunes finds it in use.
    await deployTree(await makeTree({ app: { latest: kept, again: gone } }), store, { prune: true })
    judgeStore(store)
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
  })

  it('has its record struck by a deploy that relies on what only the store holds any more', async () => {
    const store = await makeOld()
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true })
    store.clock.now += HOUR
    const tree = await makeTree({ app: { again: gone } })
    for (const key of blobsOf('app', gone)) await rm(join(tree.root, key))
    await deployTree(openTree(tree.root), store)
    judgeStore(store)
    const { unreferenced } = await readDeletions(store)
    const recorded = unreferenced.flatMap(({ keys }) => keys)
    expect(blobsOf('app', gone).filter(key => recorded.includes(key))).toEqual([])
  })

  it('keeps its record from the public, outside v2/, uncached', async () => {
    const store = await makeOld()
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true })
    const record = store.objects.get(deletionsKey)
    expect(record?.secret).toBe(true)
    expect(record?.cacheControl).toMatch(/no-store/)
    expect([...store.objects].filter(([key, { secret }]) => secret && key !== deletionsKey)).toEqual([])
  })

  it('refuses a record that is none of ours, and writes nothing', async () => {
    const store = await makeOld()
    store.set(deletionsKey, 'someone’s own', { contentType: 'text/plain' })
    const before = publishedOf(store)
    const tree = await makeTree({ app: { latest: kept } })
    await expect(deployTree(tree, store, { prune: true })).rejects.toMatchObject({ name: 'RegistrishError' })
    expect(publishedOf(store)).toEqual(before)
    expect(store.text(deletionsKey)).toBe('someone’s own')
  })

  it('does not take the image of a tag whose blobs are missing in the tree, but there on the store', async () => {
    const store = await makeFilledStore({ app: { latest: kept } })
    const tree = await makeTree({ app: { latest: kept } })
    for (const key of blobsOf('app', kept)) await rm(join(tree.root, key))
    for (let time = 0; time < 3; time += 1) {
      const { plan } = await deployTree(openTree(tree.root), store, { prune: true, force: true })
      expect(plan.objects).toEqual([])
      store.clock.now += DAY + 60_000
      judgeStore(store)
    }
    expect(present(store, blobsOf('app', kept))).toHaveLength(kept.blobs.size)
  })

  it('keeps what is there by digest only, if the tree holds it', async () => {
    const store = await makeFilledStore({ app: { latest: kept, pinned: gone } })
    const tree = await makeTree({ app: { latest: kept, pinned: gone } })
    await rm(join(tree.root, 'v2/app/manifests/pinned'))
    await rebuildDocuments(tree.root)
    for (let time = 0; time < 3; time += 1) {
      await deployTree(openTree(tree.root), store, { prune: true, force: true })
      judgeStore(store)
      store.clock.now += DAY + 60_000
    }
    expect(tagsIn(store, 'app')).toEqual(['latest'])
    expect(present(store, [...manifestsOf('app', gone), ...blobsOf('app', gone)])).toHaveLength(
      gone.manifests.size + gone.blobs.size,
    )
  })

  it('mends and prunes a store that something else has filled', async () => {
    const made = await makeFilledStore({ app: { latest: kept, old: gone } })
    const store = createMemoryStore()
    for (const [key, { bytes }] of made.objects) if (key !== 'v2/') store.set(key, bytes)
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true })
    expect(tagsIn(store, 'app')).toEqual(['latest'])
    expect(findFaults(store, { phase: 'midway', ignore: /: (?:type|Cache-Control)/ })).toEqual([])
  })

  it('is the same, aborted and run again', async () => {
    const store = await makeOld()
    const tree = await makeTree({ app: { latest: kept } })
    const whole = cloneStore(store)
    await deployTree(tree, whole, { prune: true })
    for (let count = 0; count < whole.steps.length; count += 1) {
      const copy = cloneStore(store)
      followSleep(copy.clock)
      const controller = new AbortController()
      let done = 0
      copy.before = () => {
        done += 1
        if (done > count) controller.abort()
      }
      const aborted = deployTree(tree, copy, { prune: true, signal: controller.signal })
      await expect(aborted).rejects.toMatchObject({ code: 'aborted' })
      expect(findFaults(copy, { phase: 'midway' })).toEqual([])
      copy.before = undefined
      copy.clock.now += 10 * 60_000
      await deployTree(tree, copy, { prune: true })
      judgeStore(copy)
      expect(publishedOf(copy)).toEqual(publishedOf(whole))
    }
  })

  it('does nothing on an empty store but deploy', async () => {
    const store = createMemoryStore()
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true })
    judgeStore(store)
    expect(deletedKeys(store)).toEqual([])
  })
})
