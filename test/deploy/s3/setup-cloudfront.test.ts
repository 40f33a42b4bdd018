import { createContext, runInContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import {
  cloudFrontFunction,
  cloudFrontSteps,
  distributionConfig,
  FUNCTION_LIMIT,
} from '../../../src/deploy/s3/setup-cloudfront.ts'

/* The function runs in a context without anything of Node, as in CloudFront, over events as its documentation has them. */

const SHA256 = `sha256:${'a1'.repeat(32)}`
const SHA512 = `sha512:${'b2'.repeat(64)}`

describe('a request', () => {
  test.each(['/v2/', '/v2'])('for %s is answered', uri => {
    expect(request('GET', uri)).toMatchObject({
      statusCode: 200,
      headers: { 'content-type': { value: 'application/json' } },
      body: { data: '{}' },
    })
    expect(request('HEAD', uri)).toMatchObject({ statusCode: 200 })
  })

  test.each(['/v2/alpine/manifests/latest', `/v2/a/b/blobs/${SHA256}`, '/v2/_catalog', '/v2/alpine/tags/list'])(
    'for %s goes on to S3 as it is',
    uri => {
      expect(request('GET', uri)).toEqual({ method: 'GET', uri, querystring: {}, headers: {}, cookies: {} })
    },
  )

  // The origin would answer "/" with a listing of the bucket.
  test.each(['/', '/index.html', '/.registrish/deletions.json', '/v2x', '/v1/'])('for %s is 404', uri => {
    const answer = request('GET', uri)
    expect(answer).toMatchObject({ statusCode: 404, headers: { 'content-type': { value: 'application/json' } } })
    expect(errorsOf(answer)).toEqual(['NAME_UNKNOWN'])
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('of %s is 405', method => {
    const answer = request(method, '/v2/alpine/blobs/uploads/')
    expect(answer).toMatchObject({ statusCode: 405 })
    expect(errorsOf(answer)).toEqual(['UNSUPPORTED'])
  })
})

describe('an answer', () => {
  test.each([
    [`/v2/alpine/manifests/${SHA256}`, SHA256],
    [`/v2/a/b/c/blobs/${SHA256}`, SHA256],
    [`/v2/alpine/manifests/${SHA512}`, SHA512],
    [`/v2/alpine/manifests/${SHA256.replace(':', '%3A')}`, SHA256],
    [`/v2/alpine/manifests/${SHA256.replace(':', '%3a')}`, SHA256],
  ])('by digest has it: %s', (uri, digest) => {
    for (const status of [200, 206, 304])
      expect(response(uri, status).headers['docker-content-digest']).toEqual({ value: digest })
  })

  test.each([
    '/v2/alpine/manifests/latest',
    `/v2/alpine/manifests/${SHA256.replace(':', '-')}`,
    `/v2/alpine/referrers/${SHA256}`,
    `/v2/alpine/manifests/${SHA256}0`,
    `/v2/alpine/manifests/sha256:${'A1'.repeat(32)}`,
    `/v2/alpine/manifests/x/${SHA256}/y`,
  ])('by anything else has none: %s', uri => {
    expect(response(uri, 200).headers['docker-content-digest']).toBeUndefined()
  })

  test('of an error has none', () => {
    expect(response(`/v2/alpine/blobs/${SHA256}`, 404).headers['docker-content-digest']).toBeUndefined()
  })

  test('keeps what S3 says', () => {
    const { headers, statusCode } = response(`/v2/alpine/manifests/${SHA256}`, 200)
    expect(statusCode).toBe(200)
    expect(headers['content-type']).toEqual({ value: 'application/vnd.oci.image.index.v1+json' })
  })
})

test('the function is small enough, and of the language that CloudFront takes', () => {
  const code = cloudFrontFunction()
  expect(Buffer.byteLength(code)).toBeLessThan(FUNCTION_LIMIT / 4)
  // No modules, classes, generators, template literals or async functions are needed: what 1.0 takes 2.0 takes too.
  expect(code).not.toMatch(/\b(?:import|export|require|class|async|await|let|const)\b|`|=>/)
})

test('the distribution maps what is missing to 404 and compresses nothing', () => {
  const config = distributionConfig({ bucket: 'bucket', region: 'eu-west-1' }, { oac: 'E1', arn: 'arn:f' })
  expect(config).toMatchObject({
    Origins: { Items: [{ DomainName: 'bucket.s3.eu-west-1.amazonaws.com', OriginAccessControlId: 'E1' }] },
    DefaultCacheBehavior: { Compress: false, FunctionAssociations: { Quantity: 2 } },
  })
  const errors = config['CustomErrorResponses'] as { readonly Items: readonly object[] }
  expect(errors.Items).toEqual(
    [403, 404].map(ErrorCode => ({
      ErrorCode,
      ResponsePagePath: '/v2/_404.json',
      ResponseCode: '404',
      ErrorCachingMinTTL: 10,
    })),
  )
})

test('only the distribution may read the bucket', () => {
  const steps = cloudFrontSteps({ bucket: 'bucket', region: 'eu-west-1' })
  const { Statement } = steps.find(({ name }) => name === 'policy')?.document ?? {}
  const only = {
    Principal: { Service: 'cloudfront.amazonaws.com' },
    Condition: { StringEquals: { 'AWS:SourceArn': '$distribution' } },
  }
  expect(Statement).toMatchObject([
    { ...only, Action: 's3:GetObject' },
    { ...only, Action: 's3:ListBucket' },
  ])
})

interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, { readonly value: string }>>
  readonly body?: { readonly data: string }
}

/** Runs the function for an event; JSON in and JSON out. */
function run(event: object): unknown {
  const context = createContext({ event: JSON.stringify(event) })
  const result: unknown = runInContext(`${cloudFrontFunction()}\nJSON.stringify(handler(JSON.parse(event)))`, context)
  return JSON.parse(String(result))
}

function request(method: string, uri: string): Answer {
  const viewer = { ip: '198.51.100.11' }
  const asked = { method, uri, querystring: {}, headers: {}, cookies: {} }
  return run({ version: '1.0', context: { eventType: 'viewer-request' }, viewer, request: asked }) as Answer
}

function response(uri: string, statusCode: number): Answer {
  return run({
    version: '1.0',
    context: { eventType: 'viewer-response' },
    viewer: { ip: '198.51.100.11' },
    request: { method: 'GET', uri, querystring: {}, headers: {}, cookies: {} },
    response: {
      statusCode,
      statusDescription: 'OK',
      headers: { 'content-type': { value: 'application/vnd.oci.image.index.v1+json' } },
      cookies: {},
    },
  }) as Answer
}

function errorsOf({ body }: Answer): readonly string[] {
  const { errors } = JSON.parse(body?.data ?? '{}') as { readonly errors: readonly { readonly code: string }[] }
  return errors.map(({ code }) => code)
}
