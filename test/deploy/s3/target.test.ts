import { describe, expect, test } from 'vitest'
import { parseS3Target, publicHostOf, type S3TargetInput } from '../../../src/deploy/s3/target.ts'
import { isRegistrishError } from '../../../src/errors.ts'

describe('a bucket', () => {
  test.each(['my-registry', 's3://my-registry', 's3://my-registry/', 'my-registry/'])('%s', bucket => {
    expect(parseS3Target({ bucket })).toEqual({ bucket: 'my-registry', pathStyle: false, notes: [] })
  })

  test.each(['abc', '0ab', 'a.b.c', 'x'.repeat(63)])('%s is a name', bucket => {
    expect(parseS3Target({ bucket }).bucket).toBe(bucket)
  })

  test.each([
    ['s3://bucket/registry', /names a folder of a bucket.*\/v2\/ at the root of a host/],
    ['bucket/a/b/', /names a folder of a bucket/],
    ['', /names no bucket/],
    ['s3://', /names no bucket/],
    ['MyBucket', /capital letters.*clients cannot pull/],
    ['my_bucket', /underscore.*clients cannot pull/],
    ['ab', /3 to 63 characters/],
    ['x'.repeat(64), /3 to 63 characters/],
    ['-abc', /is not a bucket's name/],
    ['abc-', /is not a bucket's name/],
    ['a..b', /is not a bucket's name/],
    ['a.-b', /is not a bucket's name/],
    ['a b c', /is not a bucket's name/],
    ['bücket', /is not a bucket's name/],
    ['127.0.0.1', /is an address/],
    ['xn--bucket', /keeps to itself/],
    ['bucket--x-s3', /another kind of bucket/],
    ['bucket-s3alias', /another kind of bucket/],
    ['https://bucket.s3.amazonaws.com', /is not a bucket/],
    ['arn:aws:s3:::bucket', /is not a bucket/],
  ])('%s is refused', (bucket, message) => {
    expect(() => parseS3Target({ bucket })).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(message), hint: expect.any(String) }),
    )
  })

  test('a folder of one is refused with the way out', () => {
    expect(() => parseS3Target({ bucket: 's3://images/registry' })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('--s3 images-registry') }),
    )
  })
})

describe('an endpoint', () => {
  test.each([
    ['https://s3.example.com/', 'https://s3.example.com', false],
    ['s3.example.com', 'https://s3.example.com', false],
    ['s3.example.com:8443', 'https://s3.example.com:8443', false],
    ['s3.example.com:80', 'https://s3.example.com:80', false],
    ['localhost:9000', 'http://localhost:9000', true],
    ['localhost:443', 'http://localhost:443', true],
    ['127.0.0.1:9000', 'http://127.0.0.1:9000', true],
    ['[::1]:9000', 'http://[::1]:9000', true],
    ['http://10.0.0.1:9000', 'http://10.0.0.1:9000', true],
    ['http://s3.lab:9000', 'http://s3.lab:9000', false],
    ['https://127.0.0.1:9000', 'https://127.0.0.1:9000', true],
  ])('%s', (endpoint, origin, pathStyle) => {
    expect(target({ endpoint })).toMatchObject({ endpoint: origin, pathStyle })
  })

  test.each([
    ['https://s3.example.com/bucket', /has a path/, 'try --s3-endpoint https://s3.example.com'],
    ['https://s3.example.com/?x', /has a path/, 'try --s3-endpoint https://s3.example.com'],
    [
      'https://bucket.nyc3.digitaloceanspaces.com',
      /host of the bucket/,
      'leave the bucket out: --s3-endpoint https://nyc3.digitaloceanspaces.com',
    ],
    ['https://user:secret@s3.example.com', /is not an endpoint/, expect.any(String)],
    ['ftp://s3.example.com', /is not an endpoint/, expect.any(String)],
    ['', /is not an endpoint/, expect.any(String)],
    ['a b', /is not an endpoint/, expect.any(String)],
    ['https://a;reboot', /is not an endpoint/, expect.any(String)],
    ['https://$HOME', /is not an endpoint/, expect.any(String)],
  ])('%s is refused', (endpoint, message, hint) => {
    expect(() => target({ endpoint })).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(message), hint }),
    )
  })

  test.each([
    ['https://s3.fr-par.scw.cloud', 'fr-par'],
    ['https://s3.us-west-004.backblazeb2.com', 'us-west-004'],
    ['https://s3.eu-central-1.wasabisys.com', 'eu-central-1'],
    ['https://nyc3.digitaloceanspaces.com', 'nyc3'],
    ['https://s3.gra.io.cloud.ovh.net', 'gra'],
    ['https://0123.r2.cloudflarestorage.com', 'auto'],
    ['https://0123.eu.r2.cloudflarestorage.com', 'auto'],
    ['https://storage.googleapis.com', 'auto'],
    ['https://s3.eu-west-3.amazonaws.com', 'eu-west-3'],
    ['https://s3.example.com', undefined],
    ['https://xs3.fr-par.scw.cloud.example.com', undefined],
  ])('%s says its region', (endpoint, region) => {
    expect(target({ endpoint }).region).toBe(region)
    expect(target({ endpoint, region: 'own' }).region).toBe('own')
  })
})

