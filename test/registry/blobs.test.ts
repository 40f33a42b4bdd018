import { describe, expect, test } from 'vitest'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { startServer } from '../http/http-support.ts'
import { makeArtifact } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'
import {
  breaksAfter,
  fails,
  first,
  hangsUp,
  ignoresRange,
  only,
  redirects,
  sendsHeaders,
} from '../support/registry-faults.ts'
import type { Hook } from '../support/test-registry.ts'
import { failureOf, type Opened, openRegistry, read, startRegistry } from './registry-support.ts'

const BYTES = makeBlob(300_000)
const BLOB: Descriptor = { mediaType: OCTET_STREAM, digest: digestOf(BYTES), size: BYTES.length }
const HALF = 150_000

/** A registry with one blob. */
async function openBlobs(hook?: Hook): Promise<Opened> {
  const image = makeArtifact({ payload: BYTES })
  return openRegistry({ latest: image }, hook === undefined ? {} : { registry: { hook } })
}

const blobs = (hook: Hook): Hook => only(/blobs/, hook)

describe('a blob is opened', () => {
  test('by one GET, whole, with no range', async () => {
    const { registry, source } = await openBlobs()
    const content = await source.open('app', BLOB, { kind: 'blob' })
    expect(content.offset).toBe(0)
    expect((await read(content)).equals(BYTES)).toBe(true)
    expect(registry.lines()).toEqual([`GET /v2/app/blobs/${BLOB.digest} 200`])
    expect(registry.log[0]?.headers).not.toHaveProperty('range')
  })

  test('from a byte on, and no more is sent', async () => {
    const { registry, source } = await openBlobs()
    const content = await source.open('app', BLOB, { kind: 'blob', offset: HALF })
    expect(content.offset).toBe(HALF)
    expect((await read(content)).equals(BYTES.subarray(HALF))).toBe(true)
    expect(registry.log).toMatchObject([
      { status: 206, bytes: BYTES.length - HALF, headers: { range: `bytes=${HALF}-` } },
    ])
  })

  const odd: Readonly<Record<string, readonly [Hook, number]>> = {
    'ignores ranges': [ignoresRange, 1],
    'refuses the range': [
      async (request, next) => (request.headers['range'] === undefined ? next(request) : fails(416)(request, next)),
      2,
    ],
    'sends another part': [whenRanged({ 'content-range': `bytes 7-299999/300000` }), 2],
    'says nothing of the part': [whenRanged({ 'content-range': undefined }), 2],
    'sends several parts': [whenRanged({ 'content-range': undefined, 'content-type': 'multipart/byteranges' }), 2],
  }
  test.each(Object.entries(odd))('from the first byte where a registry %s', async (_, [hook, requests]) => {
    const { registry, source } = await openBlobs(blobs(hook))
    const content = await source.open('app', BLOB, { kind: 'blob', offset: HALF })
    expect(content.offset).toBe(0)
    expect((await read(content)).equals(BYTES)).toBe(true)
    expect(registry.log).toHaveLength(requests)
  })

  test('where the length of the whole is not told', async () => {
    const hook = whenRanged({ 'content-range': `bytes ${HALF}-${BYTES.length - 1}/*` })
    const { source } = await openBlobs(blobs(hook))
    expect((await source.open('app', BLOB, { kind: 'blob', offset: HALF })).offset).toBe(HALF)
    const chunked = await openBlobs(blobs(sendsHeaders({ 'transfer-encoding': 'chunked' })))
    expect(await read(await chunked.source.open('app', BLOB, { kind: 'blob' }))).toHaveLength(BYTES.length)
  })

  test('as it is, whatever the registry says of its encoding', async () => {
    const { source } = await openBlobs(blobs(sendsHeaders({ 'content-encoding': 'gzip' })))
    expect((await read(await source.open('app', BLOB, { kind: 'blob' }))).equals(BYTES)).toBe(true)
  })
})

