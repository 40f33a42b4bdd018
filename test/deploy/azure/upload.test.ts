import { expect, test } from 'vitest'
import { blockSizeFor } from '../../../src/deploy/azure/upload.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { bytesOf, madeFile } from '../../contract/object-store-support.ts'
import { type Asked, type FakeAzure, openOn, type Said, startFakeAzure, WRITTEN } from './support.ts'

const MEBIBYTE = 1024 * 1024
const LARGE = 20 * MEBIBYTE

/** Block names in the order of a list that was committed. */
function namesIn({ body }: Asked): readonly string[] {
  return [...body.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(([, name = '']) => name)
}

function staged({ asked }: FakeAzure): ReadonlyMap<string, Buffer> {
  const blocks = asked.filter(({ query }) => query.get('comp') === 'block')
  return new Map(blocks.map(({ query, body }) => [query.get('blockid') ?? '', body]))
}

test('a large file goes in blocks that together are its bytes, and becomes a blob at one moment with its headers', async () => {
  const fake = await startFakeAzure(() => WRITTEN)
  const { store } = await openOn(fake)
  const bytes = bytesOf(LARGE)
  const object = await madeFile('v2/a', bytes, { digest: digestOf(bytes) })
  expect(await store.put(object, { condition: 'absent' })).toBe('0x2')
  expect(fake.log()).toEqual([...Array.from({ length: 4 }, () => 'PUT block'), 'PUT blocklist'])
  const commit = fake.asked.at(-1)
  if (commit === undefined) throw new Error('nothing was asked')
  const blocks = staged(fake)
  expect(Buffer.concat(namesIn(commit).map(name => blocks.get(name) ?? Buffer.alloc(0))).equals(bytes)).toBe(true)
  expect(new Set(namesIn(commit).map(({ length }) => length)).size).toBe(1)
  expect(commit.headers).toMatchObject({
    'x-ms-blob-content-type': object.contentType,
    'x-ms-blob-cache-control': object.cacheControl,
    'if-none-match': '*',
  })
  for (const { query, headers } of fake.asked)
    if (query.get('comp') === 'block') expect(headers['content-md5']).toMatch(/^[\w+/]{22}==$/)
})

test('blocks of one upload have names that no other has', async () => {
  const fake = await startFakeAzure(() => WRITTEN)
  const { store } = await openOn(fake)
  const object = await madeFile('v2/a', bytesOf(LARGE))
  await Promise.all([store.put(object), store.put(object)])
  expect(staged(fake).size).toBe(8)
})

test('wrong bytes are never made a blob', async () => {
  const fake = await startFakeAzure(() => WRITTEN)
  const { store } = await openOn(fake)
  const object = await madeFile('v2/a', bytesOf(LARGE), { digest: digestOf('others') })
  await expect(store.put(object)).rejects.toMatchObject({ code: 'digest-mismatch', side: 'source' })
  expect(fake.log()).not.toContain('PUT blocklist')
  expect(staged(fake).size).toBeLessThan(4)
})

test('four blocks are under way at once', async () => {
  let [now, most] = [0, 0]
  let release = (): void => undefined
  const four = new Promise<void>(resolve => {
    release = resolve
  })
  const fake = await startFakeAzure(async ({ query }) => {
    if (query.get('comp') === 'blocklist') return WRITTEN
    now += 1
    most = Math.max(most, now)
    if (now === 4) {
      // Time for others to come, if there were any.
      for (let turn = 0; turn < 100; turn += 1) await new Promise(resolve => setImmediate(resolve))
      release()
    }
    await four
    now -= 1
    return WRITTEN
  })
  const { store } = await openOn(fake)
  await store.put(await madeFile('v2/a', bytesOf(80 * MEBIBYTE)))
  expect(most).toBe(4)
})

test('a block that is refused ends the upload', async () => {
  const fake = await startFakeAzure((_, number) =>
    number === 1 ? { status: 403, code: 'AuthorizationFailure' } : WRITTEN,
  )
  const { store } = await openOn(fake)
  await expect(store.put(await madeFile('v2/a', bytesOf(80 * MEBIBYTE)))).rejects.toMatchObject({
    code: 'unauthorized',
  })
  expect(fake.log()).not.toContain('PUT blocklist')
  expect(fake.asked.length).toBeLessThan(10)
})

test('an upload whose blocks another one has dropped begins anew, and the sum of what was told is right', async () => {
  const lost: Said = { status: 400, code: 'InvalidBlockList' }
  let commits = 0
  const fake = await startFakeAzure(({ query }) => {
    if (query.get('comp') !== 'blocklist') return WRITTEN
    commits += 1
    return commits === 1 ? lost : WRITTEN
  })
  const { store } = await openOn(fake)
  let told = 0
  const onBytes = (count: number): void => {
    told += count
  }
  expect(await store.put(await madeFile('v2/a', bytesOf(LARGE)), { onBytes })).toBe('0x2')
  expect(staged(fake).size).toBe(8)
  expect(told).toBe(LARGE)
})

test('one that is always too late gives up', async () => {
  const fake = await startFakeAzure(({ query }) =>
    query.get('comp') === 'blocklist' ? { status: 400, code: 'InvalidBlockList' } : WRITTEN,
  )
  const { store } = await openOn(fake)
  await expect(store.put(await madeFile('v2/a', bytesOf(LARGE)))).rejects.toMatchObject({ side: 'target' })
  expect(fake.log().filter(name => name === 'PUT blocklist')).toHaveLength(5)
})

test('a small file goes in one request', async () => {
  const fake = await startFakeAzure(() => WRITTEN)
  const { store } = await openOn(fake)
  await store.put(await madeFile('v2/a', bytesOf(4 * MEBIBYTE)))
  expect(fake.log()).toEqual(['PUT blob'])
})

test.each([
  [0, 5],
  [50_000 * 5 * MEBIBYTE, 5],
  [50_000 * 5 * MEBIBYTE + 1, 6],
  [1024 ** 4, 21],
])('blocks of a file of %d bytes have %d MiB', (size, expected) => {
  expect(blockSizeFor(size)).toBe(expected * MEBIBYTE)
  expect(Math.ceil(size / blockSizeFor(size))).toBeLessThanOrEqual(50_000)
})
