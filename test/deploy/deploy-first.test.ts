import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeForeignLayer, makeLayer } from '../support/made-layers.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { judgeStore } from './support/judge.ts'
import { type Images, makeTree, publishedOf, tagsIn, writtenKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

/** Every kind of image at once. */
async function makeEverything(): Promise<Images> {
  const multi = await makeMultiPlatform({ seed: 'multi' })
  const signature = makeArtifact({ subject: multi, payload: 'signature', artifactType: 'application/vnd.example.sig' })
  const sbom = makeArtifact({ subject: multi, payload: 'sbom', annotations: { of: 'multi' } })
  const ofSignature = makeArtifact({ subject: signature, payload: 'signature of the signature' })
  const nested = makeIndex([multi, await makeImage({ seed: 'beside', platform: 'linux/s390x' })])
  const foreign = await makeForeignLayer()
  return {
    'tools/app': {
      latest: withReferrers(multi, withReferrers(signature, ofSignature), sbom),
      nested,
      docker: await makeMultiPlatform({ docker: true, seed: 'docker' }),
    },
    tools: {
      '1.0.gz': await makeImage({ noMediaType: true, seed: 'plain' }),
      RC1: await makeImage({ seed: 'rc' }),
      rc1: await makeImage({ seed: 'other rc' }),
      foreign: await makeImage({ layers: [foreign, await makeLayer('own')] }),
    },
    long: { latest: makeIndex([await makeImage({ sha512: true, seed: 'long' })], { sha512: true }) },
  }
}

describe('a first deploy', () => {
  it('makes a whole registry of everything in the tree, and says what it did', async () => {
    const images = await makeEverything()
    const tree = await makeTree(images)
    const store = createMemoryStore()
    const plan = await planDeploy(tree, store)
    expect(writtenKeys(store)).toEqual([])
    expect(store.objects.size).toBe(0)
    const report = await deployTree(tree, store)
    judgeStore(store)
    expect(tagsIn(store, 'tools')).toEqual(['1.0.gz', 'RC1', 'foreign', 'rc1'])
    expect(report.plan).toEqual(plan)
    expect(plan.problems).toEqual([])
    expect(plan.target).toBe(store.title)
    expect(plan.unchanged).toBe(0)
    expect(new Set(plan.objects.map(({ key }) => key))).toEqual(new Set(store.objects.keys()))
    expect(plan.objects.every(({ change, action }) => change === 'new' && action !== 'delete')).toBe(true)
    expect(plan.objects.every(({ key, size }) => store.objects.get(key)?.size === size)).toBe(true)
    expect(plan.send.objects + plan.copy.objects).toBe(store.objects.size)
    expect(report.sent).toEqual(plan.send)
    expect(report.copied).toEqual(plan.copy)
    expect(report.deleted).toEqual({ objects: 0, bytes: 0 })
    const sent = plan.objects.filter(({ action }) => action === 'send')
    expect(plan.send.bytes).toBe(sent.reduce((sum, { size }) => sum + size, 0))
    const named = report.tags.map(({ repository, tag, change, digest }) => `${repository}:${tag} ${change} ${digest}`)
    const wanted = Object.entries(images).flatMap(([repository, graphs]) =>
      Object.entries(graphs).map(([tag, { root }]) => `${repository}:${tag} new ${root.digest}`),
    )
    expect(named.filter(line => !/:sha256-/.test(line)).sort()).toEqual(wanted.sort())
  })

  it('needs no documents in the tree: they are computed', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeMultiPlatform()
    const signed = withReferrers(image, makeArtifact({ subject: image, payload: 'signature' }))
    await writeTree(root, 'app', { latest: signed })
    await rm(join(root, 'v2/app/tags'), { recursive: true })
    const store = createMemoryStore()
    await deployTree(openTree(root), store)
    judgeStore(store)
  })

  it('takes documents of the tree that lie for no truth', async () => {
    const tree = await makeTree({ app: { latest: await makeImage() } })
    await writeFile(join(tree.root, 'v2/app/tags/list'), '{"name":"app","tags":["absent"]}')
    await writeFile(join(tree.root, 'v2/_catalog'), '{"repositories":["absent"]}')
    const store = createMemoryStore()
    await deployTree(tree, store)
    judgeStore(store)
  })

  it('publishes nothing but files of the registry', async () => {
    const tree = await makeTree({ app: { latest: await makeImage() }, 'app/part': { latest: await makeImage() } })
    const { digest } = (await makeImage()).root
    const others = [
      'index.html',
      '.env',
      'src/main.ts',
      '.git/config',
      '.registrish/secret',
      '.registrish/origins/app/_origin.json',
      'v2/.htaccess',
      'v2/.DS_Store',
      'v2/_headers',
      'v2/_redirects',
      'v2/404.html',
      'v2/notes.txt',
      'v2/app/notes.txt',
      'v2/app/manifests/.hidden',
      'v2/app/manifests/latest~',
      `v2/app/manifests/.${digest}.tmp`,
      'v2/app/blobs/.partial',
      'v2/app/blobs/sha256:short',
      'v2/app/tags/other',
      'v2/.hidden/manifests/latest',
      'v2/_private/manifests/latest',
      'v2/UPPER/manifests/latest',
    ]
    const clean = createMemoryStore()
    await deployTree(tree, clean)
    for (const path of others) {
      await mkdir(dirname(join(tree.root, path)), { recursive: true })
      await writeFile(join(tree.root, path), 'not for the public')
    }
    const store = createMemoryStore()
    await deployTree(tree, store)
    expect([...store.objects.keys()].sort()).toEqual([...clean.objects.keys()].sort())
    judgeStore(store)
  })

  it('refuses an empty tree', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const store = createMemoryStore()
    await expect(deployTree(tree, store)).rejects.toMatchObject({ name: 'RegistrishError', hint: expect.any(String) })
    expect(store.objects.size).toBe(0)
  })

  it('refuses an empty tree all the more when it is to prune', async () => {
    const store = createMemoryStore()
    await deployTree(await makeTree({ app: { latest: await makeImage() } }), store)
    const before = publishedOf(store)
    const empty = openTree(await makeTemporaryFolder())
    await expect(deployTree(empty, store, { prune: true, force: true })).rejects.toMatchObject({
      name: 'RegistrishError',
    })
    expect(publishedOf(store)).toEqual(before)
  })
})

