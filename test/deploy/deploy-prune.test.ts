import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { deletionsKey } from '../../src/tree/layout.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { removeImages } from '../../src/tree/remove.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeImage,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import {
  blobsOf,
  deletedKeys,
  type Images,
  makeFilledStore,
  makeTree,
  manifestsOf,
  present,
  publishedOf,
  tagsIn,
  writtenKeys,
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

describe('prune', () => {
  it('is not done unless it is asked for', async () => {
    const store = await makeOld()
    const tree = await makeTree({ app: { latest: kept } })
    const plan = await planDeploy(tree, store)
    await deployTree(tree, store)
    store.clock.now += 10 * DAY
    await deployTree(tree, store)
    expect(plan.tags).toEqual([])
    expect(deletedKeys(store)).toEqual([])
    expect(tagsIn(store, 'app')).toEqual(['latest', 'old'])
    expect(store.objects.has(deletionsKey)).toBe(false)
  })

  it('takes tags at once, and what they needed when it has aged: just what the plan shows', async () => {
    const store = await makeOld()
    const tree = await makeTree({ app: { latest: kept } })
    const rest = [...blobsOf('app', gone), ...manifestsOf('app', gone)].sort()
    const plan = await planDeploy(tree, store, { prune: true })
    expect(writtenKeys(store)).toEqual([])
    expect(plan.tags).toEqual([{ repository: 'app', tag: 'old', change: 'deleted' }])
    const shown = (action: string, from = plan): readonly string[] =>
      from.objects.filter(object => object.action === action).map(({ key }) => key)
    expect(shown('delete')).toEqual(['v2/app/manifests/old'])
    expect([...shown('age')].sort()).toEqual(rest)
    expect(plan.delete.objects).toBe(1)
    expect(plan.age.objects).toBe(rest.length)

    const first = await deployTree(tree, store, { prune: true })
    judgeStore(store)
    expect(first.deleted.objects).toBe(1)
    expect(first.tags).toEqual([{ repository: 'app', tag: 'old', change: 'deleted' }])
    expect(first.stale).toEqual(expect.arrayContaining(['/v2/app/manifests/old', '/v2/app/tags/list']))
    expect(deletedKeys(store)).toEqual(['v2/app/manifests/old'])
    expect(present(store, rest)).toEqual(rest)

    store.clock.now += DAY - 60_000
    await deployTree(tree, store, { prune: true })
    expect(present(store, rest)).toEqual(rest)
    judgeStore(store)

    store.clock.now += 120_000
    store.forget()
    const due = await planDeploy(tree, store, { prune: true })
    expect([...shown('delete', due)].sort()).toEqual(rest)
    expect(due.delete.bytes).toBe(rest.reduce((sum, key) => sum + (store.objects.get(key)?.size ?? 0), 0))
    const second = await deployTree(tree, store, { prune: true })
    expect(second.deleted).toEqual(due.delete)
    expect(present(store, rest)).toEqual([])
    expect([...deletedKeys(store)].sort()).toEqual(rest)
    const manifestsGone = deletedKeys(store).findIndex(key => key.includes('/manifests/'))
    expect(manifestsGone).toBe(0) // blobs last
    judgeStore(store)

    const clean = await makeFilledStore({ app: { latest: kept } })
    expect(publishedOf(store)).toEqual(publishedOf(clean))
    store.forget()
    const third = await deployTree(tree, store, { prune: true })
    expect(third.plan.objects).toEqual([])
    expect(writtenKeys(store)).toEqual([])
    expect(deletedKeys(store)).toEqual([])
  })

  it('has lists of tags without a tag before that tag goes', async () => {
    const store = await makeOld()
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true, jobs: 1 })
    const log = store.log().filter(line => /^(put|delete) v2\/app/.test(line))
    const listed = log.findIndex(line => line.includes('tags/list'))
    const went = log.findIndex(line => line.startsWith('delete v2/app/manifests/old'))
    expect(listed).toBeGreaterThanOrEqual(0)
    expect(went).toBeGreaterThan(listed)
  })

  it('takes another grace', async () => {
    const store = await makeOld()
    const tree = await makeTree({ app: { latest: kept } })
    await deployTree(tree, store, { prune: true, grace: 2 * HOUR })
    store.clock.now += HOUR
    await deployTree(tree, store, { prune: true, grace: 2 * HOUR })
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
    store.clock.now += HOUR + 60_000
    await deployTree(tree, store, { prune: true, grace: 2 * HOUR })
    expect(present(store, blobsOf('app', gone))).toEqual([])
    judgeStore(store)
  })

  it('does not take an upload date for an age', async () => {
    const store = await makeOld()
    store.clock.now += 400 * DAY
    await deployTree(await makeTree({ app: { latest: kept } }), store, { prune: true, force: true })
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
    expect(present(store, manifestsOf('app', gone))).toHaveLength(gone.manifests.size)
  })

  it('counts from when something lost its last reference, not from an earlier time', async () => {
    const store = await makeOld()
    const without = await makeTree({ app: { latest: kept } })
    const withIt = await makeTree({ app: { latest: kept, old: gone } })
    await deployTree(without, store, { prune: true })
    store.clock.now += DAY / 2
    await deployTree(withIt, store)
    judgeStore(store)
    store.clock.now += DAY / 2
    await deployTree(without, store, { prune: true })
    store.clock.now += DAY / 2
    await deployTree(without, store, { prune: true })
    expect(present(store, blobsOf('app', gone))).toHaveLength(gone.blobs.size)
    store.clock.now += DAY / 2 + 60_000
    await deployTree(without, store, { prune: true })
    expect(present(store, blobsOf('app', gone))).toEqual([])
  })

  it('keeps what another tag or another index still needs', async () => {
    const multi = await makeMultiPlatform({ seed: 'multi' })
    const child = [...multi.manifests.keys()].find(digest => digest !== multi.root.digest) ?? ''
    const store = await makeFilledStore({ app: { latest: multi, other: kept, old: gone } })
    const tree = await makeTree({ app: { latest: multi, other: kept } })
    await deployTree(tree, store, { prune: true })
    store.clock.now += 2 * DAY
    await deployTree(tree, store, { prune: true })
    judgeStore(store)
    expect(store.objects.has(`v2/app/manifests/${child}`)).toBe(true)
    expect(present(store, blobsOf('app', kept))).toHaveLength(kept.blobs.size)
  })

  it('takes referrers with their image, lists of referrers and fallback tags too', async () => {
    const signed = withReferrers(gone, makeArtifact({ subject: gone, payload: 'signature' }))
    const store = await makeFilledStore({ app: { latest: kept, second: kept, old: signed } })
    const tree = await makeTree({ app: { latest: kept, second: kept } })
    const options = { prune: true, force: true }
    for (let time = 0; time < 4; time += 1) {
      await deployTree(tree, store, options)
      judgeStore(store)
      store.clock.now += DAY + 60_000
    }
    expect(publishedOf(store)).toEqual(publishedOf(await makeFilledStore({ app: { latest: kept, second: kept } })))
    expect(tagsIn(store, 'app')).not.toContain(digestTag(gone.root.digest))
  })

  it('takes a referrer that the tree does not hold any more', async () => {
    const one = makeArtifact({ subject: kept, payload: 'one' })
    const two = makeArtifact({ subject: kept, payload: 'two' })
    const store = await makeFilledStore({ app: { latest: withReferrers(kept, one, two) } })
    const tree = await makeTree({ app: { latest: withReferrers(kept, two) } })
    for (let time = 0; time < 3; time += 1) {
      await deployTree(tree, store, { prune: true })
      judgeStore(store)
      store.clock.now += DAY + 60_000
    }
    expect(publishedOf(store)).toEqual(
      publishedOf(await makeFilledStore({ app: { latest: withReferrers(kept, two) } })),
    )
  })

  it('takes a repository that was removed from the tree entirely', async () => {
    const images: Images = { app: { latest: kept }, 'app/part': { a: gone, b: gone } }
    const tree = await makeTree(images)
    const store = createMemoryStore()
    await deployTree(tree, store)
    await removeImages(tree, [{ repository: 'app/part' }])
    await pruneTree(tree)
    const report = await deployTree(tree, store, { prune: true })
    judgeStore(store)
    expect(report.tags.map(({ repository, tag, change }) => `${repository}:${tag} ${change}`)).toEqual([
      'app/part:a deleted',
      'app/part:b deleted',
    ])
    expect(store.text('v2/_catalog')).not.toContain('app/part')
    store.clock.now += DAY + 60_000
    await deployTree(tree, store, { prune: true })
    expect([...store.objects.keys()].filter(key => key.startsWith('v2/app/part/'))).toEqual([])
    judgeStore(store)
    expect(publishedOf(store)).toEqual(publishedOf(await makeFilledStore({ app: { latest: kept } })))
  })
})