describe('a password is not repeated', () => {
  test.each<Partial<S3TargetInput>>([
    { endpoint: 'https://AKIAKEY:s3cr3t@s3.example.com' },
    { endpoint: 'https://AKIAKEY:s3cr3t@s3.example.com/bucket' },
    { endpoint: 'AKIAKEY:s3cr3t@s3.example.com' },
    { endpoint: 'https:AKIAKEY:s3cr3t@s3.example.com' },
    { endpoint: 'ftp://AKIAKEY:s3cr3t@s3.example.com' },
    { endpoint: 'https://AKIAKEY:s3cr3t/x#y@s3.example.com' },
    { bucket: 'https://AKIAKEY:s3cr3t@host/b' },
    { bucket: 's3://AKIAKEY:s3cr3t@host/b' },
    { bucket: '0AKIAKEY:s3cr3t@host/b' },
    { bucket: '0AKIAKEY:s3cr3t@host' },
  ])('%o', input => {
    const told = refusalOf(input)
    expect(told).toMatch(/^"[^"]*(?:host\/b|host|s3\.example\.com(?:\/bucket)?)" is not a/)
    expect(told).not.toMatch(/AKIAKEY|s3cr3t/)
  })
})

describe('the host that clients pull from', () => {
  test.each([
    [{ region: 'eu-west-1' }, 'bucket.s3.eu-west-1.amazonaws.com'],
    [{ region: 'cn-north-1' }, 'bucket.s3.cn-north-1.amazonaws.com.cn'],
    [{ endpoint: 'http://s3.lab:9000' }, 'bucket.s3.lab:9000'],
    [{ endpoint: 's3.fr-par.scw.cloud' }, 'bucket.s3.fr-par.scw.cloud'],
    [{ endpoint: '127.0.0.1:9000' }, undefined],
    [{ region: 'eu-west-1', pathStyle: true }, undefined],
    [{}, undefined],
  ])('%o', (input, host) => {
    expect(publicHostOf(target(input))).toBe(host)
  })

  test('is known once the region is', () => {
    expect(publicHostOf(target({}), 'us-east-1')).toBe('bucket.s3.us-east-1.amazonaws.com')
  })
})

describe('what is to be known', () => {
  test.each([
    [{ pathStyle: true }, /path style serves uploads only/],
    [{ endpoint: '127.0.0.1:9000' }, /path style serves uploads only/],
    [{ endpoint: 'http://s3.lab:9000' }, /plain HTTP/],
    [{ bucket: 'my.registry' }, /certificate.*does not match/],
  ])('of %o', (input, note) => {
    expect(target(input).notes).toEqual([expect.stringMatching(note)])
  })

  test('a dot is no matter without certificates', () => {
    expect(target({ bucket: 'a.b', endpoint: 'http://s3.localhost:9000' }).notes).toEqual([])
  })
})

test('a region is a short name', () => {
  expect(() => target({ region: 'eu west' })).toThrow(expect.objectContaining({ code: 'usage' }))
})

describe('an access list', () => {
  test('is one of those that S3 has', () => {
    expect(target({ acl: 'public-read' }).acl).toBe('public-read')
    expect(() => target({ acl: 'public' })).toThrow(/not one of S3's access lists: public-read/)
  })

  test('that lets anyone write is refused', () => {
    expect(() => target({ acl: 'public-read-write' })).toThrow(/would let anyone write/)
  })
})

/** Message and hint of what is refused. */
function refusalOf(input: Partial<S3TargetInput>): string {
  try {
    target(input)
  } catch (error) {
    if (isRegistrishError(error, 'usage')) return `${error.message}\n${error.hint}`
    throw error
  }
  throw new Error('nothing was refused')
}

function target(input: Partial<S3TargetInput>): ReturnType<typeof parseS3Target> {
  return parseS3Target({ bucket: 'bucket', ...input })
}
