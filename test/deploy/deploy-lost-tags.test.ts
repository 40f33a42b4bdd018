import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { makeImage } from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { makeFilledStore, makeTree, tagsIn } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const PRUNE = { prune: true, force: true } as const
const DAY = 24 * 3_600_000

/** A second way into a store, in which something happens before a step that is picked. */
function interrupted(
  store: MemoryStore,
  isMoment: (op: string, key: string) => boolean,
  meanwhile: () => Promise<unknown>,
): MemoryStore {
  let done = false
  return createMemoryStore({
    objects: store.objects,
    clock: store.clock,
    async before(op, key) {
      if (done || !isMoment(op, key)) return
      done = true
      await meanwhile()
    },
  })
}

describe('a tag that is unchanged, and that another run deletes while a deploy is at work', () => {
  it.each([
    ['before a blob is sent', (op: string, key: string) => op === 'put' && key.includes('/blobs/')],
    ['before a tag is written', (op: string, key: string) => op === 'put' && key.endsWith('/manifests/u')],
  ])('is there again when the deploy is done: %s', async (_, isMoment) => {
    const [a, b, c] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' }), await makeImage({ seed: 'c' })]
    const store = await makeFilledStore({ app: { t: a, keep: b } })
    const tree = await makeTree({ app: { t: a, keep: b, u: c } })
    const others = await makeTree({ app: { keep: b } })
    const own = interrupted(store, isMoment, async () => {
      const { tags } = await deployTree(others, store, PRUNE)
      expect(tags).toContainEqual({ repository: 'app', tag: 't', change: 'deleted' })
    })
    const { tags, stale } = await deployTree(tree, own)
    expect(tagsIn(store, 'app')).toEqual(['keep', 't', 'u'])
    expect(tags).toEqual([
      { repository: 'app', tag: 't', change: 'new', digest: a.root.digest },
      { repository: 'app', tag: 'u', change: 'new', digest: c.root.digest },
    ])
    expect(stale).toContain('/v2/app/manifests/t')
    judgeStore(store)
    expect((await planDeploy(tree, store)).objects).toEqual([])
    // What it needs is not taken for unreferenced either, as the other run had it.
    store.clock.now += DAY + 60_000
    await deployTree(tree, store, PRUNE)
    judgeStore(store)
    expect((await planDeploy(tree, store)).objects).toEqual([])
  })

  it('comes back whole, also where what it needs was deleted with it', async () => {
    const [a, b, c] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' }), await makeImage({ seed: 'c' })]
    const store = await makeFilledStore({ app: { t: a, keep: b } })
    const tree = await makeTree({ app: { t: a, keep: b, u: c } })
    const others = await makeTree({ app: { keep: b } })
    const isMoment = (op: string, key: string): boolean => op === 'put' && key.includes('/blobs/')
    const own = interrupted(store, isMoment, async () => {
      await deployTree(others, store, PRUNE)
      store.clock.now += DAY + 60_000
      await deployTree(others, store, PRUNE)
      expect(store.objects.has(`v2/app/manifests/${a.root.digest}`)).toBe(false)
    })
    await deployTree(tree, own)
    expect(tagsIn(store, 'app')).toEqual(['keep', 't', 'u'])
    judgeStore(store)
    expect((await planDeploy(tree, store)).objects).toEqual([])
  })

  it('stays where somebody has put it since', async () => {
    const [a, b, c] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' }), await makeImage({ seed: 'c' })]
    const store = await makeFilledStore({ app: { t: a, keep: b } })
    const isMoment = (op: string, key: string): boolean => op === 'put' && key.includes('/blobs/')
    const keep = await makeTree({ app: { keep: b } })
    const moved = await makeTree({ app: { t: b } })
    const own = interrupted(store, isMoment, async () => {
      await deployTree(keep, store, PRUNE)
      await deployTree(moved, store)
    })
    const { tags } = await deployTree(await makeTree({ app: { t: a, keep: b, u: c } }), own)
    expect(tags.map(({ tag }) => tag)).toEqual(['u'])
    expect(store.text('v2/app/manifests/t')).toBe(store.text('v2/app/manifests/keep'))
    judgeStore(store)
  })
})
