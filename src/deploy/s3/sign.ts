import { createHash, createHmac } from 'node:crypto'
import { compareText } from '../compare-text.ts'
import { encode } from './transport.ts'

/*
 * Signature Version 4 in headers (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The SDK's own signer gives the same, but
 * takes time to load and more for each request: it derives its key anew, and knows streams, events and queries to be signed.
 */

/** Who signs. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** @internal for the tests: what is signed of a request. */
export interface Signable {
  readonly method: string
  /** Encoded, as it is sent. */
  readonly path: string
  /** As {@link canonicalQuery} gives it. */
  readonly query: string
  /** Names in small letters; with `host` and `x-amz-content-sha256`. */
  readonly headers: Readonly<Record<string, string>>
}

/** By whom, where and when a request is signed. */
interface Signing {
  readonly credentials: S3Credentials
  readonly region: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Gives the headers of a request with those that sign it. */
export type Signer = (request: Signable, signing: Signing) => Record<string, string>

/** Makes a {@link Signer}. It keeps the key that it derived last: one is good for a day. */
export function createSigner(): Signer {
  let [known, key]: [string, Buffer] = ['', Buffer.alloc(0)]
  return ({ method, path, query, headers }, { credentials, region, now }) => {
    const { accessKeyId, secretAccessKey, sessionToken = '' } = credentials
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
    const day = time.slice(0, 8)
    const scope = `${day}/${region}/s3/aws4_request`
    const all: Record<string, string> = { ...headers, 'x-amz-date': time }
    if (sessionToken !== '') all['x-amz-security-token'] = sessionToken
    const names = Object.keys(all)
      .filter(name => !UNSIGNED.has(name))
      .sort()
    const lines = names.map(name => `${name}:${(all[name] ?? '').trim().replace(/\s+/g, ' ')}\n`).join('')
    const signed = names.join(';')
    const canonical = `${method}\n${path}\n${query}\n${lines}\n${signed}\n${all['x-amz-content-sha256'] ?? ''}`
    const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
    const wanted = `${secretAccessKey}\n${scope}`
    if (known !== wanted) [known, key] = [wanted, deriveKey(secretAccessKey, [day, region, 's3', 'aws4_request'])]
    const signature = createHmac('sha256', key).update(text).digest('hex')
    all['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
    return all
  }
}

/** What proxies may change or leave out on the way. */
const UNSIGNED = new Set(['authorization', 'cache-control', 'connection', 'expect', 'user-agent'])

function deriveKey(secret: string, scope: readonly string[]): Buffer {
  return scope.reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  )
}

/** A query in the one spelling and order that are signed; so it can be sent. */
export function canonicalQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(pair => pair.join('='))
    .join('&')
}
