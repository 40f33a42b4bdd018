import { randomBytes } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { startStore } from './support.ts'

vi.mock('@aws-sdk/client-s3', () => {
  throw new Error('the SDK was loaded')
})

test('what every deploy does needs no SDK where the environment says all', async () => {
  const { store, server } = await startStore()
  const bytes = randomBytes(100)
  const object = { key: 'v2/a', size: 100, contentType: 'a/b', cacheControl: 'no-cache', body: { bytes } }
  expect(await store.put(object)).toBe((await store.head('v2/a'))?.etag)
  expect(await store.put(object, { condition: 'absent' })).toBeUndefined()
  expect((await store.get('v2/a', { limit: 100 }))?.bytes).toEqual(bytes)
  const keys: string[] = []
  for await (const page of store.list('')) keys.push(...page.objects.map(({ key }) => key))
  expect(keys).toEqual(['v2/a'])
  expect(await store.sweep?.()).toBe(0)
  await store.delete(['v2/a'])
  expect(server.bucket().objects.size).toBe(0)
})

test('that it is loaded would be seen', async () => {
  const { store, server } = await startStore()
  server.put('v2/a', 'a')
  const to = { key: 'v2/b', size: 1, contentType: 'a/b', cacheControl: 'no-cache' }
  await expect(store.copy?.('v2/a', to)).rejects.toThrow()
})
