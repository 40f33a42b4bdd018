import { describe, expect, onTestFinished, test } from 'vitest'
import { conditionTests } from './object-store-conditions.ts'
import { listTests } from './object-store-lists.ts'
import {
  bytesOf,
  expectCode,
  FOREVER,
  JSON_TYPE,
  keysOf,
  LARGE,
  made,
  madeOf,
  type OpenedStore,
  type OpenStore,
  read,
  type StoreTraits,
  servedWith,
} from './object-store-support.ts'
import { putTests } from './object-store-writes.ts'

/** The suite that every ObjectStore must pass. `open` gives an empty store each time, which the suite closes. */
export function describeObjectStore(name: string, open: OpenStore, traits: StoreTraits = {}): void {
  const opened = async (): Promise<OpenedStore> => {
    const found = await open()
    onTestFinished(async () => {
      await found.store.close()
      await found.close?.()
    })
    return found
  }
  describe(`${name} as a store of objects`, () => {
    describe('says what it is', () => selfTests(opened, traits))
    describe('lists', () => listTests(opened, traits))
    describe('reads', () => readTests(opened, traits))
    describe('writes', () => putTests(opened, traits))
    describe('writes under a condition', () => conditionTests(opened, traits))
    describe('copies', () => copyTests(opened, traits))
    describe('deletes', () => deleteTests(opened))
    describe('is interrupted', () => abortTests(opened, traits))
    if (traits.asksForAcl === true) describe('keeps secrets', () => secretTests(opened, traits))
  })
}

function selfTests(open: OpenStore, { large = LARGE }: StoreTraits): void {
  test('has a title of one line, and limits that hold a registry', async () => {
    const { store } = await open()
    expect(store.title).toMatch(/^\S.*$/)
    expect(store.limits.largestObject).toBeGreaterThan(LARGE)
    expect(store.limits.longestKey).toBeGreaterThanOrEqual(512)
  })

  test('has a clock that does not go back', async () => {
    const { store } = await open()
    await store.put(made('v2/a', 'a'))
    const first = store.now()
    expect(first).toBeGreaterThan(Date.UTC(2020, 0, 1))
    await store.head('v2/a')
    // Stores tell the time in whole seconds.
    expect(store.now()).toBeGreaterThanOrEqual(first - 1000)
  })

  test('has nothing to sweep where nothing was cut off', async () => {
    const { store } = await open()
    await store.put(await madeOf('v2/a', bytesOf(large)))
    expect((await store.sweep?.()) ?? 0).toBe(0)
    expect(await keysOf(store)).toEqual(['v2/a'])
  })
}

function readTests(open: OpenStore, traits: StoreTraits): void {
  const { folderType, noFolderKeys = false } = traits

  test('nothing where there is nothing', async () => {
    const { store } = await open()
    await store.put(made('v2/app/blobs/other', 'x'))
    for (const key of ['v2/app/blobs/othe', 'v2/app/blobs/other2', 'v2/app/blobs', 'nothing']) {
      expect(await store.head(key), key).toBeUndefined()
      expect(await store.get(key, { limit: 10 }), key).toBeUndefined()
    }
  })

  test('exactly the headers that were asked for, by head and by get, and the same etag everywhere', async () => {
    const { store } = await open()
    const heads = [
      { key: 'v2/app/manifests/latest', contentType: JSON_TYPE, cacheControl: 'no-cache, max-age=0' },
      { key: 'v2/app/manifests/1.0.html', contentType: 'application/json', cacheControl: FOREVER },
      { key: 'v2/app/blobs/x.gz', contentType: 'application/octet-stream', cacheControl: 'public, max-age=60' },
    ]
    for (const head of heads) {
      const etag = await store.put(made(head.key, head.key, head))
      const served = { ...servedWith(head, traits), size: head.key.length, etag }
      expect(await store.head(head.key)).toEqual(served)
      const { bytes, ...rest } = (await store.get(head.key, { limit: 100 })) ?? {}
      expect(rest).toEqual(served)
      expect(Buffer.from(bytes ?? []).toString()).toBe(head.key)
    }
  })

  test('an object of as many bytes as the limit, and none of more', async () => {
    const { store } = await open()
    await store.put(made('v2/a', '12345'))
    expect((await store.get('v2/a', { limit: 5 }))?.size).toBe(5)
    await expectCode(store.get('v2/a', { limit: 4 }), 'bad-answer', 'target')
  })

  test('an object of zero bytes whose key ends in "/"', async () => {
    const { store } = await open()
    if (noFolderKeys) {
      await expectCode(store.put(made('v2/', '')), 'name-invalid', 'target')
      expect(await store.head('v2/')).toBeUndefined()
      return
    }
    const etag = await store.put(made('v2/', '', { contentType: 'application/json' }))
    await store.put(made('v2/app/tags/list', '{}'))
    const contentType = folderType ?? 'application/json'
    expect(await store.head('v2/')).toMatchObject({ size: 0, etag, contentType })
    expect(await store.get('v2/', { limit: 0 })).toMatchObject({ size: 0, contentType })
    expect(await keysOf(store, 'v2/')).toEqual(['v2/', 'v2/app/tags/list'])
  })
}

