import { describe, expect, test } from 'vitest'
import { type LoadedSdk, openS3Client, type S3Connection } from '../../../src/deploy/s3/client.ts'
import { encode, type StoreRequest, type Transport } from '../../../src/deploy/s3/transport.ts'
import type { HttpResponse } from '../../../src/http/client.ts'
import { stubCredentials } from './support.ts'

/** A network that answers everything with nothing, and keeps what was asked. */
function createNetwork(): Transport & { readonly asked: StoreRequest[] } {
  const asked: StoreRequest[] = []
  const nothing: HttpResponse = {
    status: 200,
    url: new URL('https://s3.test/'),
    header: () => undefined,
    headers: () => ({ etag: '"e"' }),
    body: (async function* () {})(),
    bytes: async () => new Uint8Array(),
    text: async () => '',
    discard: async () => {},
  }
  return {
    asked,
    async send(request) {
      asked.push(request)
      return nothing
    },
    now: Date.now,
    region: () => undefined,
    close: async () => {},
  }
}

async function open(endpoint: string): Promise<S3Connection & LoadedSdk & { readonly asked: readonly StoreRequest[] }> {
  stubCredentials({ AWS_SESSION_TOKEN: 'token' })
  const network = createNetwork()
  const connection = await openS3Client({ bucket: 'bucket', endpoint, region: 'eu-1' }, network)
  return { ...connection, ...(await connection.load()), asked: network.asked }
}

describe('the small path', () => {
  test('makes the same request as the SDK', async () => {
    const { client, sdk, sign, asked } = await open('https://s3.test/below')
    const key = 'v2/a b/manifests/sha256:00+é(1)'
    await client.send(new sdk.GetObjectCommand({ Bucket: 'bucket', Key: key }))
    const [bySdk] = asked
    const headers = { 'x-amz-content-sha256': bySdk?.headers['x-amz-content-sha256'] ?? '' }
    const small = await sign({ method: 'GET', key, headers })
    expect(small.url.href).toBe(bySdk?.url.href.replace('?x-id=GetObject', ''))
    expect(small.headers['authorization']).toMatch(/Credential=key\/\d{8}\/eu-1\/s3\/aws4_request, SignedHeaders=host;/)
    expect(small.headers).toMatchObject({ host: 'bucket.s3.test', 'x-amz-security-token': 'token' })
  })

  test('asks nothing to begin with', async () => {
    const { asked, base } = await open('http://127.0.0.1:9000')
    expect(asked).toEqual([])
    expect(base()).toMatchObject({ region: 'eu-1', isHost: false, url: new URL('http://127.0.0.1:9000/bucket') })
  })

  test('moves with the bucket, and so does the SDK', async () => {
    const { client, sdk, sign, move, asked } = await open('https://s3.test')
    await move('eu-2')
    const headers = { 'x-amz-content-sha256': 'x' }
    expect((await sign({ method: 'GET', headers })).headers['authorization']).toContain('/eu-2/s3/')
    await client.send(new sdk.GetObjectCommand({ Bucket: 'bucket', Key: 'a' }))
    expect(asked[0]?.headers['authorization']).toContain('/eu-2/s3/')
  })
})

describe('the SDK', () => {
  test.each([
    ['https://s3.test', /^UNSIGNED-PAYLOAD$/],
    ['http://s3.test', /^[0-9a-f]{64}$/],
  ])('leaves a part to TLS where there is any: %s', async (endpoint, hash) => {
    const { client, sdk, asked } = await open(endpoint)
    const part = { Bucket: 'bucket', Key: 'a', UploadId: 'u', PartNumber: 1, Body: Buffer.alloc(3_000_000) }
    await client.send(new sdk.UploadPartCommand(part))
    expect(asked[0]?.headers['x-amz-content-sha256']).toMatch(hash)
    const names = Object.keys(asked[0]?.headers ?? {}).join()
    expect(names).not.toMatch(/expect|checksum|trailer/i)
  })
})

test('keys are encoded down to the colon', () => {
  expect(encode("sha256:a b/é!'()*~-._")).toBe('sha256%3Aa%20b%2F%C3%A9%21%27%28%29%2A~-._')
})
