import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { keysOf, made } from '../../contract/object-store-support.ts'
import { blob, KEY, listing, openOn, type Said, startFakeAzure, WRITTEN } from './support.ts'

const passing: readonly (readonly [string, Said])[] = [
  ['503 ServerBusy', { status: 503, code: 'ServerBusy' }],
  ['500 InternalError', { status: 500, code: 'InternalError' }],
  ['500 OperationTimedOut', { status: 500, code: 'OperationTimedOut' }],
  ['429', { status: 429, code: 'TooManyRequests' }],
  ['a gateway', { status: 502, foreign: true, headers: { 'content-type': 'text/html' }, body: '<h1>Bad gateway' }],
  ['a cut connection', 'cut'],
]

describe.each(passing)('after %s every call goes through', (_, fault) => {
  /** Runs a call whose first request, once the service is known, meets the fault. */
  const again = async <T>(
    right: Said,
    call: (store: Awaited<ReturnType<typeof openOn>>['store']) => Promise<T>,
  ): Promise<T> => {
    const fake = await startFakeAzure((_asked, number) => (number === 0 ? blob() : number === 1 ? fault : right))
    const { store, retries } = await openOn(fake)
    await store.head('v2/known')
    const result = await call(store)
    expect(retries).toEqual([expect.objectContaining({ type: 'retry', what: 'azure://registry/$web' })])
    return result
  }

  test('put, which tells of each byte once', async () => {
    let told = 0
    const onBytes = (count: number): void => {
      told += count
    }
    expect(await again(WRITTEN, store => store.put(made('v2/a', 'abc'), { onBytes }))).toBe('0x2')
    expect(told).toBe(3)
  })

  test('head', async () => {
    expect(await again(blob({ 'content-length': '7' }), store => store.head('v2/a'))).toMatchObject({ size: 7 })
  })

  test('get', async () => {
    const found = await again(blob({}, 'abc'), store => store.get('v2/a', { limit: 3 }))
    expect(Buffer.from(found?.bytes ?? []).toString()).toBe('abc')
  })

  test('list', async () => {
    expect(await again(listing(['v2/a']), store => keysOf(store))).toEqual(['v2/a'])
  })

  test('delete', async () => {
    await again({ status: 202 }, store => store.delete(['v2/a']))
  })
})

test('an answer that breaks off is asked for again', async () => {
  const fake = await startFakeAzure((_, number) =>
    number === 0 ? { status: 200, headers: { etag: '"0x1"' }, body: 'abcdef', cutAfter: 3 } : blob({}, 'abcdef'),
  )
  const { store, retries } = await openOn(fake)
  expect(Buffer.from((await store.get('v2/a', { limit: 9 }))?.bytes ?? []).toString()).toBe('abcdef')
  expect(retries).toHaveLength(1)
})

test('a write whose answer was lost may have happened: then its condition does not hold', async () => {
  const fake = await startFakeAzure((_, number) => (number === 0 ? 'cut' : { status: 409, code: 'BlobAlreadyExists' }))
  const { store } = await openOn(fake)
  expect(await store.put(made('v2/a', 'a'), { condition: 'absent' })).toBeUndefined()
  expect(fake.asked).toHaveLength(2)
})

test('bytes that changed on the way are sent again', async () => {
  const fake = await startFakeAzure((_, number) => (number === 0 ? { status: 400, code: 'Md5Mismatch' } : WRITTEN))
  const { store } = await openOn(fake)
  expect(await store.put(made('v2/a', 'abc'))).toBe('0x2')
  const md5 = 'kAFQmDzST7DWlj99KOF/cg=='
  expect(fake.asked.map(({ headers }) => headers['x-ms-blob-content-md5'])).toEqual([md5, md5])
})

test('a pause that the service asks for is taken; one of more than a minute ends it', async () => {
  const pauses: number[] = []
  const sleep = async (ms: number): Promise<void> => void pauses.push(ms)
  const fake = await startFakeAzure((_, number) =>
    number === 0 ? { status: 503, code: 'ServerBusy', headers: { 'retry-after': '7' } } : blob(),
  )
  const { store } = await openOn(fake, { sleep })
  await store.head('v2/a')
  expect(pauses).toEqual([7000])
  const slow = await startFakeAzure(() => ({ status: 503, code: 'ServerBusy', headers: { 'retry-after': '3600' } }))
  const { store: other } = await openOn(slow, { sleep })
  await expect(other.head('v2/a')).rejects.toMatchObject({ code: 'rate-limited', retryAt: expect.any(Number) })
  expect(pauses).toEqual([7000])
})

test('the clock is the service’s', async () => {
  const date = new Date(Date.now() - 3_600_000).toUTCString()
  const { store } = await openOn(await startFakeAzure(() => blob({ date })))
  await store.head('v2/a')
  expect(Math.abs(store.now() - (Date.now() - 3_600_000))).toBeLessThan(60_000)
})

test('a proxy of the environment is used', async () => {
  const proxy = await startFakeAzure(() => blob())
  const env = { AZURE_STORAGE_KEY: KEY, HTTP_PROXY: proxy.origin }
  const { store } = await openOn({ endpoint: 'http://blob.test/registry' }, { env })
  expect(await store.head('v2/a')).toMatchObject({ etag: '0x1' })
  expect(proxy.asked[0]?.target).toBe('http://blob.test/registry/%24web/v2/a')
})

test('a proxy that is none is told, one that is not there by its name', async () => {
  const endpoint = 'http://blob.test/registry'
  const env = { AZURE_STORAGE_KEY: KEY, HTTP_PROXY: '::none' }
  const { store: misled } = await openOn({ endpoint }, { env })
  await expect(misled.head('v2/a')).rejects.toMatchObject({ code: 'usage' })
  const { store } = await openOn({ endpoint }, { env: { ...env, HTTP_PROXY: 'http://127.0.0.1:1' } })
  const error: unknown = await store.head('v2/a').catch((cause: unknown) => cause)
  expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining('the proxy 127.0.0.1:1') })
  expect(String(Object(error).hint)).not.toContain('--azure-endpoint')
})

test.each(['10.0.0.1:3128', '::none'])('the SDK does not mind the proxies of the environment: %s', async value => {
  vi.stubEnv('HTTPS_PROXY', value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const { store } = await openOn(await startFakeAzure(() => blob()))
  expect(await store.head('v2/a')).toMatchObject({ etag: '0x1' })
})

test('a CA file is read', async () => {
  const { store } = await openOn({ endpoint: 'https://blob.test' }, { caFile: '/nowhere/ca.pem' })
  await expect(store.head('v2/a')).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('--ca-file'),
  })
})
