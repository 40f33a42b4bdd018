import { expect, it } from 'vitest'
import { honoursConditions, withComparing } from '../../src/deploy/conditions.ts'
import { INDEX_OBJECT } from '../../src/deploy/constants.ts'
import { Refused } from '../../src/deploy/refusal.ts'
import { storeError } from '../../src/deploy/s3/errors.ts'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts'

const ABOUT = { bucket: 'bucket', doing: 'write', action: 's3:PutObject' }

it.each([
  [400, 'InvalidArgument', true],
  [400, 'NotImplemented', true],
  [501, 'NotImplemented', true],
  [400, 'ExpiredToken', false],
  [403, 'AccessDenied', false],
])('a store that answers %d %s to a condition is taken for one that knows none: %s', async (status, code, isTaken) => {
  const store = createMemoryStore()
  store.before = (_, __, { condition }) => {
    if (condition !== undefined) throw storeError(new Refused({ status, code, text: '' }), ABOUT)
  }
  const honoured = honoursConditions(store, INDEX_OBJECT)
  if (isTaken) expect(await honoured).toBe(false)
  else await expect(honoured).rejects.toThrow(code)
})

/** A store as others may write one: what it does is not its own property, and needs `this`. */
class Inherited implements ObjectStore {
  readonly #memory: MemoryStore = createMemoryStore()
  host = 'one.test'
  readonly title = 'inherited'
  readonly limits = this.#memory.limits
  get publicHost(): string {
    return this.host
  }
  now(): number {
    return this.#memory.now()
  }
  list(...asked: Parameters<ObjectStore['list']>): ReturnType<ObjectStore['list']> {
    return this.#memory.list(...asked)
  }
  async head(...asked: Parameters<ObjectStore['head']>): ReturnType<ObjectStore['head']> {
    return this.#memory.head(...asked)
  }
  async get(...asked: Parameters<ObjectStore['get']>): ReturnType<ObjectStore['get']> {
    return this.#memory.get(...asked)
  }
  async put(...asked: Parameters<ObjectStore['put']>): ReturnType<ObjectStore['put']> {
    return this.#memory.put(...asked)
  }
  async copy(...asked: Parameters<NonNullable<ObjectStore['copy']>>): Promise<boolean> {
    return (await this.#memory.copy?.(...asked)) === true
  }
  async delete(...asked: Parameters<ObjectStore['delete']>): Promise<void> {
    return this.#memory.delete(...asked)
  }
  async sweep(): Promise<number> {
    return this.#memory.objects.size
  }
  async close(): Promise<void> {
    return this.#memory.close()
  }
}

it('a store whose writes compare can do all else that it could, written as a class or not', async () => {
  const store = new Inherited()
  const comparing = withComparing(store)
  const etag = await comparing.put(INDEX_OBJECT, { condition: 'absent' })
  expect(await comparing.put(INDEX_OBJECT, { condition: 'absent' })).toBeUndefined()
  expect(await comparing.put(INDEX_OBJECT, { condition: { etag: etag ?? '' } })).toBe(etag)
  expect(await comparing.copy?.(INDEX_OBJECT.key, { ...INDEX_OBJECT, key: 'v2/copy' })).toBe(true)
  expect(await comparing.sweep?.()).toBe(2)
  await comparing.delete(['v2/copy'])
  const keys: string[] = []
  for await (const { objects } of comparing.list('')) keys.push(...objects.map(({ key }) => key))
  expect(keys).toEqual([INDEX_OBJECT.key])
  expect(await comparing.head(INDEX_OBJECT.key)).toMatchObject({ etag })
  expect(await comparing.get(INDEX_OBJECT.key, { limit: 1000 })).toMatchObject({ etag })
  expect(comparing.now()).toBe(store.now())
  expect(comparing).toMatchObject({ title: store.title, limits: store.limits, publicHost: 'one.test' })
  store.host = 'two.test'
  expect(comparing.publicHost).toBe('two.test')
  await comparing.close()
})

it('a store that cannot copy or sweep cannot when it compares', () => {
  const comparing = withComparing(createMemoryStore({ noCopy: true }))
  expect([comparing.copy, comparing.sweep, comparing.publicHost]).toEqual([undefined, undefined, undefined])
})
