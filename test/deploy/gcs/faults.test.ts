import { expect, test } from 'vitest'
import { digestOf } from '../../../src/oci/digest.ts'
import { bytesOf, expectCode, keysOf, made, madeFile, read } from '../../contract/object-store-support.ts'
import type { GcsFault } from '../../support/gcs-server.ts'
import { openUploads } from '../../support/gcs-server-uploads.ts'
import { CHUNK, startStore } from './support.ts'

const passing: readonly GcsFault['kind'][] = [408, 429, 500, 502, 503, 504, 'reset-unread', 'reset-answering']

test.each(passing)('every call goes through after %s, and says so', async kind => {
  const { store, server, events, paused } = await startStore()
  const again = async <T>(call: () => Promise<T>, operation?: string): Promise<T> => {
    server.faults.push({ kind, ...(operation === undefined ? {} : { operation }) })
    const [told, slept] = [events.length, paused.length]
    const result = await call()
    expect(server.faults).toEqual([])
    expect(events.slice(told)).toEqual([expect.objectContaining({ type: 'retry', what: 'gs://bucket' })])
    expect(paused.length).toBe(slept + 1)
    return result
  }
  expect(await again(() => store.put(made('v2/a', 'a')))).toBeDefined()
  expect(await again(() => store.head('v2/a'))).toMatchObject({ size: 1 })
  expect(await again(() => store.get('v2/a', { limit: 9 }), 'media')).toMatchObject({ size: 1 })
  const copied = { key: 'v2/b', size: 1, contentType: 'a/b', cacheControl: 'no-cache' }
  expect(await again(async () => store.copy?.('v2/a', copied), 'rewrite')).toBe(true)
  expect(await again(() => keysOf(store))).toEqual(['v2/a', 'v2/b'])
  await again(() => store.delete(['v2/a']))
  const bytes = bytesOf(3 * CHUNK + 5)
  const large = await madeFile('v2/large', bytes, { digest: digestOf(bytes) })
  for (const operation of ['begin', 'chunk']) {
    const told: number[] = []
    expect(await again(() => store.put(large, { onBytes: count => void told.push(count) }), operation)).toBeDefined()
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(bytes.length)
    expect((await read(store, 'v2/large'))?.equals(bytes)).toBe(true)
  }
})

test('waits as long as it is asked to, and no longer than a minute', async () => {
  const { store, server, paused } = await startStore()
  server.faults.push({ kind: 429, retryAfter: '7' })
  await store.put(made('v2/a', 'a'))
  expect(paused).toEqual([7000])
  server.faults.push({ kind: 503, retryAfter: '3600' })
  await expectCode(store.put(made('v2/a', 'a')), 'rate-limited', 'target')
})

test('gives up in the end', async () => {
  const { store, server, paused } = await startStore()
  for (let count = 0; count < 20; count += 1) server.faults.push({ kind: 503 })
  await expectCode(store.head('v2/a'), 'unreachable', 'target')
  expect(paused).toHaveLength(7)
})

test('a write whose answer was lost may have happened: then its condition does not hold', async () => {
  const { store, server } = await startStore()
  server.faults.push({ kind: 'reset-answering', operation: 'multipart' })
  expect(await store.put(made('v2/a', 'a'), { condition: 'absent' })).toBeUndefined()
  expect(String(await read(store, 'v2/a'))).toBe('a')
})

test('an upload whose last answer was lost is known to have happened by its session', async () => {
  const { store, server } = await startStore()
  const bytes = bytesOf(2 * CHUNK + 1)
  const object = await madeFile('v2/a', bytes)
  // The third chunk is the last one.
  let chunks = 0
  const onBytes = (): void => {
    chunks += 1
    if (chunks === 2) server.faults.push({ kind: 'reset-answering', operation: 'chunk' })
  }
  const etag = await store.put(object, { condition: 'absent', onBytes })
  expect(etag).toBe((await store.head('v2/a'))?.etag)
  expect(openUploads(server.bucket)).toBe(0)
})

test('a session that has all bytes and not yet the object is asked again', async () => {
  const { store, server } = await startStore()
  const bytes = bytesOf(2 * CHUNK + 1)
  let chunks = 0
  const onBytes = (): void => {
    chunks += 1
    if (chunks === 2) server.faults.push({ kind: 'unfinished', operation: 'chunk' })
  }
  const etag = await store.put(await madeFile('v2/a', bytes), { onBytes })
  expect(etag).toBe((await store.head('v2/a'))?.etag)
  expect(server.ranges.at(-1)).toBe(`bytes */${bytes.length}`)
})

test.each([
  ['nothing', 0, 0],
  ['a part that is kept', 300 * 1024, 256 * 1024],
  ['less than is kept', 100, 0],
])('a chunk of which %s arrives goes on from where it is', async (_, keep, kept) => {
  const { store, server } = await startStore()
  const size = 2 * CHUNK + 77
  const bytes = bytesOf(size)
  server.faults.push({ kind: 'cut', operation: 'chunk', keep })
  await store.put(await madeFile('v2/a', bytes, { digest: digestOf(bytes) }))
  expect((await read(store, 'v2/a'))?.equals(bytes)).toBe(true)
  expect(server.ranges).toEqual([
    `bytes 0-${CHUNK - 1}/${size}`,
    `bytes */${size}`,
    `bytes ${kept}-${CHUNK - 1}/${size}`,
    `bytes ${CHUNK}-${2 * CHUNK - 1}/${size}`,
    `bytes ${2 * CHUNK}-${size - 1}/${size}`,
  ])
})

