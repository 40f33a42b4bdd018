import { describe, expect, it, vi } from 'vitest'
import { deployTree } from '../../src/deploy/deploy.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { createMemoryStore, killAt } from '../support/memory-store.ts'
import { findFaults, judgeStore } from './support/judge.ts'
import { surviveKills } from './support/kills.ts'
import { cloneStore, type Images, makeFilledStore, makeTree, publishedOf } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const DAY = 24 * 3_600_000

async function makeOld(): Promise<Images> {
  const image = await makeMultiPlatform({ seed: 'old' })
  const signature = makeArtifact({ subject: image, payload: 'signature' })
  return {
    app: { latest: withReferrers(image, signature), '1.0': image },
    gone: { latest: await makeImage({ seed: 'gone' }) },
    kept: { latest: await makeImage({ seed: 'kept' }) },
  }
}

async function makeNew(): Promise<Images> {
  const old = await makeMultiPlatform({ seed: 'old' })
  const image = await makeMultiPlatform({ seed: 'new' })
  const nested = makeIndex([image, await makeImage({ seed: 'beside' })])
  return {
    app: {
      latest: withReferrers(image, makeArtifact({ subject: image, payload: 'signature of the new' })),
      '1.0': withReferrers(old, makeArtifact({ subject: old, payload: 'a second signature' })),
      nested,
    },
    added: { latest: await makeImage({ seed: 'added' }) },
    kept: { latest: await makeImage({ seed: 'kept' }) },
  }
}

describe('a deploy that is killed before any of its steps', () => {
  it.each([1, 16])('shows no half image and is finished by the next: a first deploy, %s at once', async jobs => {
    const tree = await makeTree(await makeNew())
    expect(await surviveKills({ tree, store: createMemoryStore(), options: { jobs } })).toBeGreaterThan(30)
  })

  it.each([1, 16])('shows no half image and is finished by the next: an update, %s at once', async jobs => {
    const store = await makeFilledStore(await makeOld())
    await surviveKills({ tree: await makeTree(await makeNew()), store, options: { jobs } })
  })

  it('is finished by the next where conditions are ignored', async () => {
    const filled = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    const store = createMemoryStore({ objects: new Map(filled.objects), conditions: 'ignored' })
    const steps = cloneStore(store)
    await deployTree(tree, steps)
    for (let count = 0; count < steps.steps.length; count += 1) {
      const options = { objects: new Map(filled.objects), conditions: 'ignored' } as const
      const copy = createMemoryStore(options)
      copy.before = killAt(count)
      await deployTree(tree, copy).catch(() => undefined)
      expect(findFaults(copy, { phase: 'midway' })).toEqual([])
      copy.before = undefined
      await deployTree(tree, copy)
      judgeStore(copy)
      expect(publishedOf(copy)).toEqual(publishedOf(steps))
    }
  })

  it('is finished by the next where answers were lost: written, but not heard of', async () => {
    const store = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    const whole = cloneStore(store)
    await deployTree(tree, whole)
    const writes = whole.steps.filter(({ op }) => op === 'put' || op === 'copy').length
    for (let lost = 0; lost < writes; lost += 1) {
      const copy = cloneStore(store)
      const put = copy.put.bind(copy)
      let done = 0
      copy.put = async (...request) => {
        const etag = await put(...request)
        done += 1
        if (done > lost) throw new Error('the answer was lost')
        return etag
      }
      await deployTree(tree, copy).catch(() => undefined)
      expect(findFaults(copy, { phase: 'midway' })).toEqual([])
      copy.put = put
      await deployTree(tree, copy)
      expect(publishedOf(copy)).toEqual(publishedOf(whole))
    }
  })

  it('is not taken for another writer where a write that was repeated had succeeded', async () => {
    // A store says that a condition does not hold where the first try of its own has written.
    const store = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    const whole = cloneStore(store)
    await deployTree(tree, whole)
    const copy = cloneStore(store)
    const put = copy.put.bind(copy)
    const seen = new Set<string>()
    copy.put = async (object, options) => {
      const etag = await put(object, options)
      if (options?.condition === undefined || seen.has(object.key)) return etag
      seen.add(object.key)
      return undefined
    }
    await deployTree(tree, copy)
    judgeStore(copy)
    expect(publishedOf(copy)).toEqual(publishedOf(whole))
  })
})

