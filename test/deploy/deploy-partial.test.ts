import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeCosignSignature,
  makeFallbackIndex,
  makeImage,
  makeMultiPlatform,
  rootBytes,
  withReferrers,
} from '../support/made-images.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { deployAndListen, makeFilledStore, makeTree, publishedOf, tagsIn, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

async function makeFifty(): Promise<MemoryStore> {
  const images: Record<string, Record<string, Graph>> = {}
  for (let number = 0; number < 50; number += 1) {
    const image = await makeImage({ seed: `number ${number}` })
    const signed = number % 10 === 0 ? withReferrers(image, makeArtifact({ subject: image, payload: 'sig' })) : image
    images[`team${number % 7}/app${number}`] = { latest: signed, [`v${number}`]: image }
  }
  return makeFilledStore(images)
}

/** Keys of one published state that differ in another. */
function changed(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(key => before[key] !== after[key]).sort()
}

describe('a tree that holds one image, deployed to a store of fifty', () => {
  it('adds a repository and changes nothing but the catalogue', async () => {
    const store = await makeFifty()
    const before = publishedOf(store)
    const image = await makeMultiPlatform({ seed: 'new' })
    await deployTree(await makeTree({ 'team3/new': { latest: image } }), store)
    judgeStore(store)
    const keys = changed(before, publishedOf(store))
    expect(keys.filter(key => !key.startsWith('v2/team3/new/'))).toEqual(['v2/_catalog'])
    expect(Object.keys(before).filter(key => publishedOf(store)[key] === undefined)).toEqual([])
  })

  it('adds a tag to a repository of which it lacks the other tags', async () => {
    const store = await makeFifty()
    const before = publishedOf(store)
    const image = await makeImage({ seed: 'new' })
    const report = await deployTree(await makeTree({ 'team0/app0': { edge: image } }), store)
    judgeStore(store)
    expect(tagsIn(store, 'team0/app0').filter(tag => !tag.startsWith('sha256-'))).toEqual(['edge', 'latest', 'v0'])
    const keys = changed(before, publishedOf(store))
    const own = ['edge', image.root.digest].map(reference => `v2/team0/app0/manifests/${reference}`)
    const blobs = [...image.blobs.keys()].map(digest => `v2/team0/app0/blobs/${digest}`)
    expect(keys).toEqual([...own, ...blobs, 'v2/team0/app0/tags/list'].sort())
    expect(report.tags.map(({ tag }) => tag)).toEqual(['edge'])
    store.forget()
    await deployTree(await makeTree({ 'team0/app0': { edge: image } }), store)
    expect(writtenKeys(store)).toEqual([])
  })

  it('adds a referrer to an image that is signed already: both lists are the union', async () => {
    const store = await makeFifty()
    const image = await makeImage({ seed: 'number 0' })
    const sbom = makeArtifact({ subject: image, payload: 'sbom', artifactType: 'application/vnd.example.sbom' })
    await deployTree(await makeTree({ 'team0/app0': { latest: withReferrers(image, sbom) } }), store)
    judgeStore(store)
    const list = JSON.parse(store.text(`v2/team0/app0/referrers/${image.root.digest}`) ?? '') as {
      manifests: { digest: string }[]
    }
    const signature = makeArtifact({ subject: image, payload: 'sig' })
    const wanted = [signature.root.digest, sbom.root.digest].sort()
    expect(list.manifests.map(({ digest }) => digest)).toEqual(wanted)
    expect(store.text(`v2/team0/app0/manifests/${digestTag(image.root.digest)}`)).toBe(
      store.text(`v2/team0/app0/referrers/${image.root.digest}`),
    )
  })

  it('adds a referrer without having its subject', async () => {
    const store = await makeFifty()
    const image = await makeImage({ seed: 'number 10' })
    const note = makeArtifact({ subject: image, payload: 'a note' })
    await deployTree(await makeTree({ 'team3/app10': { note } }), store)
    judgeStore(store)
    const list = store.text(`v2/team3/app10/referrers/${image.root.digest}`)
    expect(list).toContain(note.root.digest)
    expect(list).toContain(makeArtifact({ subject: image, payload: 'sig' }).root.digest)
  })

  it('counts in the plan only what is the tree’s own', async () => {
    const store = await makeFifty()
    const tree = await makeTree({ 'team0/app0': { edge: await makeImage({ seed: 'new' }) } })
    const plan = await planDeploy(tree, store)
    expect(plan.objects.some(({ action }) => action === 'delete' || action === 'age')).toBe(false)
    expect(plan.delete).toEqual({ objects: 0, bytes: 0 })
    expect(plan.unchanged).toBeLessThan(20)
  })
})

