import { describe, expect, it, vi } from 'vitest'
import { readContent } from '../../src/deploy/content.ts'
import { deployTree } from '../../src/deploy/deploy.ts'
import { listStore } from '../../src/deploy/listing.ts'
import { planObjects } from '../../src/deploy/plan-objects.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeBigLayer, makeLayer } from '../support/made-layers.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { cloneStore, makeFilledStore, makeTree, publishedOf, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const blobKey = (repository: string, digest: string): string => `v2/${repository}/blobs/${digest}`

function layerOf(image: { readonly blobs: ReadonlyMap<Digest, Uint8Array> }, position = -1): Digest {
  const digest = [...image.blobs.keys()].at(position)
  if (digest === undefined) throw new Error('no blobs')
  return digest
}

/** Clients take blobs of any type: nobody sends them again for that. */
const BUT_BLOBS = { ignore: /\/blobs\/\S*: (?:type|Cache-Control)/ } as const

describe('headers of a store that something else has filled', () => {
  /** As `aws s3 sync` leaves a tree: types guessed or none, no Cache-Control, no object `v2/`. */
  async function makeCopied(): Promise<{
    readonly tree: Awaited<ReturnType<typeof makeTree>>
    readonly store: ReturnType<typeof createMemoryStore>
  }> {
    const image = await makeMultiPlatform()
    const images = {
      app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })), 'page.html': image },
      plain: { latest: await makeImage({ noMediaType: true }), docker: await makeImage({ docker: true }) },
    }
    const made = await makeFilledStore(images)
    const store = createMemoryStore()
    for (const [key, { bytes }] of made.objects) {
      if (key === 'v2/' || key.startsWith('.')) continue
      store.set(key, bytes, { contentType: key.endsWith('.html') ? 'text/html' : 'binary/octet-stream' })
    }
    return { tree: await makeTree(images), store }
  }

  it('are mended without being asked where v2/ is missing', async () => {
    const { tree, store } = await makeCopied()
    await deployTree(tree, store)
    judgeStore(store, BUT_BLOBS)
    store.forget()
    await deployTree(tree, store)
    expect(writtenKeys(store)).toEqual([])
  })

  it('are mended where they are asked for', async () => {
    const { tree, store } = await makeCopied()
    store.set('v2/', '', { contentType: 'application/json', cacheControl: 'public, max-age=60, no-transform' })
    await deployTree(tree, store, { checkHeaders: true })
    judgeStore(store, BUT_BLOBS)
  })

  it('are looked at again by the next run, where the mending was cut off', async () => {
    const { tree, store } = await makeCopied()
    const whole = cloneStore(store)
    await deployTree(tree, whole)
    for (let count = 0; count < whole.steps.length; count += 3) {
      const copy = cloneStore(store)
      let done = 0
      copy.before = () => {
        done += 1
        if (done > count) throw new Error('killed')
      }
      await deployTree(tree, copy, { jobs: 1 }).catch(() => undefined)
      copy.before = undefined
      await deployTree(tree, copy)
      expect({ count, published: publishedOf(copy) }).toEqual({ count, published: publishedOf(whole) })
    }
  })
})

describe('copies that the store makes itself', () => {
  const big = 64 * 1024

  it('spare a blob that another repository of the store holds', async () => {
    const layer = await makeBigLayer(big + 1)
    const base = { latest: await makeImage({ layers: [layer], seed: 'base' }) }
    const store = await makeFilledStore({ base })
    const image = await makeImage({ layers: [layer, await makeLayer('top')] })
    const report = await deployTree(await makeTree({ app: { latest: image } }), store)
    judgeStore(store)
    const copies = store.steps.filter(({ op }) => op === 'copy')
    expect(copies.map(({ from }) => from)).toEqual([expect.stringMatching(/^v2\/base\/blobs\//)])
    expect(report.copied).toEqual({ objects: 1, bytes: layer.bytes.length })
    expect(report.plan.copy).toEqual(report.copied)
    expect(writtenKeys(store).filter(key => key === copies[0]?.key)).toHaveLength(1)
  })

  it('are not made of what somebody else has put under a digest', async () => {
    const image = await makeImage({ layers: [await makeBigLayer(big)] })
    const digest = layerOf(image)
    const bytes = image.blobs.get(digest)
    const store = createMemoryStore()
    store.set(blobKey('other', digest), new Uint8Array(bytes?.length ?? 0))
    const report = await deployTree(await makeTree({ app: { latest: image } }), store)
    expect(report.copied.objects).toBe(0)
    expect(store.objects.get(blobKey('app', digest))?.bytes).toEqual(bytes)
  })

  it.each([true, false])('are planned where the store may be trusted: %s', async mayCopy => {
    const layer = await makeBigLayer(big)
    const one = { latest: await makeImage({ layers: [layer], seed: 'one' }) }
    const two = { latest: await makeImage({ layers: [layer], seed: 'two' }) }
    const store = await makeFilledStore({ one })
    const repositories = await readContent((await makeTree({ one, two })).root)
    const listing = await listStore(store)
    const { writes } = await planObjects({ store, repositories, listing, checkHeaders: false, mayCopy, jobs: 1 })
    expect(writes.flatMap(({ from }) => from ?? [])).toEqual(mayCopy ? [blobKey('one', layerOf(one.latest))] : [])
  })

  it('spare a blob that one deploy takes to several repositories', async () => {
    const layer = await makeBigLayer(big)
    const images = {
      one: { latest: await makeImage({ layers: [layer], seed: 'one' }) },
      two: { latest: await makeImage({ layers: [layer], seed: 'two' }) },
      three: { latest: await makeImage({ layers: [layer], seed: 'three' }) },
    }
    for (const jobs of [1, 16]) {
      const store = createMemoryStore()
      const report = await deployTree(await makeTree(images), store, { jobs })
      judgeStore(store)
      const writes = store.steps.filter(({ object }) => object?.size === layer.bytes.length)
      expect(writes).toHaveLength(1)
      expect(report.copied.objects).toBe(2)
      expect(report.sent.objects + report.copied.objects).toBe(report.plan.objects.length)
    }
  })

  it.each(['says no', 'cannot at all', 'holds other bytes'])('fall back to sending where the store %s', async how => {
    const layer = await makeBigLayer(big * 2)
    const first = { base: { latest: await makeImage({ layers: [layer], seed: 'base' }) } }
    const second = { ...first, app: { latest: await makeImage({ layers: [layer], seed: 'app' }) } }
    const store = createMemoryStore({ noCopy: how === 'cannot at all' })
    await deployTree(await makeTree(first), store)
    if (how === 'says no') store.copy = () => Promise.resolve(false)
    if (how === 'holds other bytes') {
      const key = blobKey('base', layerOf(first.base.latest))
      store.before = op => {
        if (op === 'copy') store.set(key, layer.bytes.subarray(1), { contentType: 'application/octet-stream' })
      }
    }
    const report = await deployTree(await makeTree(second), store)
    expect(report.copied.objects).toBe(0)
    const key = blobKey('app', layerOf(second.app.latest))
    expect(store.objects.get(key)?.size).toBe(layer.bytes.length)
    if (how !== 'holds other bytes') judgeStore(store)
  })

  it('do not happen for what is small', async () => {
    const layer = await makeLayer('small')
    const base = { latest: await makeImage({ layers: [layer], seed: 'base' }) }
    const store = await makeFilledStore({ base })
    await deployTree(await makeTree({ app: { latest: await makeImage({ layers: [layer] }) }, base }), store)
    expect(store.steps.filter(({ op }) => op === 'copy')).toEqual([])
    judgeStore(store)
  })
})
