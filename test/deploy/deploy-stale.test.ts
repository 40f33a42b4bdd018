import { describe, expect, it, vi } from 'vitest'
import { deployTree } from '../../src/deploy/deploy.ts'
import { makeArtifact, makeImage, withReferrers } from '../support/made-images.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { deletedKeys, makeFilledStore, makeTree } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const PRUNE = { prune: true, force: true } as const
const DAY = 24 * 3_600_000

describe('the answers that a cache may hold wrongly', () => {
  it('are all that a prune deletes: documents, manifests and blobs too', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const signed = withReferrers(b, makeArtifact({ subject: b, payload: 'signature' }))
    const store = await makeFilledStore({ app: { v1: a }, gone: { x: signed } })
    const tree = await makeTree({ app: { v1: a } })
    const first = await deployTree(tree, store, PRUNE)
    expect(first.stale).toEqual(expect.arrayContaining(['/v2/_catalog', '/v2/gone/manifests/x', '/v2/gone/tags/list']))
    store.clock.now += DAY + 60_000
    store.forget()
    const { stale } = await deployTree(tree, store, PRUNE)
    const { digest } = b.root
    const [blob] = b.blobs.keys()
    expect(stale).toEqual(expect.arrayContaining(['/v2/gone/tags/list', `/v2/gone/referrers/${digest}`]))
    expect(stale).toEqual(expect.arrayContaining([`/v2/gone/manifests/${digest}`, `/v2/gone/blobs/${String(blob)}`]))
    expect([...stale].sort()).toEqual([...deletedKeys(store)].map(key => `/${key}`).sort())
    // What may change stands first: a long list is cut.
    const named = stale.map(path => /\/(?:manifests|blobs)\/sha256:/.test(path))
    expect(named).toEqual(named.toSorted((one, other) => Number(one) - Number(other)))
    expect(new Set(named).size).toBe(2)
  })

  it('are constants that were mended', async () => {
    const images = { app: { v1: await makeImage() } }
    const store = await makeFilledStore(images)
    for (const key of ['v2/index.json', 'v2/_404.json']) store.set(key, 'something else')
    const { stale } = await deployTree(await makeTree(images), store)
    expect(stale).toEqual(['/v2/_404.json', '/v2/index.json'])
  })

  it('are the answer to the version check and all else that was not there, on the first deploy', async () => {
    const store = createMemoryStore()
    const { stale } = await deployTree(await makeTree({ app: { v1: await makeImage() } }), store)
    const short = [...store.objects].filter(([, { cacheControl = '' }]) => !cacheControl.includes('immutable'))
    expect(stale).toEqual(
      short
        .map(([key]) => `/${key}`)
        .filter(path => path.startsWith('/v2/'))
        .sort(),
    )
  })
})