describe('the order of a deploy', () => {
  it.each([1, 16])('is what is pointed to before what points to it, with %s requests at once', async jobs => {
    const images = await makeEverything()
    const store = createMemoryStore()
    const seen: string[][] = []
    store.before = op => {
      if (op === 'put' || op === 'copy') seen.push([...store.objects.keys()])
    }
    const { plan } = await deployTree(await makeTree(images), store, { jobs })
    const written = store.steps.filter(({ op }) => op === 'put' || op === 'copy').map(({ key }) => key)
    expect(written.length).toBe(seen.length)
    const lists = new Set(
      [...store.objects].filter(([key]) => /\/manifests\/sha\d+-/.test(key)).map(([, { bytes }]) => digestOf(bytes)),
    )
    const isFallback = (key: string): boolean => [...lists].some(digest => key.endsWith(`/manifests/${digest}`))
    for (const keys of [written, plan.objects.map(({ key }) => key)]) expectOrder(keys.filter(key => !isFallback(key)))
    const at = new Map(plan.objects.map(({ key }, position) => [key, position]))
    expect(at.size).toBe(plan.objects.length)
    // What a manifest points to was there when its writing began.
    for (const [position, key] of written.entries()) {
      const bytes = store.objects.get(key)?.bytes
      const body = /\/manifests\//.test(key) ? Buffer.from(bytes ?? []).toString() : ''
      const [folder] = key.split('/manifests/')
      const there = new Set(seen[position])
      if (body === '') continue
      const parsed = JSON.parse(body) as {
        manifests?: { digest: string }[]
        config?: { digest: string }
        layers?: { digest: string; urls?: string[] }[]
      }
      for (const { digest } of parsed.manifests ?? []) expect(there).toContain(`${folder}/manifests/${digest}`)
      const blobs = [...(parsed.config ? [parsed.config] : []), ...(parsed.layers ?? [])]
      for (const blob of blobs) if (!('urls' in blob)) expect(there).toContain(`${folder}/blobs/${blob.digest}`)
    }
  })

  /** Blobs, manifests by digest, referrers lists, tags, lists of tags and repositories. */
  function expectOrder(keys: readonly string[]): void {
    const ranks = keys.filter(key => rankOf(key) > 0).map(rankOf)
    expect(ranks).toEqual([...ranks].sort((one, other) => one - other))
  }

  function rankOf(key: string): number {
    if (/\/blobs\//.test(key)) return 1
    if (/\/manifests\/sha\d+:/.test(key)) return 2
    if (/\/referrers\//.test(key)) return 3
    if (/\/manifests\/sha\d+-/.test(key)) return 0 // a fallback tag: a referrers document and a tag
    if (/\/manifests\//.test(key)) return 4
    if (/\/tags\/list$|_catalog$/.test(key)) return 5
    return 0
  }
})

describe('a deploy that has been done', () => {
  it('writes nothing again, and asks little', async () => {
    const tree = await makeTree(await makeEverything())
    const store = createMemoryStore()
    await deployTree(tree, store)
    store.forget()
    const { plan, sent, tags, stale } = await deployTree(tree, store)
    expect(store.steps.filter(({ op }) => op !== 'list' && op !== 'head' && op !== 'get')).toEqual([])
    expect(plan.objects).toEqual([])
    expect(plan.tags).toEqual([])
    expect(plan.unchanged).toBe(store.objects.size)
    expect(sent).toEqual({ objects: 0, bytes: 0 })
    expect(tags).toEqual([])
    expect(stale).toEqual([])
    expect(store.requests).toBeLessThanOrEqual(10)
  })

  it('asks little for one tag more among many objects', async () => {
    const root = await makeTemporaryFolder()
    const layer = await makeLayer('shared')
    const tags: Record<string, Awaited<ReturnType<typeof makeImage>>> = {}
    for (let number = 0; number < 400; number += 1) {
      tags[`v${number}`] = await makeImage({ layers: [layer], config: { Labels: { number: String(number) } } })
    }
    await writeTree(root, 'app', tags)
    await rebuildDocuments(root)
    const tree = openTree(root)
    const store = createMemoryStore({ pageSize: 12 }) // as many pages as 100,000 objects have
    await deployTree(tree, store, { jobs: 64 })
    store.forget()
    const before = store.objects.size
    await writeTree(root, 'app', { ...tags, newest: await makeImage({ layers: [layer], config: { Cmd: ['/new'] } }) })
    await rebuildDocuments(root)
    await deployTree(tree, store)
    judgeStore(store)
    const added = store.objects.size - before
    expect(added).toBe(3)
    expect(store.requests).toBeLessThanOrEqual((2 * store.objects.size) / 12 + added + 10)
  })

  it('moves a tag that moved, and touches nothing else', async () => {
    const first = await makeImage({ seed: 'first' })
    const second = await makeImage({ seed: 'second' })
    const other = await makeImage({ seed: 'other' })
    const tree = await makeTree({ app: { latest: first, '1.0': first }, other: { latest: other } })
    const store = createMemoryStore()
    await deployTree(tree, store)
    store.forget()
    await writeTree(tree.root, 'app', { latest: second, '1.0': first })
    await rebuildDocuments(tree.root)
    const report = await deployTree(tree, store)
    judgeStore(store)
    expect(report.tags).toEqual([{ repository: 'app', tag: 'latest', change: 'moved', digest: second.root.digest }])
    expect(report.stale).toEqual(['/v2/app/manifests/latest'])
    expect(store.text('v2/app/manifests/latest')).toBe(store.text(`v2/app/manifests/${second.root.digest}`))
    expect(store.text('v2/app/manifests/1.0')).toBe(store.text(`v2/app/manifests/${first.root.digest}`))
    const wanted = [...second.blobs.keys()].map(digest => `v2/app/blobs/${digest}`)
    const written = [...wanted, `v2/app/manifests/${second.root.digest}`, 'v2/app/manifests/latest']
    expect(report.plan.objects.map(({ key }) => key).sort()).toEqual(written.sort())
    expect(report.plan.objects.find(({ key }) => key === 'v2/app/manifests/latest')?.change).toBe('changed')
    expect(
      writtenKeys(store)
        .filter(key => key !== 'v2/index.json')
        .sort(),
    ).toEqual(written)
  })

  it('adds a tag of an image that is there: the tag and the list of tags', async () => {
    const image = await makeImage()
    const tree = await makeTree({ app: { latest: image } })
    const store = createMemoryStore()
    await deployTree(tree, store)
    store.forget()
    await writeTree(tree.root, 'app', { latest: image, '1.0': image })
    await rebuildDocuments(tree.root)
    const report = await deployTree(tree, store)
    judgeStore(store)
    expect(report.plan.objects.map(({ key }) => key)).toEqual(['v2/app/manifests/1.0', 'v2/app/tags/list'])
    expect(report.tags).toEqual([{ repository: 'app', tag: '1.0', change: 'new', digest: image.root.digest }])
    expect(report.stale).toEqual(expect.arrayContaining(['/v2/app/tags/list']))
  })

  it('leaves on the store what was removed from the tree', async () => {
    const [kept, gone] = [await makeImage({ seed: 'kept' }), await makeImage({ seed: 'gone' })]
    const store = createMemoryStore()
    await deployTree(await makeTree({ app: { latest: kept, old: gone }, gone: { latest: gone } }), store)
    const before = publishedOf(store)
    const { plan } = await deployTree(await makeTree({ app: { latest: kept } }), store)
    expect(plan.objects).toEqual([])
    expect(publishedOf(store)).toEqual(before)
    judgeStore(store)
  })
})