describe('documents of a store that lie', () => {
  const LIES: Readonly<Record<string, string>> = {
    'no JSON': '{"name": "app", "ta',
    'nothing at all': '',
    'JSON of another shape': '[1, 2, 3]',
    'members of another shape': '{"name":7,"tags":{"a":1},"repositories":7,"manifests":"x"}',
    'entries of another shape': '{"name":"app","tags":[1,null],"repositories":[null,{}],"manifests":[null,7,{}]}',
    'names of what is not there': JSON.stringify({
      name: 'app',
      tags: ['absent', 'latest', '../../etc'],
      repositories: ['absent', 'app', '..'],
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_INDEX, digest: digestOf('absent'), size: 6 }],
    }),
    null: 'null',
  }

  it.each(Object.keys(LIES))('are mended: %s', async name => {
    const image = await makeMultiPlatform()
    const one = makeArtifact({ subject: image, payload: 'one' })
    const images = { app: { latest: withReferrers(image, one), other: image }, second: { latest: image } }
    const tree = await makeTree(images)
    const store = createMemoryStore()
    await deployTree(tree, store)
    const right = publishedOf(store)
    const lie = LIES[name] ?? ''
    const documents = [
      'v2/_catalog',
      'v2/app/tags/list',
      `v2/app/referrers/${image.root.digest}`,
      'v2/index.json',
      'v2/_404.json',
    ]
    for (const key of documents) {
      const { contentType = '', cacheControl = '' } = store.objects.get(key) ?? {}
      store.set(key, lie, { contentType, cacheControl })
    }
    await deployTree(tree, store)
    judgeStore(store)
    expect(publishedOf(store)).toEqual(right)
  })

  it.each(Object.keys(LIES))('are mended by a partial tree, which loses none of the others: %s', async name => {
    const image = await makeImage()
    const store = await makeFilledStore({
      app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })), other: image },
      second: { latest: image },
    })
    const lie = LIES[name] ?? ''
    for (const key of ['v2/_catalog', 'v2/app/tags/list', `v2/app/referrers/${image.root.digest}`]) {
      const { contentType = '', cacheControl = '' } = store.objects.get(key) ?? {}
      store.set(key, lie, { contentType, cacheControl })
    }
    const two = makeArtifact({ subject: image, payload: 'two' })
    await deployTree(await makeTree({ app: { third: withReferrers(image, two) } }), store)
    judgeStore(store)
  })

  it('are mended where they are missing', async () => {
    const image = await makeImage()
    const images = { app: { latest: withReferrers(image, makeArtifact({ subject: image, payload: 'one' })) } }
    const store = await makeFilledStore(images)
    const right = publishedOf(store)
    const tree = await makeTree(images)
    const { digest } = image.root
    const documents = [
      'v2/_catalog',
      'v2/app/tags/list',
      `v2/app/referrers/${digest}`,
      'v2/index.json',
      'v2/_404.json',
      'v2/',
    ]
    for (const key of [...documents, `v2/app/manifests/${digestTag(digest)}`]) {
      store.objects.delete(key)
      await deployTree(tree, store)
      expect(publishedOf(store)).toEqual(right)
    }
  })
})

