import { rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { NewObject } from '../../src/deploy/store.ts'
import { type Algorithm, digestOf } from '../../src/oci/digest.ts'
import {
  bytesOf,
  expectCode,
  keysOf,
  LARGE,
  made,
  madeFile,
  madeOf,
  type OpenedStore,
  type OpenStore,
  read,
  type StoreTraits,
  servedWith,
} from './object-store-support.ts'

/** Makes an object of a file or of memory. */
type Make = (key: string, bytes: Uint8Array, more?: Partial<NewObject>) => NewObject | Promise<NewObject>

const makes: readonly (readonly [string, Make])[] = [
  ['memory', made],
  ['a file', madeFile],
]
const algorithms: readonly Algorithm[] = ['sha256', 'sha512']

/** Writes without a condition. */
export function putTests(open: OpenStore, traits: StoreTraits): void {
  const { large = LARGE } = traits
  const sizes = [0, 1, 70_000, large]
  const cases = makes.flatMap(([from, make]) => sizes.map(size => ({ from, make, size })))

  test.each(cases)('$size bytes from $from, and tells of each', async ({ make, size }) => {
    const { store, uploads } = await open()
    const bytes = bytesOf(size)
    const told: number[] = []
    const etag = await store.put(await make('v2/a', bytes), { onBytes: count => void told.push(count) })
    expect(etag).toMatch(/^[^"]+$/)
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(size)
    expect((await read(store, 'v2/a'))?.equals(bytes)).toBe(true)
    expect(await store.head('v2/a')).toMatchObject({ size, etag })
    expect((await uploads?.()) ?? 0).toBe(0)
  })

  test.each([0, 1, large])('over what is there: %d bytes', async size => {
    const { store } = await open()
    const first = await store.put(made('v2/a', bytesOf(20), { contentType: 'text/plain', cacheControl: 'no-cache' }))
    const bytes = bytesOf(size)
    const second = await store.put(await madeOf('v2/a', bytes))
    expect(second).not.toBe(first)
    expect(await store.head('v2/a')).toEqual({ size, etag: second, ...servedWith(made('', ''), traits) })
    expect((await read(store, 'v2/a'))?.equals(bytes)).toBe(true)
  })

  test.each(cases)('bytes of the digest that is said, and none else: $size from $from', async ({ make, size }) => {
    const opened = await open()
    const bytes = bytesOf(size)
    for (const algorithm of algorithms) {
      const digest = digestOf(bytes, algorithm)
      expect(await opened.store.put(await make(`v2/${algorithm}`, bytes, { digest }))).toBeDefined()
      const wrong = await make('v2/wrong', bytes, { digest: digestOf('other', algorithm) })
      await expectCode(opened.store.put(wrong), 'digest-mismatch', 'source')
      await expectCode(opened.store.put(wrong, { condition: 'absent' }), 'digest-mismatch', 'source')
    }
    await expectNothingNew(opened, ['v2/sha256', 'v2/sha512'])
  })

  test.each([9, large])('wrong bytes never over right ones: %d', async size => {
    const { store } = await open()
    await store.put(made('v2/a', 'right'))
    const wrong = await madeOf('v2/a', bytesOf(size), { digest: digestOf('right') })
    await expectCode(store.put(wrong), 'digest-mismatch', 'source')
    expect(String(await read(store, 'v2/a'))).toBe('right')
  })

  test.each([
    [10, 9],
    [9, 10],
    [0, 1],
    [1, 0],
    [large, large - 1],
    [large, large + 1],
    [large, 10],
    [10, large],
  ])('no file whose size is not the one that is said: %d, but it has %d', async (size, actual) => {
    const opened = await open()
    const object = await madeFile('v2/a', bytesOf(actual), { size })
    await expectCode(opened.store.put(object), 'size-mismatch', 'source')
    const bytes = bytesOf(actual)
    const known = await madeFile('v2/a', bytes, { size, digest: digestOf(bytes) })
    await expectCode(opened.store.put(known), 'size-mismatch', 'source')
    await expectNothingNew(opened, [])
  })

  test.each([10, large])('no file that is gone: %d bytes', async size => {
    const opened = await open()
    const object = await madeFile('v2/a', bytesOf(size))
    if ('file' in object.body) await rm(object.body.file)
    await expectCode(opened.store.put(object), ['io', 'not-found', 'size-mismatch'], 'source')
    await expectNothingNew(opened, [])
  })

  test('several at once', async () => {
    const { store } = await open()
    const objects = Array.from({ length: 40 }, (_, number) => made(`v2/${number + 10}`, bytesOf(number * 100)))
    await Promise.all(objects.map(object => store.put(object)))
    for (const { key, body } of objects) {
      expect('bytes' in body && (await read(store, key))?.equals(body.bytes), key).toBe(true)
    }
  })
}

async function expectNothingNew({ store, uploads }: OpenedStore, keys: readonly string[]): Promise<void> {
  expect(await keysOf(store)).toEqual(keys)
  expect(await store.head('v2/a')).toBeUndefined()
  expect((await uploads?.()) ?? 0).toBe(0)
}