test.each([404, 410])('a session that is lost (%d) is begun anew', async kind => {
  const { store, server } = await startStore()
  const bytes = bytesOf(2 * CHUNK + 77)
  server.faults.push({ kind, operation: 'chunk' })
  const told: number[] = []
  await store.put(await madeFile('v2/a', bytes), { onBytes: count => void told.push(count) })
  expect((await read(store, 'v2/a'))?.equals(bytes)).toBe(true)
  expect(server.log.filter(line => line.startsWith('begin'))).toHaveLength(2)
  expect(told.reduce((sum, count) => sum + count, 0)).toBe(bytes.length)
  for (let count = 0; count < 3; count += 1) server.faults.push({ kind, operation: 'chunk' })
  await expectCode(store.put(await madeFile('v2/a', bytes)), ['not-found', 'bad-answer'], 'target')
})

test.each([10, 2 * CHUNK + 77])('bytes that change on the way are not kept: %d', async size => {
  const { store, server } = await startStore()
  await store.put(made('v2/a', 'before'))
  const [bytes, operation] = [bytesOf(size), size > CHUNK ? 'chunk' : 'multipart']
  server.faults.push({ kind: 'corrupt', operation })
  const object = await madeFile('v2/a', size > CHUNK ? bytes : bytesOf(400_000))
  await expectCode(store.put(object), 'bad-answer', 'target')
  expect(String(await read(store, 'v2/a'))).toBe('before')
  expect(openUploads(server.bucket)).toBe(0)
})

test('where the service compares nothing with the last chunk, what came is taken away again', async () => {
  const { store, server } = await startStore()
  const object = await madeFile('v2/a', bytesOf(2 * CHUNK + 300 * 1024))
  let chunks = 0
  const onBytes = (): void => {
    chunks += 1
    if (chunks === 2) server.faults.push({ kind: 'corrupt-unchecked', operation: 'chunk' })
  }
  await expectCode(store.put(object, { onBytes }), 'bad-answer', 'target')
  expect(await keysOf(store)).toEqual([])
})

test('the last chunk is not sent before all bytes are known to be right', async () => {
  const { store, server } = await startStore()
  const object = await madeFile('v2/a', bytesOf(2 * CHUNK), { digest: digestOf('other') })
  await expectCode(store.put(object), 'digest-mismatch', 'source')
  expect(server.log.filter(line => line.startsWith('chunk'))).toHaveLength(1)
  expect(server.log.at(-1)).toMatch(/^cancel/)
})

test('chunks go to the session, where it leads, and nobody says there who asks', async () => {
  const { store, server } = await startStore(
    { tokens: ['good'] },
    { authorize: async () => ({ authorization: 'Bearer good' }) },
  )
  const bytes = bytesOf(2 * CHUNK)
  expect(await store.put(await madeFile('v2/a', bytes))).toBeDefined()
  expect(server.log).toEqual(['begin v2/a', 'chunk v2/a', 'chunk v2/a'])
})

test('a token that is refused is asked for anew, once', async () => {
  const given: boolean[] = []
  const authorize = async (renew: boolean): Promise<Readonly<Record<string, string>>> => {
    given.push(renew)
    return { authorization: `Bearer ${renew ? 'new' : 'old'}` }
  }
  const { store } = await startStore({ tokens: ['new'] }, { authorize })
  expect(await store.put(made('v2/a', 'a'))).toBeDefined()
  expect(given).toEqual([false, true])
  const never = await startStore({ tokens: ['another'] }, { authorize })
  await expectCode(never.store.put(made('v2/a', 'a')), 'unauthorized', 'target')
})

test('a page for people is not taken for the service', async () => {
  const { store, server } = await startStore()
  server.faults.push({ kind: 'page' })
  const failed = await store.head('v2/a').catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'bad-answer', hint: expect.stringContaining('--gcs-endpoint') })
})

test.each([
  [
    { kind: 403, message: 'x does not have storage.objects.create access' },
    'unauthorized',
    /roles\/storage\.objectUser/,
  ],
  [{ kind: 403, message: 'The billing account is disabled', reason: 'accountDisabled' }, 'unauthorized', /billing/],
  [{ kind: 403, message: 'Object is subject to a retention policy' }, 'conflict', /retention/],
  [{ kind: 412, message: 'constraint', reason: 'orgPolicyConstraintFailed' }, 'unauthorized', /organisation/],
  [{ kind: 404, message: 'The specified bucket does not exist.' }, 'not-found', /setup/],
] as const)('says the way out of %j', async (fault, code, hint) => {
  const { store, server } = await startStore()
  server.faults.push(fault)
  const failed = await store.put(made('v2/a', 'a'), { condition: 'absent' }).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code, side: 'target', hint: expect.stringMatching(hint) })
})

test('a bucket that is not there is not an object that is not there', async () => {
  const { store } = await startStore({}, { bucket: 'nobody' })
  await expectCode(store.head('v2/a'), 'not-found', 'target')
  await expectCode(keysOf(store), 'not-found', 'target')
  await expectCode(store.delete(['v2/a']), 'not-found', 'target')
})

test('tells its own clock', async () => {
  const { store, server } = await startStore()
  server.clockOffset = 600_000
  await store.head('v2/a')
  expect(Math.abs(store.now() - Date.now() - 600_000)).toBeLessThan(60_000)
})

test('an object that others write between its headers and its bytes is read whole', async () => {
  const { store, server } = await startStore()
  await store.put(made('v2/a', 'one'))
  server.faults.push({ kind: 404, operation: 'media' })
  expect(String((await store.get('v2/a', { limit: 9 }))?.bytes)).toBe('one')
  expect(server.log.filter(line => line === 'head v2/a')).toHaveLength(2)
})