/** Changes headers of partial answers. */
function whenRanged(headers: Readonly<Record<string, string | undefined>>): Hook {
  return (request, next) =>
    request.headers['range'] === undefined ? next(request) : sendsHeaders(headers)(request, next)
}

describe('a blob is refused', () => {
  test('whose length is another', async () => {
    const { source } = await openBlobs()
    for (const offset of [0, HALF]) {
      const error = await failureOf(source.open('app', { ...BLOB, size: BLOB.size + 1 }, { kind: 'blob', offset }))
      expect(error).toMatchObject({ code: 'size-mismatch', side: 'source' })
      expect(error.message).toContain('should have 300001 bytes')
    }
  })

  test('that is announced with another digest', async () => {
    const { source } = await openBlobs(blobs(sendsHeaders({ 'docker-content-digest': digestOf('other') })))
    expect(await failureOf(source.open('app', BLOB, { kind: 'blob' }))).toMatchObject({ code: 'digest-mismatch' })
  })

  test('of which a part comes unasked', async () => {
    const { source } = await openBlobs(blobs(async (request, next) => ({ ...(await next(request)), status: 206 })))
    expect(await failureOf(source.open('app', BLOB, { kind: 'blob' }))).toMatchObject({ code: 'bad-answer' })
  })

  test('that is not there', async () => {
    const { registry, source } = await openBlobs()
    const digest = digestOf('absent')
    expect(await failureOf(source.open('app', { ...BLOB, digest }, { kind: 'blob' }))).toMatchObject({
      code: 'not-found',
      message: `blob ${digest} of ${registry.host}/app is not there`,
    })
  })

  test('for any other answer, with what it says', async () => {
    const { registry, source } = await openBlobs(
      blobs(() => ({
        status: 400,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: Buffer.from('Client sent an HTTP request to an HTTPS server.\n'),
      })),
    )
    const error = await failureOf(source.open('app', BLOB, { kind: 'blob' }))
    expect(error).toMatchObject({ code: 'bad-answer', side: 'source' })
    expect(error.message).toBe(
      `${registry.host} answers 400 Bad Request (Client sent an HTTP request to an HTTPS server.) to the request for blob ${BLOB.digest} of ${registry.host}/app`,
    )
  })
})

