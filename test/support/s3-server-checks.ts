import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { S3Error } from './s3-server-answer.ts'
import type { S3Request, WholeRequest } from './s3-server-request.ts'
import type { S3State } from './s3-server-state.ts'

/* What a strict store refuses of a request's headers, whatever it is about. */

/** Checks what can be told before the body is read. */
export function checkHeaders({ strict }: S3State, request: S3Request): void {
  const { method, headers, operation, key } = request
  if (method === 'PUT' || method === 'POST') {
    if (headers['transfer-encoding'] !== undefined) {
      throw new S3Error(501, 'NotImplemented', { details: { Header: 'Transfer-Encoding' } })
    }
    if (headers['content-length'] === undefined) throw new S3Error(411, 'MissingContentLength')
  }
  if (Number(headers['content-length'] ?? 0) > strict.putLimit) throw new S3Error(400, 'EntityTooLarge')
  if (Buffer.byteLength(key) > 1024) throw new S3Error(400, 'KeyTooLongError')
  const acl = Object.keys(headers).find(name => name === 'x-amz-acl' || name.startsWith('x-amz-grant-'))
  if (acl !== undefined && !strict.acls) throw new S3Error(400, 'AccessControlListNotSupported')
  const chunked = CHUNKED.find(name => name in headers)
  if (chunked !== undefined || /aws-chunked/.test(headers['content-encoding'] ?? ''))
    throw refused(chunked ?? 'content-encoding')
  if ((headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')) throw refused('x-amz-content-sha256')
  const demanded = DEMANDS_SUM.test(operation)
  const checksum = Object.keys(headers).find(isChecksum)
  const allowed = strict.checksums === 'accepted' || (strict.checksums === 'refused' && TAKES_SUM.test(operation))
  if (checksum !== undefined && !allowed) throw refused(checksum)
  if (!demanded || 'content-md5' in headers || Object.keys(headers).some(name => name.startsWith('x-amz-checksum-')))
    return
  throw new S3Error(400, 'InvalidRequest', { message: 'Missing required header for this request: Content-MD5' })
}

/** Headers of bodies in signed pieces or with trailers, which many relatives of S3 cannot read. */
const CHUNKED = ['x-amz-trailer', 'x-amz-decoded-content-length', 'trailer']

/** Requests whose checksums are refused only where all are. */
const TAKES_SUM = /^(?:DeleteObjects|PUT:.*)$/

/** Requests that must say the checksum of their body. */
const DEMANDS_SUM = /^(?:DeleteObjects|PUT:(?:cors|lifecycle))$/

function isChecksum(name: string): boolean {
  return name.startsWith('x-amz-checksum-') || name === 'x-amz-sdk-checksum-algorithm'
}

/** Backblaze's words. */
function refused(header: string): S3Error {
  return new S3Error(400, 'InvalidArgument', {
    message: `Unsupported header '${header}' received for this API call.`,
  })
}

/** Checks what headers say of the body. */
export function checkBody({ headers, body }: WholeRequest): void {
  const sums: readonly (readonly [string, () => string])[] = [
    ['content-md5', () => createHash('md5').update(body).digest('base64')],
    ['x-amz-checksum-sha256', () => createHash('sha256').update(body).digest('base64')],
    ['x-amz-checksum-sha1', () => createHash('sha1').update(body).digest('base64')],
    ['x-amz-checksum-crc32', () => base64Of(crc32(Buffer.from(body)))],
  ]
  for (const [name, sum] of sums) {
    const given = headers[name]
    if (given !== undefined && given !== sum()) {
      throw new S3Error(400, 'BadDigest', { details: { ExpectedDigest: given, CalculatedDigest: sum() } })
    }
  }
}

function base64Of(sum: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(sum)
  return bytes.toString('base64')
}