function copyTests(open: OpenStore, traits: StoreTraits): void {
  const { large = LARGE } = traits
  const to = { contentType: 'application/octet-stream', cacheControl: 'no-cache' }
  const served = servedWith(to, traits)
  const servedAsMade = servedWith(made('', ''), traits)

  test.each([0, 1, large])('an object of %d bytes, with the headers of its own', async size => {
    const { store } = await open()
    if (store.copy === undefined) return
    const bytes = bytesOf(size)
    await store.put(await madeOf('v2/a/blobs/sha256:ab', bytes))
    expect(await store.copy('v2/a/blobs/sha256:ab', { key: 'v2/b/c/blobs/sha256:ab', size, ...to })).toBe(true)
    expect(await store.head('v2/b/c/blobs/sha256:ab')).toMatchObject({ size, ...served })
    expect((await read(store, 'v2/b/c/blobs/sha256:ab'))?.equals(bytes)).toBe(true)
    expect(await store.head('v2/a/blobs/sha256:ab')).toMatchObject(servedAsMade)
  })

  test('onto another object, and onto itself to change its headers', async () => {
    const { store } = await open()
    if (store.copy === undefined) return
    await store.put(made('v2/a', 'one'))
    await store.put(made('v2/b', 'other'))
    expect(await store.copy('v2/a', { key: 'v2/b', size: 3, ...to })).toBe(true)
    expect(await store.get('v2/b', { limit: 9 })).toMatchObject({ size: 3, ...served })
    expect(await store.copy('v2/a', { key: 'v2/a', size: 3, ...to })).toBe(true)
    expect(await store.head('v2/a')).toMatchObject({ size: 3, ...served })
    expect(String(await read(store, 'v2/a'))).toBe('one')
  })

  test('nothing that is not there, or that is of another size', async () => {
    const { store } = await open()
    if (store.copy === undefined) return
    await store.put(made('v2/a', 'four'))
    await store.put(made('v2/old', 'old'))
    for (const key of ['v2/new', 'v2/old']) {
      expect(await store.copy('v2/absent', { key, size: 4, ...to })).toBe(false)
      expect(await store.copy('v2/a', { key, size: 5, ...to })).toBe(false)
      expect(await store.copy('v2/a', { key, size: 3, ...to })).toBe(false)
    }
    expect(await keysOf(store)).toEqual(['v2/a', 'v2/old'])
    expect(String(await read(store, 'v2/old'))).toBe('old')
    expect(await store.head('v2/old')).toMatchObject(servedAsMade)
  })
}

function deleteTests(open: OpenStore): void {
  test('what it is given and nothing else, be it there or not', async () => {
    const { store } = await open()
    const keys = ['v2/a/b', 'v2/a/bc', 'v2/a/c/d', 'v2/e', 'w']
    for (const key of keys) await store.put(made(key, key))
    await store.delete([])
    expect(await keysOf(store)).toEqual(keys)
    await store.delete(['v2/a/b', 'v2/absent', 'v2/a/c/d', 'absent'])
    expect(await keysOf(store)).toEqual(['v2/a/bc', 'v2/e', 'w'])
    await store.delete(['v2/a/b'])
    await store.delete(['v2/e'])
    expect(await keysOf(store)).toEqual(['v2/a/bc', 'w'])
    expect(await store.head('v2/e')).toBeUndefined()
  })
}

function abortTests(open: OpenStore, { large = LARGE }: StoreTraits): void {
  test('before it begins: every call fails with aborted, and nothing happens', async () => {
    const { store } = await open()
    await store.put(made('v2/a', 'a'))
    const signal = AbortSignal.abort()
    await expectCode(store.list('', { signal })[Symbol.asyncIterator]().next(), 'aborted')
    await expectCode(store.head('v2/a', { signal }), 'aborted')
    await expectCode(store.get('v2/a', { signal, limit: 9 }), 'aborted')
    await expectCode(store.put(made('v2/b', 'b'), { signal }), 'aborted')
    await expectCode(store.delete(['v2/a'], { signal }), 'aborted')
    const copied = { key: 'v2/c', size: 1, contentType: JSON_TYPE, cacheControl: FOREVER }
    if (store.copy !== undefined) await expectCode(store.copy('v2/a', copied, { signal }), 'aborted')
    expect(await keysOf(store)).toEqual(['v2/a'])
  })

  test('while a large object is on its way: it leaves nothing', async () => {
    const { store, uploads } = await open()
    const controller = new AbortController()
    const onBytes = (): void => controller.abort()
    const { signal } = controller
    await expectCode(store.put(await madeOf('v2/large', bytesOf(large)), { signal, onBytes }), 'aborted')
    expect(await store.head('v2/large')).toBeUndefined()
    expect(await keysOf(store)).toEqual([])
    expect((await uploads?.()) ?? 0).toBe(0)
  })
}

function secretTests(open: OpenStore, { large = LARGE }: StoreTraits): void {
  test('no access list for what is not for the public, sent whole, in parts or copied', async () => {
    const { store, acl } = await open()
    for (const [key, size] of [['small', 3] as const, ['large', large] as const]) {
      await store.put(await madeOf(`v2/${key}`, bytesOf(size)))
      await store.put(await madeOf(`.registrish/${key}`, bytesOf(size), { secret: true }))
      const head = { size, contentType: JSON_TYPE, cacheControl: FOREVER }
      expect(await store.copy?.(`v2/${key}`, { key: `v2/copied/${key}`, ...head })).not.toBe(false)
      expect(await store.copy?.(`v2/${key}`, { key: `.registrish/copied/${key}`, ...head, secret: true })).not.toBe(
        false,
      )
      expect(await acl?.(`v2/${key}`)).toBe('public-read')
      expect(await acl?.(`.registrish/${key}`)).toBeUndefined()
      if (store.copy === undefined) continue
      expect(await acl?.(`v2/copied/${key}`)).toBe('public-read')
      expect(await acl?.(`.registrish/copied/${key}`)).toBeUndefined()
    }
  })
}
