import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type BucketAdmin, openBucketAdmin } from '../../../src/deploy/s3/setup-admin.ts'
import { parseS3Target } from '../../../src/deploy/s3/target.ts'

/* What is asked of a store, and what its refusals mean, by a server that answers as it is told. */

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
})

describe('a bucket', () => {
  test.each([
    [200, true],
    [404, false],
  ])('is looked for: %d', async (status, there) => {
    const { admin, asked } = await serve({ status })
    expect(await admin.has()).toBe(there)
    expect(asked).toEqual(['HEAD /bucket/ '])
  })

  test('of others is told from one that is not there', async () => {
    const { admin } = await serve({ status: 403 })
    await expect(admin.has()).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test.each([
    ['us-east-1', /^PUT \/bucket\/ $/],
    ['eu-west-1', /^PUT \/bucket\/ .*<LocationConstraint>eu-west-1</],
  ])('is made in its region: %s', async (region, request) => {
    const { admin, asked } = await serve({ status: 200 }, region)
    await admin.create()
    expect(asked).toEqual([expect.stringMatching(request)])
    expect(admin.region()).toBe(region)
  })

  test('whose name is taken is a conflict', async () => {
    const { admin } = await serve({ status: 409, code: 'BucketAlreadyExists' })
    await expect(admin.create()).rejects.toMatchObject({ code: 'conflict', hint: expect.stringContaining('another') })
  })
})

describe('what a bucket is told', () => {
  test.each([
    ['policy', 'NoSuchBucketPolicy'],
    ['cors', 'NoSuchCORSConfiguration'],
    ['lifecycle', 'NoSuchLifecycleConfiguration'],
    ['website', 'NoSuchWebsiteConfiguration'],
    ['public-access', 'NoSuchPublicAccessBlockConfiguration'],
  ] as const)('%s: may be nothing', async (part, code) => {
    const { admin } = await serve({ status: 404, code })
    expect(await admin.read(part)).toBeUndefined()
  })

  test('is not nothing where there is no bucket', async () => {
    const { admin } = await serve({ status: 404, code: 'NoSuchBucket' })
    await expect(admin.read('policy')).rejects.toMatchObject({ code: 'not-found' })
  })

  test('is read as a document', async () => {
    const { admin } = await serve({ status: 200, body: '{"Version":"2012-10-17","Statement":[]}' })
    expect(await admin.read('policy')).toEqual({ Version: '2012-10-17', Statement: [] })
  })

  test('that makes no sense is an error', async () => {
    const { admin } = await serve({ status: 200, body: 'null' })
    await expect(admin.read('policy')).rejects.toMatchObject({ code: 'bad-answer' })
  })

  test('is written with the setting beside the rules', async () => {
    const { admin, asked } = await serve({ status: 200 })
    const rule = { ID: 'x', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } }
    await admin.write('lifecycle', {
      Rules: [rule],
      TransitionDefaultMinimumObjectSize: 'varies_by_storage_class',
    })
    expect(asked[0]).toMatch(/^PUT \/bucket\/\?lifecycle= varies_by_storage_class<.*<ID>x<\/ID>/s)
  })
})

describe('a part that is not taken', () => {
  test.each([
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
    [400, 'MalformedXML'],
    [400, 'InvalidArgument'],
  ])('is not known to the store: %d %s', async (status, code) => {
    const { admin } = await serve({ status, code })
    await expect(admin.write('website', { IndexDocument: { Suffix: 'x' } })).rejects.toMatchObject({
      code: 'unsupported',
    })
  })

  test('of a policy says what else may stand in the way', async () => {
    const { admin } = await serve({ status: 403, code: 'AccessDenied' })
    await expect(admin.write('policy', {})).rejects.toMatchObject({
      code: 'unauthorized',
      hint: expect.stringContaining('get-public-access-block --account-id'),
    })
  })
})

test('without credentials nothing is asked', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', '')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', '')
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  await expect(serve({ status: 200 })).rejects.toMatchObject({
    code: 'unauthorized',
    hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
  })
})

interface Reply {
  readonly status: number
  /** Of an error, as XML. */
  readonly code?: string
  readonly body?: string
}

async function serve(
  { status, code, body = '' }: Reply,
  region = 'us-east-1',
): Promise<{ readonly admin: BucketAdmin; readonly asked: readonly string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const kept = request.headers['x-amz-transition-default-minimum-object-size'] ?? ''
    void textOf(request).then(text => {
      asked.push(`${request.method} ${request.url} ${String(kept)}${text}`)
      response.writeHead(status, { 'content-type': code === undefined ? 'application/json' : 'application/xml' })
      response.end(code === undefined ? body : `<Error><Code>${code}</Code><Message>told</Message></Error>`)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const admin = await openBucketAdmin(parseS3Target({ bucket: 'bucket', endpoint: `127.0.0.1:${port}`, region }))
  onTestFinished(() => admin.close())
  return { admin, asked }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
