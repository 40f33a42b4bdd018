import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeBigLayer, makeBlob, makeForeignLayer, makeLayer } from '../support/made-layers.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import {
  cloneStore,
  deployAndListen,
  makeFilledStore,
  makeTree,
  publishedOf,
  readKeys,
  writtenKeys,
} from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

const blobKey = (repository: string, digest: string): string => `v2/${repository}/blobs/${digest}`

function layerOf(image: { readonly blobs: ReadonlyMap<Digest, Uint8Array> }, position = -1): Digest {
  const digest = [...image.blobs.keys()].at(position)
  if (digest === undefined) throw new Error('no blobs')
  return digest
}

describe('blobs that are not what their names and descriptors say', () => {
  it.each(['shorter', 'longer', 'empty'])(
    'are refused before anything is written where the size differs: %s',
    async how => {
      const image = await makeImage({ seed: 'damaged' })
      const tree = await makeTree({ app: { latest: image }, other: { latest: await makeImage({ seed: 'fine' }) } })
      const digest = layerOf(image)
      const file = join(tree.root, blobKey('app', digest))
      if (how === 'shorter') await truncate(file, 10)
      else await writeFile(file, how === 'empty' ? '' : makeBlob(70_000))
      const store = createMemoryStore()
      const plan = await planDeploy(tree, store)
      expect(plan.problems.map(({ level, code }) => `${level} ${code}`)).toEqual(['refuse size-mismatch'])
      expect(plan.problems[0]?.text).toContain(digest)
      expect(plan.problems[0]?.hint).toBeDefined()
      await expect(deployTree(tree, store)).rejects.toMatchObject({ code: 'size-mismatch' })
      expect(store.objects.size).toBe(0)
    },
  )

  it('are refused before anything is written where one is missing', async () => {
    const image = await makeImage({ seed: 'incomplete' })
    const tree = await makeTree({ app: { latest: image } })
    await rm(join(tree.root, blobKey('app', layerOf(image))))
    const store = createMemoryStore()
    const plan = await planDeploy(tree, store)
    expect(plan.problems.map(({ level, code }) => `${level} ${code}`)).toEqual(['refuse incomplete'])
    await expect(deployTree(tree, store)).rejects.toMatchObject({ code: 'incomplete' })
    expect(store.objects.size).toBe(0)
  })

  it('may be missing where the store holds them', async () => {
    const layer = await makeLayer('base')
    const store = await makeFilledStore({ app: { base: await makeImage({ layers: [layer], seed: 'base' }) } })
    const image = await makeImage({ layers: [layer, await makeLayer('top')], seed: 'top' })
    const tree = await makeTree({ app: { latest: image } })
    await rm(join(tree.root, blobKey('app', [...image.blobs.keys()][1] ?? '')))
    await deployTree(tree, store)
    judgeStore(store)
    expect(store.objects.has('v2/app/manifests/latest')).toBe(true)
  })

  it('may not be missing where the store holds them with another size', async () => {
    const layer = await makeLayer('base')
    const base = await makeImage({ layers: [layer], seed: 'base' })
    const store = await makeFilledStore({ app: { base } })
    const digest = layerOf(base)
    store.set(blobKey('app', digest), 'short', { contentType: 'application/octet-stream' })
    const image = await makeImage({ layers: [layer, await makeLayer('top')], seed: 'top' })
    const tree = await makeTree({ app: { latest: image } })
    await rm(join(tree.root, blobKey('app', digest)))
    await expect(deployTree(tree, store)).rejects.toMatchObject({ name: 'RegistrishError' })
    expect(store.objects.has('v2/app/manifests/latest')).toBe(false)
  })

  it.each([1, 16])('are refused with digest-mismatch before any tag stands, %s at once', async jobs => {
    const images = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' }), await makeMultiPlatform()]
    const tree = await makeTree({
      app: { one: images[0] ?? (await makeImage()) },
      two: { two: images[1] ?? (await makeImage()) },
    })
    const digest = layerOf(images[1] ?? (await makeImage()))
    const bytes = images[1]?.blobs.get(digest) ?? new Uint8Array()
    await writeFile(
      join(tree.root, blobKey('two', digest)),
      bytes.map((byte, position) => (position === 5 ? byte ^ 1 : byte)),
    )
    const store = createMemoryStore()
    await expect(deployTree(tree, store, { jobs })).rejects.toMatchObject({ code: 'digest-mismatch' })
    const manifests = [...store.objects.keys()].filter(key => /\/manifests\//.test(key))
    expect(manifests).toEqual([])
    expect(store.objects.has(blobKey('two', digest))).toBe(false)
    // Mended, it goes on.
    await writeFile(join(tree.root, blobKey('two', digest)), bytes)
    await deployTree(tree, store, { jobs })
    judgeStore(store)
  })

  it('are mended on the store where they have a wrong size there', async () => {
    const images = { app: { latest: await makeImage() } }
    const store = await makeFilledStore(images)
    const right = publishedOf(store)
    const key = blobKey('app', layerOf(images.app.latest))
    for (const wrong of ['', 'cut off', makeBlob(100_000)]) {
      store.set(key, wrong, { contentType: 'application/octet-stream' })
      const report = await deployTree(await makeTree(images), store)
      expect(report.plan.objects).toMatchObject([{ key, action: 'send', change: 'changed' }])
      expect(publishedOf(store)).toEqual(right)
    }
  })

  it('are manifests, too, mended on the store by digest and by tag', async () => {
    const images = { app: { latest: await makeMultiPlatform() } }
    const store = await makeFilledStore(images)
    const right = publishedOf(store)
    const keys = [...store.objects.keys()].filter(key => /\/manifests\//.test(key))
    const tree = await makeTree(images)
    expect(keys.length).toBe(4)
    for (const key of keys) {
      const { contentType = '', bytes = new Uint8Array() } = store.objects.get(key) ?? {}
      const same = Uint8Array.from(bytes, (byte, position) => (position === 30 ? byte ^ 1 : byte))
      // By digest it is sizes that are compared, by tag contents.
      for (const wrong of ['{}', '', ...(key.endsWith('/latest') ? [same] : [])]) {
        store.set(key, wrong, { contentType })
        await deployTree(tree, store)
        expect({ key, ok: publishedOf(store)[key] }).toEqual({ key, ok: right[key] })
      }
    }
  })
})

describe('what may be absent', () => {
  it('foreign layers', async () => {
    const image = await makeImage({ layers: [await makeForeignLayer(), await makeLayer('own')] })
    const store = createMemoryStore()
    const { report } = await deployAndListen(await makeTree({ app: { latest: image } }), store)
    expect(report.plan.problems).toEqual([])
    judgeStore(store)
  })

  it('children of a sparse index, and of an index below it', async () => {
    const [there, absent] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const index = makeIndex([there, absent])
    const nested = makeIndex([index, await makeImage({ platform: 'linux/s390x' })])
    const tree = await makeTree({ app: { latest: index, nested } })
    await rm(join(tree.root, `v2/app/manifests/${absent.root.digest}`))
    const store = createMemoryStore()
    const report = await deployTree(openTree(tree.root), store)
    judgeStore(store, { sparse: new Set([absent.root.digest]) })
    expect(report.plan.problems.filter(({ level }) => level === 'refuse')).toEqual([])
  })

  it('but not all children', async () => {
    const children = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const tree = await makeTree({ app: { latest: makeIndex(children) } })
    for (const { root } of children) await rm(join(tree.root, `v2/app/manifests/${root.digest}`))
    const store = createMemoryStore()
    await expect(deployTree(openTree(tree.root), store)).rejects.toMatchObject({ code: 'incomplete' })
    expect(store.objects.size).toBe(0)
  })

  it('a damaged manifest is left out, with a warning', async () => {
    const [fine, damaged] = [await makeImage({ seed: 'fine' }), await makeImage({ seed: 'damaged' })]
    const tree = await makeTree({ app: { latest: fine, broken: damaged } })
    const names = ['broken', damaged.root.digest]
    for (const name of names) await writeFile(join(tree.root, `v2/app/manifests/${name}`), 'cut off')
    const store = createMemoryStore()
    const { report } = await deployAndListen(openTree(tree.root), store)
    expect(report.plan.problems.some(({ level }) => level === 'warn')).toBe(true)
    expect(report.plan.problems.map(({ text }) => text).join()).toContain(damaged.root.digest)
    judgeStore(store)
    expect(store.objects.has('v2/app/manifests/broken')).toBe(false)
    expect(store.objects.has('v2/app/manifests/latest')).toBe(true)
  })

  it('a damaged manifest in the tree does not take a good one from the store', async () => {
    const [fine, damaged] = [await makeImage({ seed: 'fine' }), await makeImage({ seed: 'damaged' })]
    const images = { app: { latest: fine, broken: damaged } }
    const store = await makeFilledStore(images)
    const right = publishedOf(store)
    const tree = await makeTree(images)
    for (const name of ['broken', damaged.root.digest])
      await writeFile(join(tree.root, `v2/app/manifests/${name}`), 'cut')
    await deployTree(openTree(tree.root), store)
    expect(publishedOf(store)).toEqual(right)
    const pruned = cloneStore(store)
    // What is damaged was not removed: it is no reason to delete what is right on the store.
    await deployTree(openTree(tree.root), pruned, { prune: true }).catch(() => undefined)
    expect(pruned.objects.has('v2/app/manifests/broken')).toBe(true)
  })
})

describe('limits of a store', () => {
  it('refuse what is too large before anything is written', async () => {
    const image = await makeImage({ layers: [await makeBigLayer(5000)] })
    const tree = await makeTree({ app: { latest: image }, other: { latest: await makeImage() } })
    const store = createMemoryStore({ limits: { largestObject: 4000 } })
    const plan = await planDeploy(tree, store)
    expect(plan.problems).toMatchObject([{ level: 'refuse', code: 'limit' }])
    expect(plan.problems[0]?.text).toContain(layerOf(image))
    await expect(deployTree(tree, store)).rejects.toMatchObject({ code: 'limit' })
    expect(store.objects.size).toBe(0)
  })

  it('refuse keys that are too long before anything is written', async () => {
    const name = Array.from({ length: 12 }, (_, position) => `component${position}`).join('/')
    const tree = await makeTree({ [name]: { latest: await makeImage() }, a: { latest: await makeImage() } })
    const store = createMemoryStore({ limits: { longestKey: 180 } })
    await expect(deployTree(tree, store)).rejects.toMatchObject({ code: 'limit' })
    expect(store.objects.size).toBe(0)
  })
})

describe('a store with opaque etags', () => {
  it('is not written to again where nothing changed', async () => {
    const image = await makeMultiPlatform()
    const images = { app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })) } }
    const tree = await makeTree(images)
    const store = createMemoryStore({ etags: 'opaque' })
    await deployTree(tree, store)
    judgeStore(store)
    store.forget()
    const report = await deployTree(tree, store)
    expect(report.plan.objects).toEqual([])
    expect(writtenKeys(store)).toEqual([])
    // A tag that moved to an image of the same size is seen.
    const [one, other] = [await makeImage({ seed: 'seed one' }), await makeImage({ seed: 'seed two' })]
    expect(one.root.size).toBe(other.root.size)
    await deployTree(await makeTree({ same: { latest: one } }), store)
    await deployTree(await makeTree({ same: { latest: other } }), store)
    expect(store.text('v2/same/manifests/latest')).toBe(store.text(`v2/same/manifests/${other.root.digest}`))
    judgeStore(store)
  })

  it('is not read where its listing states the MD5', async () => {
    const image = await makeMultiPlatform()
    const tree = await makeTree({
      app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })) },
    })
    const store = createMemoryStore({ etags: 'beside' })
    await deployTree(tree, store)
    store.forget()
    expect((await deployTree(tree, store)).plan.objects).toEqual([])
    expect(readKeys(store)).toEqual(['.registrish/deletions.json', 'v2/_catalog'])
    // A tag that moved to an image of the same size is seen, and written over what was listed.
    const [one, other] = [await makeImage({ seed: 'seed one' }), await makeImage({ seed: 'seed two' })]
    await deployTree(await makeTree({ same: { latest: one } }), store)
    await deployTree(await makeTree({ same: { latest: other } }), store)
    expect(store.text('v2/same/manifests/latest')).toBe(store.text(`v2/same/manifests/${other.root.digest}`))
    judgeStore(store)
  })

  it('is not written to again where blobs went up in parts', async () => {
    const tree = await makeTree({ app: { latest: await makeImage({ layers: [await makeBigLayer(50_000)] }) } })
    const store = createMemoryStore({ partSize: 4000 })
    await deployTree(tree, store)
    store.forget()
    await deployTree(tree, store)
    expect(writtenKeys(store)).toEqual([])
  })
})
