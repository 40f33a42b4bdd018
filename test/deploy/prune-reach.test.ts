import { describe, expect, it } from 'vitest'
import { reachOfTags } from '../../src/deploy/prune-reach.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { LARGEST_MANIFEST } from '../../src/oci/manifest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blobPath, manifestPath } from '../../src/tree/layout.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'

const blobKey = (text: string): string => blobPath('a', digestOf(text))
const keyOf = (text: string): string => manifestPath('a', digestOf(text))

function entry(text: string, mediaType: string, algorithm: 'sha256' | 'sha512' = 'sha256'): object {
  return { mediaType, digest: digestOf(text, algorithm), size: text.length }
}

function image(config: string, ...layers: readonly string[]): string {
  const parts = layers.map(layer => entry(layer, 'application/octet-stream'))
  return JSON.stringify({ mediaType: OCI_MANIFEST, config: entry(config, 'application/json'), layers: parts })
}

function index(...manifests: readonly object[]): string {
  return JSON.stringify({ mediaType: OCI_INDEX, manifests })
}

/** Puts a manifest at its digest, and at a tag. */
function put(store: MemoryStore, text: string, tag?: string): void {
  store.set(keyOf(text), text)
  if (tag !== undefined) store.set(manifestPath('a', tag), text)
}

const amd = image('c1', 'l1', 'shared')
const arm = image('c2', 'l2', 'shared')

describe('reachOfTags', () => {
  it('follows an index to its children and their blobs, each read once', async () => {
    const store = createMemoryStore()
    const list = index(entry(amd, OCI_MANIFEST), entry(arm, OCI_MANIFEST))
    for (const text of [amd, arm]) put(store, text)
    put(store, list, 'latest')
    put(store, list, 'again')
    const { keys, unread } = await reachOfTags(store, [
      { repository: 'a', tag: 'latest' },
      { repository: 'a', tag: 'again' },
    ])
    const blobs = ['c1', 'l1', 'shared', 'c2', 'l2'].map(blobKey)
    expect(keys).toEqual(new Set([keyOf(list), keyOf(amd), keyOf(arm), ...blobs]))
    expect(unread.size).toBe(0)
    expect(store.log()).toHaveLength(4)
  })

  it('notes what is not there, and a tag that is gone needs nothing', async () => {
    const store = createMemoryStore()
    const list = index(entry(amd, OCI_MANIFEST))
    put(store, list, 'latest')
    const tags = [
      { repository: 'a', tag: 'latest' },
      { repository: 'b', tag: 'gone' },
    ]
    expect(await reachOfTags(store, tags)).toEqual({ keys: new Set([keyOf(list), keyOf(amd)]), unread: new Set() })
  })

  it('keeps a manifest that is named by its sha512 under both names', async () => {
    const store = createMemoryStore()
    const list = index(entry(amd, OCI_MANIFEST, 'sha512'))
    const other = manifestPath('a', digestOf(amd, 'sha512'))
    store.set(other, amd)
    put(store, list, 'latest')
    const { keys } = await reachOfTags(store, [{ repository: 'a', tag: 'latest' }])
    expect([...keys]).toEqual(expect.arrayContaining([other, keyOf(amd), blobKey('l1')]))
  })

  it('takes a child of unknown type as a manifest or a blob', async () => {
    const store = createMemoryStore()
    const list = index(entry(amd, 'application/vnd.other'), entry('{"a":1}', 'application/vnd.other'))
    put(store, amd)
    put(store, '{"a":1}')
    put(store, list, 'latest')
    const { keys, unread } = await reachOfTags(store, [{ repository: 'a', tag: 'latest' }])
    expect([...keys]).toEqual(expect.arrayContaining([keyOf(amd), blobKey(amd), blobKey('l1'), blobKey('{"a":1}')]))
    expect(unread.size).toBe(0)
  })

  it('asks nothing for what is at hand', async () => {
    const store = createMemoryStore()
    put(store, index(entry(amd, OCI_MANIFEST)), 'latest')
    const { keys } = await reachOfTags(store, [{ repository: 'a', tag: 'latest' }], {
      localManifest: digest => (digest === digestOf(amd) ? Buffer.from(amd) : undefined),
    })
    expect(keys.has(blobKey('l1'))).toBe(true)
    expect(store.log()).toEqual([`get ${manifestPath('a', 'latest')}`])
  })

  it.each<[string, (store: MemoryStore) => void]>([
    ['is none', store => put(store, 'x', 'latest')],
    ['is of schema 1', store => put(store, '{"schemaVersion":1}', 'latest')],
    ['is too large', store => store.set(manifestPath('a', 'latest'), Buffer.alloc(LARGEST_MANIFEST + 1))],
    [
      'has a child that is not what its name says',
      store => {
        put(store, index(entry(amd, OCI_MANIFEST)), 'latest')
        store.set(keyOf(amd), arm)
      },
    ],
  ])('keeps everything of a repository of which a manifest %s', async (_, prepare) => {
    const store = createMemoryStore()
    prepare(store)
    const { unread } = await reachOfTags(store, [{ repository: 'a', tag: 'latest' }])
    expect(unread).toEqual(new Set(['a']))
  })

  it('does not take a broken connection for a broken manifest', async () => {
    const store = createMemoryStore({ before: () => Promise.reject(new Error('broken')) })
    await expect(reachOfTags(store, [{ repository: 'a', tag: 'latest' }])).rejects.toThrow('broken')
  })
})