describe('a fallback tag that is someone’s own', () => {
  it('stays, where it is on the store', async () => {
    const image = await makeImage()
    const copied = await makeImage({ seed: 'cosign copy' })
    const tag = digestTag(image.root.digest)
    const key = `v2/app/manifests/${tag}`
    const store = await makeFilledStore({ app: { [tag]: copied, latest: image } })
    const text = store.text(key)
    const signed = withReferrers(image, makeArtifact({ subject: image, payload: 'signature' }))
    await deployTree(await makeTree({ app: { latest: signed } }), store)
    expect(store.text(key)).toBe(text)
    judgeStore(store, { own: new Set([key]) })
    expect(store.text(`v2/app/referrers/${image.root.digest}`)).toContain('vnd.example.note')
  })

  it('stays, where it names the very image, as cosign copy does', async () => {
    const image = await makeImage()
    const tag = digestTag(image.root.digest)
    const key = `v2/app/manifests/${tag}`
    const images = { app: { [tag]: image, [digestTag(image.root.digest, 'sig')]: makeCosignSignature(image) } }
    const tree = await makeTree(images)
    const store = createMemoryStore()
    await deployTree(tree, store)
    judgeStore(store, { own: new Set([key]) })
    expect(store.text(key)).toBe(Buffer.from(rootBytes(image)).toString())
    await deployTree(tree, store, { prune: true })
    judgeStore(store, { own: new Set([key]) })
    expect(store.text(key)).toBe(Buffer.from(rootBytes(image)).toString())
    store.forget()
    await deployTree(tree, store)
    expect(writtenKeys(store)).toEqual([])
  })

  it('goes from the tree to the store, and comes before a list of ours there', async () => {
    const image = await makeImage()
    const signed = withReferrers(image, makeArtifact({ subject: image, payload: 'signature' }))
    const tag = digestTag(image.root.digest)
    const key = `v2/app/manifests/${tag}`
    const store = await makeFilledStore({ app: { latest: signed } })
    const mine = await makeImage({ seed: 'mine' })
    await deployTree(await makeTree({ app: { latest: image, [tag]: mine } }), store)
    expect(store.text(key)).toBe(Buffer.from(rootBytes(mine)).toString())
    judgeStore(store, { own: new Set([key]) })
  })

  it('is ours, where a client has pushed a list of referrers there', async () => {
    const image = await makeImage()
    const one = makeArtifact({ subject: image, payload: 'one' })
    const tag = digestTag(image.root.digest)
    const pushed = makeFallbackIndex([one])
    const store = createMemoryStore()
    await deployTree(await makeTree({ app: { latest: withReferrers(image, one), [tag]: pushed } }), store)
    judgeStore(store)
    const two = makeArtifact({ subject: image, payload: 'two' })
    await deployTree(await makeTree({ app: { latest: withReferrers(image, two) } }), store)
    judgeStore(store)
    expect(store.text(`v2/app/manifests/${tag}`)).toContain(two.root.digest)
  })
})

describe('the reports of partial deploys', () => {
  it('name what changed, as request paths', async () => {
    const store = await makeFifty()
    const image = await makeImage({ seed: 'number 0' })
    const sbom = makeArtifact({ subject: image, payload: 'sbom' })
    const moved = await makeImage({ seed: 'moved' })
    const tree = await makeTree({
      'team0/app0': { v0: withReferrers(image, sbom), latest: moved },
      fresh: { latest: moved },
    })
    const { report } = await deployAndListen(tree, store)
    const { digest } = image.root
    const stale = [
      '/v2/_catalog',
      `/v2/team0/app0/manifests/${digestTag(digest)}`,
      '/v2/team0/app0/manifests/latest',
      `/v2/team0/app0/referrers/${digest}`,
    ]
    expect(report.stale).toEqual(expect.arrayContaining(stale))
    expect([...report.stale]).toEqual([...report.stale].sort())
    expect(report.stale.some(path => /sha256:.*sha256:|blobs|manifests\/sha256:/.test(path))).toBe(false)
    const tags = report.tags.filter(({ tag }) => !tag.startsWith('sha256-'))
    expect(tags.map(({ repository, tag, change }) => `${repository}:${tag} ${change}`)).toEqual([
      'fresh:latest new',
      'team0/app0:latest moved',
    ])
  })
})
