import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { S3Error } from './s3-server-answer.ts'
import type { S3Request, WholeRequest } from './s3-server-request.ts'

/*
 * Signature Version 4, checked by what its page says and by no library's idea of it:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */

/** Who may sign, and for what. */
export interface Signers {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly region: string
  /** Milliseconds since the epoch by the server's clock. */
  readonly now: () => number
  /** Whether the bytes are held against `x-amz-content-sha256`. */
  readonly checkPayload: boolean
}

/** Throws unless a request is signed as it must be. */
export function checkSignature(request: WholeRequest, signers: Signers): void {
  const given = AUTHORIZATION.exec(request.headers['authorization'] ?? '')?.groups
  if (given === undefined) throw new S3Error(400, 'AuthorizationHeaderMalformed')
  const { id = '', day = '', region = '', names = '', signature = '' } = given
  if (id !== signers.accessKeyId) throw new S3Error(403, 'InvalidAccessKeyId', { details: { AWSAccessKeyId: id } })
  if (region !== signers.region) throw wrongRegion(region, signers.region)
  if (request.headers['x-amz-security-token'] !== signers.sessionToken) throw new S3Error(400, 'InvalidToken')
  const date = request.headers['x-amz-date'] ?? ''
  checkDate(date, signers.now())
  const signed = names.split(';')
  checkNames(request, signed)
  const canonical = canonicalRequest(request, signed)
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const dateKey = hmac(`AWS4${signers.secretAccessKey}`, day)
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(dateKey, region))
  const wanted = hmac(key, text).toString('hex')
  if (!date.startsWith(day) || !timingSafeEqual(Buffer.from(wanted), Buffer.from(signature))) {
    throw new S3Error(403, 'SignatureDoesNotMatch', { details: { AWSAccessKeyId: id, CanonicalRequest: canonical } })
  }
  checkPayload(request, signers)
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<id>[^/]+)\/(?<day>\d{8})\/(?<region>[^/]+)\/s3\/aws4_request, ?SignedHeaders=(?<names>[^,]+), ?Signature=(?<signature>[0-9a-f]{64})$/

function wrongRegion(region: string, Region: string): S3Error {
  const message = `The authorization header is malformed; the region '${region}' is wrong; expecting '${Region}'`
  return new S3Error(400, 'AuthorizationHeaderMalformed', { message, details: { Region } })
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function checkDate(date: string, now: number): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (match === null) throw new S3Error(403, 'AccessDenied')
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number)
  if (Math.abs(Date.UTC(year, month - 1, ...rest) - now) > SKEW) throw skewed(date, now)
}

/** What a request is told whose date is too far from the server's. */
export function skewed(date: string, now: number): S3Error {
  const ServerTime = new Date(now).toISOString().replace(/\.\d+/, '')
  return new S3Error(403, 'RequestTimeTooSkewed', {
    details: { RequestTime: date, ServerTime, MaxAllowedSkewMilliseconds: String(SKEW) },
  })
}

/** Milliseconds that a request's date may be off. */
const SKEW = 900_000

/** "host" and all "x-amz-*" must be signed. */
function checkNames({ headers }: S3Request, signed: readonly string[]): void {
  const left = Object.keys(headers).filter(
    name => (name === 'host' || name.startsWith('x-amz-')) && !signed.includes(name),
  )
  if (left.length > 0 || signed.join(';') !== [...signed].sort().join(';')) {
    throw new S3Error(403, 'AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      details: { HeadersNotSigned: left.join(', ') },
    })
  }
}

function canonicalRequest({ method, rawPath, query, headers }: S3Request, signed: readonly string[]): string {
  const names = [...query.keys()].sort((one, other) =>
    Buffer.compare(Buffer.from(encode(one)), Buffer.from(encode(other))),
  )
  return [
    method,
    rawPath
      .split('/')
      .map(part => encode(decodeURIComponent(part)))
      .join('/'),
    names.map(name => `${encode(name)}=${encode(query.get(name) ?? '')}`).join('&'),
    ...signed.map(name => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signed.join(';'),
    headers['x-amz-content-sha256'] ?? '',
  ].join('\n')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function checkPayload({ headers, body }: WholeRequest, signers: Signers): void {
  const given = headers['x-amz-content-sha256']
  if (given === undefined)
    throw new S3Error(400, 'InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    })
  if (given === 'UNSIGNED-PAYLOAD' || !signers.checkPayload) return
  const is = createHash('sha256').update(body).digest('hex')
  if (given === is) return
  throw new S3Error(400, 'XAmzContentSHA256Mismatch', {
    details: { ClientComputedContentSHA256: given, S3ComputedContentSHA256: is },
  })
}
