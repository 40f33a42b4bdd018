import { describe, expect, it, vi } from 'vitest'
import { readContent } from '../../src/deploy/content.ts'
import { deployTree } from '../../src/deploy/deploy.ts'
import { LARGEST_DOCUMENT } from '../../src/deploy/documents.ts'
import { listStore } from '../../src/deploy/listing.ts'
import { planDocuments } from '../../src/deploy/plan-documents.ts'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { manifestPath } from '../../src/tree/layout.ts'
import { makeArtifact, makeImage, withReferrers } from '../support/made-images.ts'
import type { MemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { makeFilledStore, makeTree } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

/** A store whose listings show nothing of what is new from now on. */
function listingLate(store: MemoryStore): ObjectStore {
  const old = new Set(store.objects.keys())
  return {
    ...store,
    async *list(prefix, options) {
      for await (const page of store.list(prefix, options))
        yield { ...page, objects: page.objects.filter(({ key }) => old.has(key)) }
    },
  }
}

function tagsListed(store: MemoryStore, repository: string): unknown {
  return (JSON.parse(store.text(`v2/${repository}/tags/list`) ?? '{}') as { tags?: unknown }).tags
}

describe('a store whose listing shows late what is new', () => {
  it('gets lists that name the tags of the deploy, those of others, and fallback tags', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { v1: a } })
    const signed = withReferrers(b, makeArtifact({ subject: b, payload: 'signature' }))
    await deployTree(await makeTree({ app: { v2: signed }, other: { x: b } }), listingLate(store))
    judgeStore(store)
    expect(tagsListed(store, 'app')).toEqual(expect.arrayContaining(['v1', 'v2']))
  })

  it('keeps right lists when the deploy looks at them again after it has pruned', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { v1: a, x: a } })
    const tree = await makeTree({ app: { v1: a, v2: b }, fresh: { q: b } })
    await deployTree(tree, listingLate(store), { prune: true, force: true })
    judgeStore(store)
    expect(tagsListed(store, 'app')).toEqual(['v1', 'v2'])
    expect(tagsListed(store, 'fresh')).toEqual(['q'])
  })

  it('has its repositories in the catalogue too where another deploy writes that meanwhile', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { v1: a } })
    const late = listingLate(store)
    let done = false
    store.before = (op, key) => {
      if (done || op !== 'put' || key !== 'v2/_catalog') return
      done = true
      store.set(key, '{"repositories":["of another"]}')
    }
    await deployTree(await makeTree({ fresh: { q: b } }), late)
    expect(store.text('v2/_catalog')).toBe('{"repositories":["app","fresh"]}')
  })

  it('gets no list that names a tag of the deploy which another has deleted meanwhile', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { v1: a } })
    const late = listingLate(store)
    store.before = (op, key) => {
      if (op === 'get' && key === 'v2/app/tags/list') store.objects.delete(manifestPath('app', 'v2'))
    }
    await deployTree(await makeTree({ app: { v2: b, v3: b } }), late)
    expect(tagsListed(store, 'app')).toEqual(['v1', 'v3'])
  })

  it('needs no list of tags written anew where that is right, and the tags are there', async () => {
    const image = await makeImage()
    const store = await makeFilledStore({ app: { v1: image, v2: image } })
    const listing = await listStore(store)
    listing.delete(manifestPath('app', 'v2'))
    const sources = {
      ...{ store, listing, checkHeaders: false, isGoing: () => false, jobs: 1 },
      repositories: await readContent((await makeTree({ app: { v1: image, v2: image } })).root),
      catalog: await store.get('v2/_catalog', { limit: LARGEST_DOCUMENT }),
    }
    expect((await planDocuments(sources, { isWritten: true })).documents).toEqual([])
    store.objects.delete(manifestPath('app', 'v2'))
    const { documents } = await planDocuments(sources, { isWritten: true })
    expect(documents.map(({ expected }) => Buffer.from(expected).toString())).toEqual(['{"name":"app","tags":["v1"]}'])
  })

  it('is asked for no single tag where the listing shows all', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { v1: a, old: a } })
    await deployTree(await makeTree({ app: { v1: a, v2: b } }), store, { prune: true, force: true })
    const asked = store.log().filter(line => /^head v2\/app\/manifests\/v/.test(line))
    expect(asked).toEqual([])
    judgeStore(store)
  })
})
