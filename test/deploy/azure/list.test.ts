import { expect, test } from 'vitest'
import { keysOf, pagesOf } from '../../contract/object-store-support.ts'
import { blob, listing, openOn, startFakeAzure } from './support.ts'

test('pages are followed, empty ones too', async () => {
  const pages = [listing(['v2/a'], 'one'), listing([], 'two'), listing(['v2/b'])]
  const fake = await startFakeAzure((_, number) => pages[number] ?? listing([]))
  const { store } = await openOn(fake)
  expect(await keysOf(store, 'v2/')).toEqual(['v2/a', 'v2/b'])
  expect(fake.asked.map(({ query }) => query.get('marker'))).toEqual([null, 'one', 'two'])
  expect(new Set(fake.asked.map(({ query }) => query.get('maxresults')))).toEqual(new Set(['5000']))
})

test.each([
  ['<Content-MD5>DMF1ucDxtqgxw5niaXcmYQ==</Content-MD5>', { md5: '0cc175b9c0f1b6a831c399e269772661' }],
  ['<Content-MD5 />', {}],
  ['', {}],
])('the MD5 is read where one is stated: %s', async (properties, md5) => {
  const { store } = await openOn(await startFakeAzure(() => listing(['v2/a'], '', properties)))
  const pages = await pagesOf(store.list('v2/'))
  expect(pages.flatMap(({ objects }) => objects)).toEqual([{ key: 'v2/a', size: 1, etag: '0x1', ...md5 }])
})

test('one that goes in circles ends', async () => {
  const fake = await startFakeAzure(() => listing(['v2/a'], 'one'))
  const { store } = await openOn(fake)
  await expect(keysOf(store)).rejects.toMatchObject({ code: 'bad-answer', message: expect.stringContaining('circles') })
})

test('what is not a listing is none', async () => {
  const { store } = await openOn(await startFakeAzure(() => ({ ...Object(listing([])), body: '<html>' })))
  await expect(keysOf(store)).rejects.toMatchObject({ code: 'bad-answer', side: 'target' })
})

test('an object that is too large is not read', async () => {
  const { store } = await openOn(await startFakeAzure(() => blob({}, 'abcdef')))
  await expect(store.get('v2/a', { limit: 5 })).rejects.toMatchObject({ code: 'bad-answer', side: 'target' })
})
