import { expect, it } from 'vitest'
import { listStore } from '../../src/deploy/listing.ts'
import { createMemoryStore } from '../support/memory-store.ts'

it.each(['v2/r', 'v2/', 'v2/\u{1F600}'])(
  'a large store is listed whole, at no place in the middle of a character: %s',
  async beginning => {
    const store = createMemoryStore({ pageSize: 20 })
    for (let count = 0; count < 60; count += 1) store.set(`${beginning}${count}/manifests/t`, 'x')
    for (const face of ['\u{1F600}', '\u{1F601}', '\u{1F600}\u{1F601}']) store.set(`${beginning}${face}/x`, 'x')
    const listing = await listStore(store)
    expect([...listing.keys()].sort()).toEqual([...store.objects.keys()].sort())
    expect(store.steps.length).toBeGreaterThan(5)
    for (const { key } of store.steps) expect(() => encodeURIComponent(key)).not.toThrow()
  },
)
