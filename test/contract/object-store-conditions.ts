import { expect, test } from 'vitest'
import type { Condition } from '../../src/deploy/store.ts'
import { bytesOf, keysOf, LARGE, made, madeOf, type OpenStore, read, type StoreTraits } from './object-store-support.ts'

/** Writes that happen only if something holds. */
export function conditionTests(open: OpenStore, { racy = false, large = LARGE, noHeaders = false }: StoreTraits): void {
  const rows = [11, large].flatMap(size =>
    (size === large ? [undefined, 12] : [undefined, 12, large]).flatMap(there =>
      (['absent', 'its etag', 'the etag before', 'another etag'] as const).map(wanted => ({ size, there, wanted })),
    ),
  )

  test.each(rows)('$size bytes where there are $there, if it is $wanted', async ({ size, there, wanted }) => {
    const { store, uploads } = await open()
    const before = await store.put(made('v2/a', 'before'))
    const old = there === undefined ? undefined : bytesOf(there)
    const etag = old === undefined ? undefined : await store.put(await madeOf('v2/a', old))
    if (old === undefined) await store.delete(['v2/a'])
    const conditions: Readonly<Record<typeof wanted, Condition>> = {
      absent: 'absent',
      'its etag': { etag: etag ?? 'd41d8cd98f00b204e9800998ecf8427e' },
      'the etag before': { etag: before ?? '' },
      'another etag': { etag: '0123456789abcdef0123456789abcdef' },
    }
    const bytes = bytesOf(size)
    const object = await madeOf('v2/a', bytes, { contentType: 'text/plain' })
    const written = await store.put(object, { condition: conditions[wanted] })
    const holds = old === undefined ? wanted === 'absent' : wanted === 'its etag'
    if (holds) expect(written).toBe((await store.head('v2/a'))?.etag)
    else expect(written).toBeUndefined()
    const now = await read(store, 'v2/a')
    expect(holds ? now?.equals(bytes) : old === undefined ? now === undefined : now?.equals(old)).toBe(true)
    const type = holds ? 'text/plain' : old === undefined ? undefined : made('', '').contentType
    expect((await store.head('v2/a'))?.contentType).toBe(noHeaders ? undefined : type)
    expect(await keysOf(store)).toEqual(type === undefined ? [] : ['v2/a'])
    expect((await uploads?.()) ?? 0).toBe(0)
  })

  test('by the etags of listings and of reads as well', async () => {
    const { store } = await open()
    await store.put(made('v2/a', 'one'))
    for await (const { objects } of store.list('v2/a')) {
      for (const { key, etag } of objects)
        expect(await store.put(made(key, 'two'), { condition: { etag } })).toBeDefined()
    }
    const etag = (await store.get('v2/a', { limit: 9 }))?.etag ?? ''
    expect(await store.put(made('v2/a', 'three'), { condition: { etag } })).toBeDefined()
    expect(await store.put(made('v2/a', 'four'), { condition: { etag } })).toBeUndefined()
    expect(String(await read(store, 'v2/a'))).toBe('three')
  })

  if (racy) return // what it promises is no more than that: the last test is for those that promise all

  test('of many writers at once exactly one, and it is told so', async () => {
    const { store } = await open()
    let condition: Condition = 'absent'
    for (let round = 0; round < 5; round += 1) {
      const texts = Array.from({ length: 8 }, (_, writer) => `round ${round}, writer ${writer}`)
      const held: Condition = condition
      const etags: readonly (string | undefined)[] = await Promise.all(
        texts.map(text => store.put(made('v2/a', text), { condition: held })),
      )
      const winner = etags.findIndex(etag => etag !== undefined)
      expect(etags.filter(etag => etag !== undefined)).toHaveLength(1)
      expect(String(await read(store, 'v2/a'))).toBe(texts[winner])
      condition = { etag: etags[winner] ?? '' }
    }
  })
}
