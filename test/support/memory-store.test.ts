import { expect, test } from 'vitest'
import type { NewObject } from '../../src/deploy/store.ts'
import { createMemoryStore, killAt } from './memory-store.ts'

/* The contract of stores is tested in test/contract; here only what a double does beyond it. */

function made(key: string, text: string): NewObject {
  const bytes = Buffer.from(text)
  return { key, size: bytes.length, contentType: 'a/b', cacheControl: 'no-cache', body: { bytes } }
}

test('it shows what it holds, with the time of its clock', async () => {
  const store = createMemoryStore()
  store.clock.now = 5000
  const etag = await store.put({ ...made('v2/a', 'one'), secret: true })
  expect(store.now()).toBe(5000)
  const bytes = Uint8Array.from(Buffer.from('one'))
  const head = { contentType: 'a/b', cacheControl: 'no-cache', size: 3, etag }
  expect(store.objects.get('v2/a')).toEqual({ ...head, bytes, secret: true, modified: 5000 })
  store.set('v2/b', 'two', { contentType: 'c/d' })
  expect([store.text('v2/a'), store.text('v2/b'), store.text('v2/c')]).toEqual(['one', 'two', undefined])
  expect(await store.head('v2/b')).toMatchObject({ contentType: 'c/d', size: 3 })
})

test('what it holds is its own: neither those who wrote nor those who read can change it', async () => {
  const store = createMemoryStore()
  const bytes = Buffer.from('one')
  await store.put({ ...made('a', 'one'), body: { bytes } })
  bytes.fill('x')
  ;(await store.get('a', { limit: 9 }))?.bytes.fill(0)
  expect(store.text('a')).toBe('one')
})

test('it counts requests as S3 would, and logs every step', async () => {
  const store = createMemoryStore({ pageSize: 2 })
  for (const key of ['a', 'b', 'c']) store.set(key, key)
  for await (const _ of store.list(''));
  await store.put(made('d', 'd'), { condition: 'absent' })
  await store.put(made('d', 'e'), { condition: { etag: 'x' } })
  await store.get('a', { limit: 1 })
  await store.copy?.('a', made('e', 'a'))
  await store.delete(['a', 'b'])
  expect(store.log()).toEqual([
    'list ',
    'list ',
    'put d absent',
    'put d etag x',
    'get a',
    'copy a e',
    'delete a',
    'delete b',
  ])
  expect(store.requests).toBe(7)
  store.forget()
  expect([store.requests, store.steps]).toEqual([0, []])
  await store.delete(Array.from({ length: 1001 }, (_, number) => `n${number}`))
  expect(store.requests).toBe(2)
})

test('two writers meet where a test wants them to', async () => {
  const one = createMemoryStore()
  const other = createMemoryStore({ objects: one.objects, clock: one.clock })
  one.before = async (op, key) => {
    if (op === 'put') await other.put(made(key, 'other'))
  }
  expect(await one.put(made('a', 'one'), { condition: 'absent' })).toBeUndefined()
  expect(one.text('a')).toBe('other')
  expect([one.log(), other.log()]).toEqual([['put a absent'], ['put a']])
})

test('a listing that has begun sees what comes after its last key, and not what comes before', async () => {
  const store = createMemoryStore({ pageSize: 1 })
  for (const key of ['b', 'd']) store.set(key, key)
  const keys: string[] = []
  for await (const { objects } of store.list('')) {
    keys.push(...objects.map(({ key }) => key))
    for (const key of ['a', 'c']) store.set(key, key)
  }
  expect(keys).toEqual(['b', 'c', 'd'])
})

test('killed: what was done before stands, and nothing is done any more', async () => {
  const store = createMemoryStore({ before: killAt(2) })
  await store.put(made('a', 'a'))
  await expect(store.delete(['a', 'b', 'c'])).rejects.toThrow('killed at step 2')
  await expect(store.put(made('d', 'd'))).rejects.toThrow('killed')
  expect([...store.objects.keys()]).toEqual([])
})

test('a step that is held ends with its signal', async () => {
  const store = createMemoryStore({ before: async () => new Promise(() => {}) })
  const controller = new AbortController()
  const put = store.put(made('a', 'a'), { signal: controller.signal })
  controller.abort()
  await expect(put).rejects.toMatchObject({ code: 'aborted' })
  expect(store.objects.size).toBe(0)
})

test('etags: MD5, those of uploads in parts, or opaque ones', async () => {
  expect(await createMemoryStore().put(made('a', 'a'))).toBe('0cc175b9c0f1b6a831c399e269772661')
  const inParts = createMemoryStore({ partSize: 1 })
  expect(await inParts.put(made('a', 'a'))).toBe('0cc175b9c0f1b6a831c399e269772661')
  expect(await inParts.put(made('a', 'ab'))).toMatch(/^[0-9a-f]{32}-2$/)
  const opaque = createMemoryStore({ etags: 'opaque' })
  const etags = [await opaque.put(made('a', 'a')), await opaque.put(made('a', 'a'))]
  expect(new Set([...etags, '0cc175b9c0f1b6a831c399e269772661']).size).toBe(3)
})

test('conditions that the store ignores or refuses', async () => {
  const ignoring = createMemoryStore({ conditions: 'ignored' })
  ignoring.set('a', 'old')
  expect(await ignoring.put(made('a', 'new'), { condition: 'absent' })).toBeDefined()
  expect(ignoring.text('a')).toBe('new')
  const refusing = createMemoryStore({ conditions: 'refused' })
  const put = refusing.put(made('a', 'new'), { condition: 'absent' })
  await expect(put).rejects.toMatchObject({ code: 'unsupported', side: 'target' })
  expect(refusing.objects.size).toBe(0)
})

test('limits, and powers that it lacks', async () => {
  const store = createMemoryStore({ limits: { largestObject: 3, longestKey: 4 }, noCopy: true, publicHost: 'h' })
  expect([store.copy, store.publicHost, 'publicHost' in createMemoryStore()]).toEqual([undefined, 'h', false])
  await expect(store.put(made('a', 'four'))).rejects.toMatchObject({ code: 'limit' })
  await expect(store.put(made('ééé', 'x'))).rejects.toMatchObject({ code: 'limit' })
  expect(await store.put(made('éé', 'x'))).toBeDefined()
})

test('the order of keys is that of their bytes', async () => {
  const store = createMemoryStore()
  const keys = ['a', 'b', 'é', '\uff5a', '😀']
  for (const key of keys.toReversed()) store.set(key, key)
  for await (const { objects } of store.list('')) expect(objects.map(({ key }) => key)).toEqual(keys)
})
