import { expect, test } from 'vitest'
import type { ObjectHead } from '../../../src/deploy/store.ts'
import { type Asked, blob, openOn, type Said, startFakeAzure } from './support.ts'

const TO: ObjectHead = { key: 'v2/b', size: 5, contentType: 'a/b', cacheControl: 'no-cache' }
const FIVE = { 'content-length': '5' }

/** Answers of a service whose copies take these states, one a look. */
function copies(states: readonly string[], begun: Said = { status: 202, headers: { 'x-ms-copy-status': 'pending' } }) {
  const left = [...states]
  return ({ method, path, headers }: Asked): Said => {
    if (headers['x-ms-copy-source'] !== undefined) return begun
    if (method === 'PUT') return { status: 200, headers: { etag: '"0x3"' } }
    return path.endsWith('/v2/b') ? blob({ ...FIVE, 'x-ms-copy-status': left.shift() ?? 'success' }) : blob(FIVE)
  }
}

test('is begun if the source is what was looked at, and waited for', async () => {
  const pauses: number[] = []
  const fake = await startFakeAzure(copies(['pending', 'pending', 'success']))
  const { store } = await openOn(fake, { sleep: async ms => void pauses.push(ms) })
  expect(await store.copy?.('v2/a', TO)).toBe(true)
  expect(fake.log()).toEqual(['HEAD blob', 'PUT copy', 'HEAD blob', 'HEAD blob', 'HEAD blob'])
  expect(pauses).toEqual([1000, 1000])
  expect(fake.asked[1]?.headers).toMatchObject({
    'x-ms-copy-source': `${fake.endpoint}/%24web/v2/a`,
    'x-ms-source-if-match': '"0x1"',
  })
})

test('that fails in the end is none', async () => {
  const { store } = await openOn(await startFakeAzure(copies(['pending', 'failed'])))
  expect(await store.copy?.('v2/a', TO)).toBe(false)
})

test('that is under way already is waited for: nothing else can be written there until it ends', async () => {
  const fake = await startFakeAzure(copies(['pending', 'success'], { status: 409, code: 'PendingCopyOperation' }))
  const { store } = await openOn(fake)
  expect(await store.copy?.('v2/a', TO)).toBe(true)
  expect(fake.log()).toEqual(['HEAD blob', 'PUT copy', 'HEAD blob', 'HEAD blob'])
})

test('gets other headers after it', async () => {
  const fake = await startFakeAzure(copies(['success']))
  const { store } = await openOn(fake)
  expect(await store.copy?.('v2/a', { ...TO, contentType: 'c/d' })).toBe(true)
  expect(fake.log().at(-1)).toBe('PUT properties')
  expect(fake.asked.at(-1)?.headers).toMatchObject({
    'x-ms-blob-content-type': 'c/d',
    'x-ms-blob-cache-control': 'no-cache',
  })
})

test.each<[number, string]>([
  [403, 'AuthorizationFailure'],
  [404, 'CannotVerifyCopySource'],
  [409, 'LeaseAlreadyPresent'],
  [412, 'SourceConditionNotMet'],
  [400, 'InvalidHeaderValue'],
  [501, 'NotImplemented'],
])('where it is refused with %d %s, the bytes are to be sent', async (status, code) => {
  const { store } = await openOn(await startFakeAzure(copies([], { status, code })))
  expect(await store.copy?.('v2/a', TO)).toBe(false)
})

test('a token that signs requests signs the source too', async () => {
  const fake = await startFakeAzure(copies(['success']))
  const { store } = await openOn(fake, { env: { AZURE_STORAGE_SAS_TOKEN: '?sig=x' } })
  await store.copy?.('v2/a', TO)
  expect(fake.asked[1]?.headers['x-ms-copy-source']).toBe(`${fake.endpoint}/%24web/v2/a?sig=x`)
})
