import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openS3Store } from '../../../src/deploy/s3/store.ts'
import { partSizeFor } from '../../../src/deploy/s3/upload.ts'
import type { NewObject, StoredObject } from '../../../src/deploy/store.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { freePort, startServer } from '../../http/http-support.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { openStore, startStore, stubCredentials } from './support.ts'

const MIB = 1024 * 1024

function made(key: string, text: string | Uint8Array, more: Partial<NewObject> = {}): NewObject {
  const bytes = Buffer.from(text)
  return { key, size: bytes.length, contentType: 'a/b', cacheControl: 'no-cache', body: { bytes }, ...more }
}

async function madeFile(key: string, bytes: Uint8Array, more: Partial<NewObject> = {}): Promise<NewObject> {
  const file = join(await makeTemporaryFolder(), 'body')
  await writeFile(file, bytes)
  return made(key, bytes, { body: { file }, ...more })
}

async function listed(pages: AsyncIterable<{ readonly objects: readonly StoredObject[] }>): Promise<string[]> {
  const keys: string[] = []
  for await (const { objects } of pages) keys.push(...objects.map(({ key }) => key))
  return keys
}

describe('a bucket is found', () => {
  test('nowhere without credentials: it says how to give them', async () => {
    stubCredentials({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' })
    const opened = openS3Store({ bucket: 'bucket', region: 'us-east-1' })
    const hint = expect.stringMatching(/AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.*AWS_PROFILE/)
    await expect(opened).rejects.toMatchObject({ code: 'unauthorized', side: 'target', hint })
  })

  test.each(['localhost:9000', 'ftp://host', 'https://user:password@host', 'nonsense'])(
    'not at %s, which is no URL of a store',
    async endpoint => {
      const opened = openS3Store({ bucket: 'bucket', endpoint })
      await expect(opened).rejects.toMatchObject({ code: 'usage', message: expect.not.stringContaining('password') })
    },
  )

  test.each([
    ['bucket', undefined, 'eu-west-1', undefined, 'bucket.s3.eu-west-1.amazonaws.com'],
    ['bucket', undefined, undefined, undefined, 'bucket.s3.us-east-1.amazonaws.com'],
    ['bucket', undefined, 'eu-west-1', true, 'bucket.s3.eu-west-1.amazonaws.com'],
    ['a.bucket', undefined, 'eu-west-1', undefined, undefined],
    ['bucket', 'http://s3.lab:9000', undefined, undefined, 'bucket.s3.lab:9000'],
    ['bucket', 'https://s3.lab', 'lab-1', true, undefined],
    ['bucket', 'http://127.0.0.1:9000', undefined, undefined, undefined],
    ['bucket', 'http://localhost:9000', undefined, undefined, undefined],
  ])('by clients: %s at %s, region %s, path style %s: %s', async (bucket, endpoint, region, pathStyle, host) => {
    stubCredentials({ AWS_REGION: '', AWS_DEFAULT_REGION: '' })
    const given = { ...(endpoint === undefined ? {} : { endpoint }), ...(region === undefined ? {} : { region }) }
    const store = await openS3Store({ bucket, ...given, ...(pathStyle === undefined ? {} : { pathStyle }) })
    expect(store.publicHost).toBe(host)
    await store.close()
  })

  test('at the endpoint that the environment names', async () => {
    const { server } = await startStore()
    server.put('v2/a', 'a')
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.url)
    const store = await openS3Store({ bucket: 'bucket', env: {} })
    onTestFinished(() => store.close())
    expect(await listed(store.list(''))).toEqual(['v2/a'])
  })

  test('in another region than was said', async () => {
    const { store, server } = await startStore({ region: 'eu-north-1' })
    server.put('v2/a', 'a')
    expect(await listed(store.list(''))).toEqual(['v2/a'])
    expect(await store.put(made('v2/b', 'b'))).toBeDefined()
    expect(await store.copy?.('v2/b', { key: 'v2/c', size: 1, contentType: 'a/b', cacheControl: 'x' })).toBe(true)
    // Found out once: from then on no request goes astray.
    expect(server.log.filter(({ status }) => status >= 300)).toHaveLength(1)
  })
})

describe('credentials', () => {
  test('that are wrong are told as such', async () => {
    const { store } = await startStore({ secretAccessKey: 'other' })
    const refused = { code: 'unauthorized', side: 'target', hint: expect.stringContaining('AWS_SECRET_ACCESS_KEY') }
    await expect(listed(store.list(''))).rejects.toMatchObject(refused)
    await expect(store.put(made('v2/a', 'a'))).rejects.toMatchObject(refused)
    await expect(store.head('v2/a')).rejects.toMatchObject(refused)
  })

  test('that lack a right: the right is named', async () => {
    const { store, server } = await startStore()
    server.fault({ kind: 'access-denied' })
    const hint = expect.stringMatching(/s3:PutObject.*registrish setup --s3 bucket/)
    await expect(store.put(made('v2/a', 'a'))).rejects.toMatchObject({ code: 'unauthorized', hint })
  })
})

describe('files are held to their digests', () => {
  test('by a store that checks: it refuses the others', async () => {
    const { store, server } = await startStore()
    const bytes = randomBytes(2 * MIB)
    expect(await store.put(await madeFile('v2/a', bytes, { digest: digestOf(bytes) }))).toBeDefined()
    const wrong = await madeFile('v2/b', bytes, { digest: digestOf('other') })
    await expect(store.put(wrong)).rejects.toMatchObject({ code: 'digest-mismatch', side: 'source' })
    expect([...server.bucket().objects.keys()]).toEqual(['v2/a'])
    // One question for both.
    expect(server.log.filter(({ key }) => !key.startsWith('v2/'))).toHaveLength(1)
  })

  test('by us where the store does not check; nothing is left of the question', async () => {
    const { store, server } = await startStore({ checkPayload: false })
    const bytes = randomBytes(2 * MIB)
    expect(await store.put(await madeFile('v2/a', bytes, { digest: digestOf(bytes) }))).toBeDefined()
    const wrong = await madeFile('v2/b', bytes, { digest: digestOf('other') })
    await expect(store.put(wrong)).rejects.toMatchObject({ code: 'digest-mismatch', side: 'source' })
    expect([...server.bucket().objects.keys()]).toEqual(['v2/a'])
  })
})

describe('a store that is out of order', () => {
  test('is asked again with growing pauses, each told, and given up in the end', async () => {
    const { store, server, paused, events } = await startStore()
    server.fault({ kind: 'slow-down', times: 100 })
    await expect(store.put(made('v2/a', 'a'))).rejects.toMatchObject({ code: 'rate-limited', side: 'target' })
    expect(paused).toHaveLength(7)
    for (const [index, pause] of paused.slice(0, 5).entries()) {
      expect(pause).toBeGreaterThanOrEqual(500 * 2 ** index)
      expect(pause).toBeLessThanOrEqual(1000 * 2 ** index)
    }
    expect(events.filter(({ type }) => type === 'retry')).toHaveLength(7)
  })

  test('may say how long to wait', async () => {
    const { store, server, paused } = await startStore()
    server.fault({ kind: 'slow-down', retryAfter: 7 })
    expect(await store.put(made('v2/a', 'a'))).toBeDefined()
    expect(paused).toEqual([7000])
  })

  test('but not longer than anyone waits', async () => {
    const { store, server, paused } = await startStore()
    server.fault({ kind: 'slow-down', retryAfter: 3600 })
    const retryAt = expect.any(Number)
    await expect(store.put(made('v2/a', 'a'))).rejects.toMatchObject({ code: 'rate-limited', retryAt })
    expect(paused).toEqual([])
  })

  test('tells the bytes of a repeated write back', async () => {
    const { store, server } = await startStore()
    server.fault({ kind: 'reset-reading', key: /^v2/, after: 1000 })
    const told: number[] = []
    const object = await madeFile('v2/a', randomBytes(2 * MIB))
    await store.put(object, { onBytes: bytes => told.push(bytes) })
    expect(told.some(bytes => bytes < 0)).toBe(true)
    expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(2 * MIB)
  })

  test('nobody listens: not found out by waiting', async () => {
    const { store, paused } = await openStore({ endpoint: `http://127.0.0.1:${await freePort()}` })
    await expect(store.head('v2/a')).rejects.toMatchObject({ code: 'unreachable', side: 'target' })
    expect(paused).toEqual([])
  })

  test('silence ends', async () => {
    const { server } = await startStore()
    server.fault({ kind: 'hang', times: 100 })
    const timeouts = { connect: 1000, header: 50, stall: 50 }
    const { store } = await openStore({ endpoint: server.url, timeouts })
    await expect(store.head('v2/a')).rejects.toMatchObject({ code: 'timeout', side: 'target' })
  })
})

describe('what answers may be no store', () => {
  const strange = { code: 'bad-answer', side: 'target', hint: expect.stringContaining('--s3-endpoint') }
  const empty = { key: 'v2/b', size: 0, contentType: 'a/b', cacheControl: 'x' }

  test.each([200, 302, 404, 418])('but a login page, with status %d', async status => {
    const page = await startServer((_, response) => {
      response.writeHead(status, { 'content-type': 'text/html', location: 'http://127.0.0.1:1/login' })
      response.end('<html><body>Log in</body></html>')
    })
    const { store } = await openStore({ endpoint: page.url.href })
    const code = status === 404 ? { code: 'not-found' } : {}
    await expect(listed(store.list(''))).rejects.toMatchObject({ ...strange, ...code })
    await expect(store.get('v2/a', { limit: 1000 })).rejects.toMatchObject({ ...strange, ...code })
    await expect(store.put(made('v2/a', 'a'))).rejects.toMatchObject({ ...strange, ...code })
    await expect(store.delete(['v2/a', 'v2/b'])).rejects.toMatchObject({ side: 'target' })
    if (status !== 404) await expect(store.copy?.('v2/a', empty)).rejects.toMatchObject(strange)
  })

  test('but a proxy whose store is down for a moment', async () => {
    let asked = 0
    const proxy = await startServer((_, response) => {
      asked += 1
      const headers = { 'content-type': 'text/html', etag: '"e"', 'content-length': asked === 1 ? 13 : 0 }
      response.writeHead(asked === 1 ? 502 : 200, headers)
      response.end(asked === 1 ? '<html></html>' : '')
    })
    const { store } = await openStore({ endpoint: proxy.url.href })
    expect(await store.put(made('v2/a', 'a'))).toBe('e')
  })
})

describe('many are deleted', () => {
  test('where keys of a request fail, those alone are tried again', async () => {
    const { store, server } = await startStore()
    for (const key of ['v2/a', 'v2/b', 'v2/c']) server.put(key, key)
    server.fault({ kind: 'undeleted', key: /b$/ })
    await store.delete(['v2/a', 'v2/b', 'v2/c'])
    expect(server.bucket().objects.size).toBe(0)
  })

  test('one by one where the store takes no checksums', async () => {
    const { store, server } = await startStore({ checksums: 'refused-everywhere' })
    for (const key of ['v2/a', 'v2/b', 'v2/c']) server.put(key, key)
    await store.delete(['v2/a', 'v2/b', 'v2/c', 'v2/none'])
    expect(server.bucket().objects.size).toBe(0)
    server.forget()
    await store.delete(['v2/a', 'v2/b'])
    expect(server.lines()).not.toContainEqual(expect.stringContaining('DeleteObjects'))
  })
})

describe('a large file', () => {
  test('whose parts are cut off again and again arrives', async () => {
    const { store, server } = await startStore()
    const bytes = randomBytes(20 * MIB)
    for (const operation of ['CreateMultipartUpload', 'UploadPart', 'UploadPart', 'CompleteMultipartUpload']) {
      server.fault({ kind: 'internal-error', operation })
      server.fault({ kind: 'reset-unread', operation })
    }
    server.fault({ kind: 'error-in-200', operation: 'CompleteMultipartUpload' })
    const object = await madeFile('v2/a', bytes, { digest: digestOf(bytes, 'sha512') })
    expect(await store.put(object)).toMatch(/-3$/)
    expect(server.bucket().objects.get('v2/a')?.bytes.equals(bytes)).toBe(true)
    expect(server.bucket().uploads.size).toBeLessThanOrEqual(1)
  })

  test('was written although the last answer was lost', async () => {
    const { store, server } = await startStore()
    server.fault({ kind: 'reset-answering', operation: 'CompleteMultipartUpload' })
    const bytes = randomBytes(20 * MIB)
    expect(await store.put(await madeFile('v2/a', bytes))).toBe(server.bucket().objects.get('v2/a')?.etag)
  })

  test('that fails for good leaves no parts, even when that takes some tries', async () => {
    const { store, server } = await startStore()
    server.fault({ kind: 'access-denied', operation: 'UploadPart', nth: 2 })
    server.fault({ kind: 'internal-error', operation: 'AbortMultipartUpload' })
    const object = await madeFile('v2/a', randomBytes(20 * MIB))
    await expect(store.put(object)).rejects.toMatchObject({ code: 'unauthorized', side: 'target' })
    expect(server.bucket().uploads.size).toBe(0)
    expect(server.bucket().objects.size).toBe(0)
  })

  test.each([1, 50_000, 10_000 * 8 * MIB, 10_000 * 8 * MIB + 1, 5 * 1024 ** 4])(
    'of %d bytes has at most 10,000 parts',
    size => {
      expect(Math.ceil(size / partSizeFor(size))).toBeLessThanOrEqual(10_000)
      expect(partSizeFor(size)).toBeGreaterThanOrEqual(8 * MIB)
    },
  )
})

describe('what was cut off', () => {
  test('is swept a day later, by the clock of the store, below v2/ alone', async () => {
    const { store, server } = await startStore()
    const upload = (id: string, key: string, initiated: number): void =>
      void server.bucket().uploads.set(id, { id, key, headers: {}, initiated, parts: new Map() })
    const day = 24 * 3600 * 1000
    server.clockOffset = 10 * day
    await store.put(made('v2/a', 'a'))
    upload('old', 'v2/old', Date.now() + 9 * day - 60_000)
    upload('new', 'v2/new', Date.now() + 9 * day + 60_000)
    upload('other', 'other', Date.now())
    expect(await store.sweep?.()).toBe(1)
    expect([...server.bucket().uploads.keys()]).toEqual(['new', 'other'])
    expect(await store.sweep?.()).toBe(0)
  })

  test('stays where the store tells nobody', async () => {
    const { store, server } = await startStore()
    server.fault({ kind: 'access-denied', operation: 'ListMultipartUploads' })
    expect(await store.sweep?.()).toBe(0)
  })
})
