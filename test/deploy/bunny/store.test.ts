import { expect, test } from 'vitest'
import { digestOf } from '../../../src/oci/digest.ts'
import { bytesOf, expectCode, keysOf, made, madeFile, read } from '../../contract/object-store-support.ts'
import type { BunnyFault } from '../../support/bunny-server.ts'
import { startStore } from './support.ts'

const passing: readonly BunnyFault['kind'][] = [408, 429, 500, 502, 503, 504, 'reset-unread', 'reset-answering']

test.each(passing)('every call goes through after %s, and says so', async kind => {
  const { store, server, events } = await startStore()
  const again = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
    server.faults.push({ kind, operation })
    const told = events.length
    const result = await call()
    expect(server.faults).toEqual([])
    expect(events.slice(told)).toEqual([expect.objectContaining({ type: 'retry', what: 'bunny://zone' })])
    return result
  }
  const bytes = bytesOf(3_000_000)
  const large = await madeFile('v2/large', bytes, { digest: digestOf(bytes) })
  const told: number[] = []
  await again('put', () => store.put(large, { onBytes: count => void told.push(count) }))
  expect(told.reduce((sum, count) => sum + count, 0)).toBe(bytes.length)
  expect((await read(store, 'v2/large'))?.equals(bytes)).toBe(true)
  await store.put(made('v2/a', 'a'))
  expect(await again('describe', () => store.head('v2/a'))).toMatchObject({ size: 1 })
  expect(await again('get', () => store.get('v2/a', { limit: 9 }))).toMatchObject({ size: 1 })
  expect(await again('list', () => keysOf(store))).toEqual(['v2/a', 'v2/large'])
  await again('delete', () => store.delete(['v2/a']))
  expect(await keysOf(store)).toEqual(['v2/large'])
})

test('says which bytes it sends, and what they are to be served as', async () => {
  const { store, server } = await startStore()
  const digest = digestOf('{}')
  await store.put(made('v2/app/manifests/latest', '{}', { digest }))
  expect(server.files.get('v2/app/manifests/latest')).toMatchObject({
    contentType: 'application/vnd.oci.image.manifest.v1+json',
  })
  expect(await store.head('v2/app/manifests/latest')).toMatchObject({ etag: digest.slice('sha256:'.length) })
})

test('bytes that change on the way are not kept', async () => {
  const { store, server } = await startStore()
  await store.put(made('v2/a', 'before'))
  server.faults.push({ kind: 'corrupt', operation: 'put' })
  await expectCode(store.put(made('v2/a', 'after')), 'bad-answer', 'target')
  expect(String(await read(store, 'v2/a'))).toBe('before')
})

test('a write under a condition is refused before it is sent', async () => {
  const { store, server } = await startStore()
  await expectCode(store.put(made('v2/a', 'a'), { condition: 'absent' }), 'unsupported', 'target')
  expect(server.log).toEqual([])
})

test.each(['v2/index.html', 'v2/index.html/manifests/latest', 'v2//a', 'v2/../a', 'v2/a/'])(
  '%s is no file of a zone, which is said before anything is sent',
  async key => {
    const { store, server } = await startStore()
    await expectCode(store.put(made(key, key.endsWith('/') ? '' : 'a')), 'limit', 'target')
    expect(server.log).toEqual([])
  },
)

test('a folder is never deleted, whatever is asked for', async () => {
  const { store, server } = await startStore()
  await store.put(made('v2/', ''))
  for (const key of ['v2/app/manifests/latest', 'v2/app/tags/list']) await store.put(made(key, key))
  await store.delete(['v2/app', 'v2/app/manifests', 'v2'])
  expect(server.log.filter(line => line.startsWith('delete'))).toEqual([])
  for (const key of ['v2/app/', 'v2//app', 'v2/../v2', '/']) await expectCode(store.delete([key]), 'limit', 'target')
  expect(await keysOf(store)).toEqual(['v2/', 'v2/app/manifests/latest', 'v2/app/tags/list'])
  await store.delete(['v2/'])
  expect(await keysOf(store)).toEqual(['v2/app/manifests/latest', 'v2/app/tags/list'])
  expect(server.deletedFolders).toEqual([])
})

test('the key v2/ is the index of the folder, and no other key is', async () => {
  const { store, server } = await startStore()
  await store.put(made('v2/', '', { contentType: 'application/json' }))
  await store.put(made('v2/app/manifests/index.html', 'x'))
  expect([...server.files.keys()]).toEqual(['v2/index.html', 'v2/app/manifests/index.html'])
  expect(await keysOf(store)).toEqual(['v2/', 'v2/app/manifests/index.html'])
  await expectCode(store.put(made('v2/index.html', 'x')), 'limit', 'target')
})

test('a file that others write between what is said of it and its bytes is read whole', async () => {
  const { store, server } = await startStore()
  await store.put(made('v2/a', 'one'))
  for (const kind of [404, 'other-bytes'] as const) {
    server.faults.push({ kind, operation: 'get' })
    expect(String((await store.get('v2/a', { limit: 9 }))?.bytes)).toBe('one')
  }
  expect(server.log.filter(line => line === 'get v2/a')).toHaveLength(4)
})

test('files without a checksum are listed and read all the same', async () => {
  const { store } = await startStore({ noChecksum: true })
  await store.put(made('v2/a', 'one'))
  expect(await keysOf(store)).toEqual(['v2/a'])
  const [head, content] = [await store.head('v2/a'), await store.get('v2/a', { limit: 9 })]
  expect(content).toMatchObject({ etag: head?.etag, size: 3 })
})

test('a wrong password, or another zone', async () => {
  const { store } = await startStore({}, { password: 'wrong' })
  const failed = await store.put(made('v2/a', 'a')).catch((error: unknown) => error)
  expect(failed).toMatchObject({
    code: 'unauthorized',
    side: 'target',
    hint: expect.stringMatching(/BUNNY_STORAGE_PASSWORD.*--bunny-region/),
  })
  expect(String(failed)).not.toContain('wrong')
  await expectCode(keysOf(store), 'unauthorized', 'target')
})

test('a page for people is not taken for the zone', async () => {
  const { store, server } = await startStore()
  server.faults.push({ kind: 'page' })
  await expectCode(store.head('v2/a'), 'bad-answer', 'target')
  await store.put(made('v2/a', 'a'))
  server.faults.push({ kind: 'page', status: 404 })
  await expectCode(keysOf(store, 'v2/'), 'bad-answer', 'target')
})

test('waits as long as it is asked to', async () => {
  const { store, server, paused } = await startStore()
  server.faults.push({ kind: 429, retryAfter: '7' })
  await store.put(made('v2/a', 'a'))
  expect(paused).toEqual([7000])
})
