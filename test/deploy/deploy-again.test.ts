import { afterEach, describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import type { ObjectStore, StoredHead } from '../../src/deploy/store.ts'
import { deletionsKey, manifestPath } from '../../src/tree/layout.ts'
import { type Graph, makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { followSleep, releaseClocks } from './support/quick-sleep.ts'
import { makeFilledStore, makeTree, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })
afterEach(releaseClocks)

describe('a store that does not tell Cache-Control', () => {
  it('has no differences the second time', async () => {
    const image = await makeMultiPlatform()
    const signed = withReferrers(image, makeArtifact({ subject: image, payload: 'one' }))
    const tree = await makeTree({ app: { latest: signed } })
    const memory = createMemoryStore()
    const store = untold(memory)
    await deployTree(tree, store)
    judgeStore(memory)
    expect((await planDeploy(tree, store)).objects).toEqual([])
    memory.forget()
    await deployTree(tree, store)
    expect(writtenKeys(memory)).toEqual([])
  })

  function untold(memory: MemoryStore): ObjectStore {
    const hide = <T extends StoredHead>(found: T | undefined): T | undefined => {
      if (found === undefined) return undefined
      const { cacheControl: _, ...told } = found
      return told as T
    }
    return {
      ...memory,
      head: async (key, options) => hide(await memory.head(key, options)),
      get: async (key, options) => hide(await memory.get(key, options)),
    }
  }
})

describe('one tag of many that is moved, on a store from which something waits to be deleted', () => {
  const TAGS = Array.from({ length: 200 }, (_, number) => `t${number}`)
  const listings = (store: MemoryStore): readonly string[] => store.log().filter(line => line.startsWith('list '))

  /** Many tags, and a record that holds what another tag needed. */
  async function makeMany(): Promise<MemoryStore> {
    const image = await makeImage({ seed: 'many' })
    const many: Record<string, Graph> = Object.fromEntries(TAGS.map(tag => [tag, image]))
    const store = await makeFilledStore({ app: { ...many, gone: await makeImage({ seed: 'gone' }) } })
    followSleep(store.clock)
    await deployTree(await makeTree({ app: many }), store, { prune: true })
    expect(store.text(deletionsKey)).toContain('blobs')
    store.forget()
    return store
  }

  it('costs one listing', async () => {
    const store = await makeMany()
    await deployTree(await makeTree({ app: { t7: await makeImage({ seed: 'moved' }) } }), store)
    expect(listings(store)).toEqual(['list v2/'])
    expect(store.requests).toBeLessThan(25)
    judgeStore(store)
  })

  it('costs a second one where somebody has begun to delete meanwhile', async () => {
    const store = await makeMany()
    const moved = await makeImage({ seed: 'moved' })
    const image = await makeImage({ seed: 'many' })
    const kept = await makeTree({ app: Object.fromEntries(TAGS.slice(0, 150).map(tag => [tag, image])) })
    const other = createMemoryStore({ objects: store.objects, clock: store.clock })
    let isDone = false
    store.before = async (operation, key) => {
      if (isDone || operation !== 'put' || key !== 'v2/app/manifests/t7') return
      isDone = true
      await deployTree(kept, other, { prune: true })
    }
    await deployTree(await makeTree({ app: { t7: moved } }), store)
    expect(isDone).toBe(true)
    expect(listings(store).filter(line => line === 'list v2/').length).toBeGreaterThan(1)
    judgeStore(store)
  })
})

describe('a manifest whose headers are mended', () => {
  it('is among what caches are to forget', async () => {
    const image = await makeImage()
    const store = await makeFilledStore({ app: { latest: image } })
    const key = manifestPath('app', image.root.digest)
    store.set(key, store.objects.get(key)?.bytes ?? '', { contentType: 'binary/octet-stream' })
    const tree = await makeTree({ app: { latest: image } })
    const report = await deployTree(tree, store, { checkHeaders: true })
    expect(report.sent.objects).toBe(1)
    expect(report.stale).toEqual([`/${key}`])
    judgeStore(store)
  })
})