describe('a blob that breaks off', () => {
  test.each([
    ['ends', 'unreachable'],
    ['resets', 'unreachable'],
    ['stalls', 'timeout'],
  ] as const)('because it %s gives what came and then %s, and is not asked for again', async (how, code) => {
    const { registry, source } = await openRegistry(
      { latest: makeArtifact({ payload: BYTES }) },
      { registry: { hook: blobs(breaksAfter(HALF, how)) }, source: { stallTimeout: how === 'stalls' ? 200 : 20_000 } },
    )
    const chunks: Uint8Array[] = []
    const { body } = await source.open('app', BLOB, { kind: 'blob' })
    const drain = async (): Promise<void> => {
      for await (const chunk of body) chunks.push(chunk)
    }
    expect(await failureOf(drain())).toMatchObject({ code, side: 'source' })
    const received = Buffer.concat(chunks)
    expect(received.equals(BYTES.subarray(0, received.length))).toBe(true)
    expect(registry.log).toHaveLength(1)
  })

  test('before it begins is unreachable, and not asked for again either', async () => {
    const { registry, source, pauses } = await openBlobs(blobs(hangsUp))
    expect(await failureOf(source.open('app', BLOB, { kind: 'blob' }))).toMatchObject({ code: 'unreachable' })
    expect([registry.log.length, pauses.length]).toEqual([1, 0])
  })

  test('can be taken up where it broke, at every fifth', async () => {
    const step = BYTES.length / 5
    const { registry, source } = await openBlobs(blobs(breaksAfter(step, 'ends')))
    const received = Buffer.alloc(BYTES.length)
    let end = 0
    while (end < BYTES.length) {
      const { offset, body } = await source.open('app', BLOB, { kind: 'blob', offset: end })
      expect(offset).toBe(end)
      try {
        for await (const chunk of body) end += Buffer.from(chunk).copy(received, end)
      } catch (error) {
        expect(error).toMatchObject({ code: 'unreachable' })
      }
    }
    expect(received.equals(BYTES)).toBe(true)
    expect(registry.log).toHaveLength(5)
    expect(registry.log.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(BYTES.length)
  })
})

describe('a blob behind a redirect', () => {
  test('comes from the other host, which gets the range and no credentials', async () => {
    const store = await startRegistry({ repositories: { app: { latest: makeArtifact({ payload: BYTES }) } } })
    const { source } = await openBlobs(blobs(redirects(({ path }) => `${store.url}${path}?signature=secret`)))
    const content = await source.open('app', BLOB, { kind: 'blob', offset: HALF })
    expect(content.offset).toBe(HALF)
    expect(await read(content)).toHaveLength(BYTES.length - HALF)
    expect(store.log[0]?.headers).not.toHaveProperty('authorization')
    expect(store.log[0]?.headers['range']).toBe(`bytes=${HALF}-`)
  })

  test.each([400, 401, 403])(
    'whose signature has expired (%d) is asked for once more at the registry',
    async status => {
      const store = await startRegistry({
        repositories: { app: { latest: makeArtifact({ payload: BYTES }) } },
        hook: first(1, fails(status)),
      })
      const { registry, source } = await openBlobs(blobs(redirects(({ path }) => `${store.url}${path}`)))
      expect((await read(await source.open('app', BLOB, { kind: 'blob' }))).equals(BYTES)).toBe(true)
      expect([registry.log.length, store.log.length]).toEqual([2, 2])
    },
  )

  test('that never works is told with the host and without the signature', async () => {
    const store = await startRegistry({ hook: fails(403, {}, 'DENIED') })
    const { registry, source } = await openBlobs(blobs(redirects(({ path }) => `${store.url}${path}?signature=secret`)))
    const error = await failureOf(source.open('app', BLOB, { kind: 'blob' }))
    expect(error).toMatchObject({ code: 'bad-answer' })
    expect(error.message).toContain(`${store.host}, where ${registry.host} sent us, answers 403 Forbidden`)
    expect(`${error.stack}`).not.toContain('secret')
    expect(registry.log).toHaveLength(2)
  })

  test('to a store that is out of order is tried again from the registry on', async () => {
    const store = await startRegistry({
      repositories: { app: { latest: makeArtifact({ payload: BYTES }) } },
      hook: first(2, fails(503)),
    })
    const { registry, source } = await openBlobs(blobs(redirects(({ path }) => `${store.url}${path}`)))
    expect((await read(await source.open('app', BLOB, { kind: 'blob' }))).equals(BYTES)).toBe(true)
    expect([registry.log.length, store.log.length]).toEqual([3, 3])
  })
})

describe('a foreign layer', () => {
  const absent = digestOf('foreign')
  const bytes = Buffer.from('foreign')
  const foreign = (...urls: readonly string[]): Descriptor => ({ ...BLOB, digest: absent, size: bytes.length, urls })

  test('comes from the registry where it has it', async () => {
    const { registry, source } = await openBlobs()
    const layer = { ...BLOB, urls: ['http://elsewhere.invalid/x'] }
    expect((await read(await source.open('app', layer, { kind: 'blob' }))).equals(BYTES)).toBe(true)
    expect(registry.log).toHaveLength(1)
  })

  test('is not looked for elsewhere: clients do that', async () => {
    const { url, requests } = await startServer((_, response) => response.end(bytes))
    const { source } = await openBlobs()
    const error = await failureOf(source.open('app', foreign(String(url)), { kind: 'blob' }))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(requests).toEqual([])
  })
})
