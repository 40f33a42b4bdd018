import { createHash, createHmac, randomBytes } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import { describe, expect, test } from 'vitest'
import { canonicalQuery, createSigner, type S3Credentials, type Signable } from '../../../src/deploy/s3/sign.ts'
import { encode } from '../../../src/deploy/s3/transport.ts'

const EMPTY = createHash('sha256').digest('hex')

/** What the examples of AWS are signed with. */
const EXAMPLE = {
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  region: 'us-east-1',
  now: Date.UTC(2013, 4, 24),
}

describe('the examples of AWS (Amazon S3 API, "Examples: Signature calculations") come out', () => {
  const host = 'examplebucket.s3.amazonaws.com'
  test.each<readonly [string, Partial<Signable>, string, string]>([
    [
      'GET Object',
      { path: '/test.txt', headers: { range: 'bytes=0-9' } },
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'PUT Object',
      {
        method: 'PUT',
        path: '/test%24file.text',
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256': createHash('sha256').update('Welcome to Amazon S3.').digest('hex'),
        },
      },
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ],
    [
      'GET Bucket Lifecycle',
      { query: canonicalQuery({ lifecycle: '' }) },
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'GET Bucket (List Objects)',
      { query: canonicalQuery({ prefix: 'J', 'max-keys': '2' }) },
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('%s', (_, { headers = {}, ...request }, names, signature) => {
    const all = { host, 'x-amz-content-sha256': EMPTY, ...headers }
    const signed = createSigner()({ method: 'GET', path: '/', query: '', ...request, headers: all }, EXAMPLE)
    expect(signed).toEqual({
      ...all,
      'x-amz-date': '20130524T000000Z',
      authorization: `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
    })
  })
})

test('any request is signed as the signer of the SDK does, by one whose key changes now and then', async () => {
  const sign = createSigner()
  const random = (below: number): number => randomBytes(4).readUInt32LE() % below
  const text = (): string => Array.from({ length: random(9) }, () => PIECES[random(PIECES.length)]).join('')
  const people: AwsCredentials[] = Array.from({ length: 3 }, (_, index) => ({
    accessKeyId: `AKID${text()}`,
    secretAccessKey: `secret${text()}`,
    ...(index === 0 ? {} : { sessionToken: `token${index}==` }),
  }))
  for (let round = 0; round < 300; round += 1) {
    const credentials = people[random(people.length)] ?? EXAMPLE.credentials
    const region = `eu-${random(2)}`
    const now = Date.UTC(2026, 10, 1 + random(3), random(24), random(60), random(60), random(1000))
    const query = Object.fromEntries(Array.from({ length: random(4) }, () => [`q${text()}`, text()]))
    const path = `/${encode(text())}/${encode(text())}`
    const headers = {
      host: 's3.test:9000',
      'x-amz-content-sha256': EMPTY,
      'cache-control': 'no-cache',
      ...Object.fromEntries(
        Array.from({ length: random(4) }, () => [`x-amz-meta-${random(100)}`, ` a  ${text()}\tb `]),
      ),
    }
    const signer = new SignatureV4({ ...WITH_NODE, credentials, region })
    const request = { method: 'PUT', protocol: 'https:', hostname: 's3.test', path, query, headers }
    const { headers: wanted } = await signer.sign(request, { signingDate: new Date(now) })
    expect(sign({ method: 'PUT', path, query: canonicalQuery(query), headers }, { credentials, region, now })).toEqual(
      wanted,
    )
  }
})

type AwsCredentials = S3Credentials & { readonly sessionToken?: string }

const PIECES = [
  'a',
  'Z',
  '9',
  '-',
  '_',
  '.',
  '~',
  ' ',
  '+',
  '/',
  '%',
  '&',
  '=',
  '(',
  "'",
  '*',
  '!',
  'é',
  '😀',
  ':',
  '@',
]

const WITH_NODE = {
  service: 's3',
  uriEscapePath: false,
  applyChecksum: false,
  sha256: class {
    readonly #hash

    constructor(secret?: unknown) {
      const isKeyed = typeof secret === 'string' || secret instanceof Uint8Array
      this.#hash = isKeyed ? createHmac('sha256', secret) : createHash('sha256')
    }

    update(data: Uint8Array): void {
      this.#hash.update(data)
    }

    async digest(): Promise<Uint8Array> {
      return this.#hash.digest()
    }

    reset(): void {
      throw new TypeError('used once')
    }
  },
}
