import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { keysOf, made, type OpenStore, pagesOf, type StoreTraits } from './object-store-support.ts'

/** Listings: order, prefixes, delimiters, pages. */
export function listTests(open: OpenStore, { noKeyBelowKey = false }: StoreTraits): void {
  /** In the order of keys: "-" and "." come before "/", "0"–"9" and ":" after, then capitals, "_", small letters. */
  const names = [
    'v2/_catalog',
    'v2/a-b/manifests/x',
    'v2/a.b/manifests/x',
    'v2/a/b/manifests/x',
    'v2/a/manifests/1.0',
    'v2/a/manifests/RC1',
    'v2/a/manifests/_x',
    'v2/a/manifests/rc1',
    'v2/a/manifests/sha256:00',
    'v2/a/manifests/sha256:ff',
    'v2/a0/manifests/x',
    'v2/a_b/manifests/x',
    'v2/ab/manifests/x',
  ]
  const fill = async (keys: readonly string[]): ReturnType<OpenStore> => {
    const opened = await open()
    for (const key of keys.toReversed()) await opened.store.put(made(key, key))
    return opened
  }

  test('nothing where there is nothing', async () => {
    const { store } = await open()
    const pages = await pagesOf(store.list('v2/', { delimiter: '/' }))
    expect(pages.flatMap(({ objects, prefixes }) => [...objects, ...prefixes])).toEqual([])
    expect(await keysOf(store)).toEqual([])
  })

  test('all objects in the order of keys, with their sizes and etags', async () => {
    const { store } = await fill(names)
    const objects = (await pagesOf(store.list(''))).flatMap(page => page.objects)
    expect(objects.map(({ key }) => key)).toEqual(names)
    for (const { key, size, etag, md5 } of objects) {
      expect(size).toBe(key.length)
      expect((await store.head(key))?.etag).toBe(etag)
      expect(etag).toMatch(/^[^"]+$/)
      if (md5 !== undefined) expect(md5).toBe(hash('md5', key))
    }
    expect((await pagesOf(store.list(''))).flatMap(page => page.prefixes)).toEqual([])
  })

  test.each([
    ['v2/a/', 3, 10],
    ['v2/a', 1, 13],
    ['v2/a/manifests/sha256:', 8, 10],
    ['v2/a/manifests/sha256:ff', 9, 10],
    ['v2/_', 0, 1],
    ['v2/b', 0, 0],
    ['/v2', 0, 0],
    ['manifests/', 0, 0],
  ])('those that begin with %j', async (prefix, start, end) => {
    const { store } = await fill(names)
    expect(await keysOf(store, prefix)).toEqual(names.slice(start, end))
  })

  test('with a delimiter what stands below each prefix as one', async () => {
    const { store } = await fill(names)
    const list = async (prefix: string): Promise<readonly (readonly string[])[]> => {
      const pages = await pagesOf(store.list(prefix, { delimiter: '/' }))
      return [pages.flatMap(page => page.objects.map(({ key }) => key)), pages.flatMap(page => page.prefixes)]
    }
    const folders = ['v2/a-b/', 'v2/a.b/', 'v2/a/', 'v2/a0/', 'v2/a_b/', 'v2/ab/']
    expect(await list('')).toEqual([[], ['v2/']])
    expect(await list('v2/')).toEqual([['v2/_catalog'], folders])
    expect(await list('v2/a')).toEqual([[], folders])
    expect(await list('v2/a/')).toEqual([[], ['v2/a/b/', 'v2/a/manifests/']])
    expect(await list('v2/a/manifests/')).toEqual([names.slice(4, 10), []])
    expect(await list('v2/a/manifests/sha256:ff')).toEqual([['v2/a/manifests/sha256:ff'], []])
  })

  test('keys with characters that queries, XML and URLs treat apart', async () => {
    const keys = ['v2/x &+%41=é<"\'>/(b)*!~;,@$', 'v2/y']
    const { store } = await fill(keys)
    const [odd = ''] = keys
    const size = Buffer.byteLength(odd)
    expect(await keysOf(store)).toEqual(keys)
    expect(await keysOf(store, odd)).toEqual([odd])
    expect((await store.get(odd, { limit: 99 }))?.size).toBe(size)
    const head = { size, contentType: 'text/plain', cacheControl: 'no-cache' }
    expect((await store.copy?.(odd, { key: 'v2/z', ...head })) ?? true).toBe(true)
    await store.delete([odd])
    expect(await store.head(odd)).toBeUndefined()
  })

  test('more than a page of them, each once, and deletes more than 1,000', async () => {
    const { store } = await open()
    const keys = Array.from({ length: 1203 }, (_, number) => `v2/app/manifests/t${String(number).padStart(4, '0')}`)
    const left = [...keys]
    const work = async (): Promise<void> => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) await store.put(made(key, key))
    }
    await Promise.all(Array.from({ length: 16 }, work))
    await store.put(made('v2/b/manifests/x', 'x'))
    const pages = await pagesOf(store.list('v2/app/'))
    expect(pages.length).toBeGreaterThan(1)
    expect(pages.flatMap(page => page.objects.map(({ key }) => key))).toEqual(keys)
    expect((await pagesOf(store.list('v2/', { delimiter: '/' }))).flatMap(page => page.prefixes)).toEqual([
      'v2/app/',
      'v2/b/',
    ])
    await store.delete(keys)
    expect(await keysOf(store)).toEqual(['v2/b/manifests/x'])
  })

  if (noKeyBelowKey) return // file systems behind a store have files or folders of a name

  test('a key that is a folder of others too', async () => {
    const { store } = await fill(['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0'])
    expect(await keysOf(store)).toEqual(['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0'])
    const pages = await pagesOf(store.list('a', { delimiter: '/' }))
    expect(pages.flatMap(({ prefixes }) => prefixes)).toEqual(['a/'])
    expect(pages.flatMap(({ objects }) => objects.map(({ key }) => key))).toEqual(['a', 'a-b', 'a.b', 'a0'])
  })
}