describe('a deploy with prune that is killed before any of its steps', () => {
  it('shows no half image and is finished by the next: tags go, the rest is recorded', async () => {
    const store = await makeFilledStore(await makeOld())
    // Whoever died may have claimed something: that claim runs out before the next run.
    const later = 10 * 60_000
    await surviveKills({ tree: await makeTree(await makeNew()), store, options: { prune: true, force: true }, later })
  })

  it('is finished by the second run after, where the next comes at once, while the claim of the dead one holds', async () => {
    const store = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    const options = { prune: true, force: true }
    const whole = cloneStore(store)
    await deployTree(tree, whole, options)
    for (let count = 0; count < whole.steps.length; count += 1) {
      const copy = cloneStore(store)
      copy.before = killAt(count)
      await deployTree(tree, copy, options).catch(() => undefined)
      copy.before = undefined
      await deployTree(tree, copy, options)
      expect({ count, faults: findFaults(copy, { phase: 'midway' }) }).toEqual({ count, faults: [] })
      copy.clock.now += 10 * 60_000
      await deployTree(tree, copy, options)
      expect({ count, faults: findFaults(copy) }).toEqual({ count, faults: [] })
      expect(publishedOf(copy)).toEqual(publishedOf(whole))
    }
  })

  it('shows no half image and is finished by the next: what has aged goes', async () => {
    const store = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    await deployTree(tree, store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
    const before = store.objects.size
    const options = { prune: true, force: true, jobs: 4 }
    await surviveKills({ tree, store, options, later: 10 * 60_000 })
    expect(store.objects.size).toBe(before)
    store.forget()
    const report = await deployTree(tree, store, options)
    expect(report.deleted.objects).toBeGreaterThan(0)
    judgeStore(store)
  })

  it('is finished by an ordinary deploy, if that comes next', async () => {
    const store = await makeFilledStore(await makeOld())
    const tree = await makeTree(await makeNew())
    await deployTree(tree, store, { prune: true, force: true })
    store.clock.now += DAY + 60_000
    const old = await makeTree(await makeOld())
    const whole = cloneStore(store)
    await deployTree(tree, whole, { prune: true, force: true })
    for (let count = 0; count < whole.steps.length; count += 1) {
      const copy = cloneStore(store)
      copy.before = killAt(count)
      await deployTree(tree, copy, { prune: true, force: true }).catch(() => undefined)
      copy.before = undefined
      copy.clock.now += 10 * 60_000
      // It needs just what the dead one may have been deleting.
      await deployTree(old, copy)
      expect({ count, faults: findFaults(copy) }).toEqual({ count, faults: [] })
    }
  })
})

describe('a deploy that is interrupted', () => {
  it('ends with "aborted" wherever it is, shows no half image, and can be run again', async () => {
    const tree = await makeTree(await makeNew())
    const store = await makeFilledStore(await makeOld())
    const whole = cloneStore(store)
    await deployTree(tree, whole)
    for (let count = 0; count < whole.steps.length; count += 1) {
      const copy = cloneStore(store)
      const controller = new AbortController()
      let done = 0
      copy.before = () => {
        done += 1
        if (done > count) controller.abort()
      }
      await expect(deployTree(tree, copy, { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
      expect(findFaults(copy, { phase: 'midway' })).toEqual([])
      copy.before = undefined
      await deployTree(tree, copy)
      judgeStore(copy)
      expect(publishedOf(copy)).toEqual(publishedOf(whole))
    }
  })

  it('does nothing where the signal is aborted before', async () => {
    const store = createMemoryStore()
    const tree = await makeTree(await makeOld())
    const signal = AbortSignal.abort()
    await expect(deployTree(tree, store, { signal })).rejects.toMatchObject({ code: 'aborted' })
    expect(store.objects.size).toBe(0)
  })
})
