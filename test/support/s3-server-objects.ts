import { type Answer, element, emptyAnswer, S3Error, textsOf, unescapeXml, xmlAnswer } from './s3-server-answer.ts'
import type { S3Request, WholeRequest } from './s3-server-request.ts'
import {
  checkCondition,
  etagOf,
  keptHeaders,
  type S3Bucket,
  type S3Object,
  type S3State,
  unquote,
} from './s3-server-state.ts'

/* The operations on single objects. */

/** PutObject. */
export function putObject(state: S3State, bucket: S3Bucket, request: WholeRequest): Answer {
  const { key, headers, body } = request
  checkCondition(state, headers, bucket.objects.get(key))
  const etag = etagOf(state, body)
  bucket.objects.set(key, {
    bytes: Buffer.from(body),
    etag,
    headers: keptHeaders(headers),
    ...aclOf(headers),
    modified: state.now(),
  })
  return emptyAnswer(200, { etag: `"${etag}"` })
}

/** The access list that a request asks for, where it does. */
export function aclOf(headers: Readonly<Record<string, string>>): { readonly acl?: string } {
  const acl = headers['x-amz-acl']
  return acl === undefined ? {} : { acl }
}

/** GetObject and HeadObject. */
export function getObject(bucket: S3Bucket, { key, headers, method }: S3Request): Answer {
  const object = bucket.objects.get(key)
  if (object === undefined) throw new S3Error(404, 'NoSuchKey', { details: { Key: key } })
  const etag = `"${object.etag}"`
  if (headers['if-match'] !== undefined && unquote(headers['if-match']) !== object.etag) {
    throw new S3Error(412, 'PreconditionFailed', { details: { Condition: 'If-Match' } })
  }
  if (headers['if-none-match'] === etag) return emptyAnswer(304, { etag })
  const served = {
    ...object.headers,
    etag,
    'accept-ranges': 'bytes',
    'last-modified': new Date(object.modified).toUTCString(),
  }
  const range = headers['range'] === undefined ? undefined : parseRange(headers['range'], object.bytes.length)
  const { start, end } = range ?? { start: 0, end: object.bytes.length }
  const body = object.bytes.subarray(start, end)
  const answer = { ...served, 'content-length': String(body.length) }
  if (range === undefined) return { status: 200, headers: answer, body: method === 'HEAD' ? new Uint8Array(0) : body }
  const where = { 'content-range': `bytes ${start}-${end - 1}/${object.bytes.length}` }
  return { status: 206, headers: { ...answer, ...where }, body: method === 'HEAD' ? new Uint8Array(0) : body }
}

/** The bytes that a Range header names; undefined where it is to be ignored (RFC 9110, 14.2). */
function parseRange(header: string, size: number): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header)
  if (match === null || header === 'bytes=-') return undefined
  const [first = '', last = ''] = match.slice(1)
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (start < end) return { start, end }
  throw new S3Error(416, 'InvalidRange', {
    details: { RangeRequested: header, ActualObjectSize: String(size) },
    headers: { 'content-range': `bytes */${size}` },
  })
}

/** CopyObject. */
export function copyObject(state: S3State, bucket: S3Bucket, request: S3Request): Answer {
  const { key, headers } = request
  if ('if-none-match' in headers || 'if-match' in headers) throw new S3Error(501, 'NotImplemented')
  const { object: source, path } = findSource(state, headers)
  const replaces = headers['x-amz-metadata-directive'] === 'REPLACE'
  if (!replaces && path === `${bucket.name}/${key}`) throw new S3Error(400, 'InvalidRequest', { message: ONTO_ITSELF })
  if (source.bytes.length > state.strict.copyLimit) throw tooLargeToCopy(state)
  const etag = etagOf(state, source.bytes)
  bucket.objects.set(key, {
    bytes: source.bytes,
    etag,
    headers: replaces ? keptHeaders(headers) : source.headers,
    ...aclOf(headers),
    modified: state.now(),
  })
  return copyAnswer('CopyObjectResult', state, etag)
}

const ONTO_ITSELF =
  "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."

/** The error for what one request cannot copy. */
export function tooLargeToCopy({ strict }: S3State): S3Error {
  const message = `The specified copy source is larger than the maximum allowable size for a copy source: ${strict.copyLimit}`
  return new S3Error(400, 'InvalidRequest', { message })
}

/** What tells that a copy was made. */
export function copyAnswer(name: string, state: S3State, etag: string): Answer {
  const modified = element('LastModified', new Date(state.now()).toISOString())
  return xmlAnswer(`<${name}>${modified}${element('ETag', `"${etag}"`)}</${name}>`)
}

/** What `x-amz-copy-source` names, and its bucket and key as a path. */
export function findSource(
  state: S3State,
  headers: Readonly<Record<string, string>>,
): { readonly object: S3Object; readonly path: string } {
  const [source = ''] = (headers['x-amz-copy-source'] ?? '').split('?')
  const path = decodeURIComponent(source).replace(/^\//, '')
  const [name = ''] = path.split('/')
  const bucket = state.buckets.get(name)
  if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', { details: { BucketName: name } })
  const key = path.slice(name.length + 1)
  const object = bucket.objects.get(key)
  if (object === undefined) throw new S3Error(404, 'NoSuchKey', { details: { Key: key } })
  const match = headers['x-amz-copy-source-if-match']
  if (match !== undefined && unquote(match) !== object.etag) {
    throw new S3Error(412, 'PreconditionFailed', { details: { Condition: 'x-amz-copy-source-If-Match' } })
  }
  return { object, path }
}

/** DeleteObject. */
export function deleteObject(bucket: S3Bucket, { key }: S3Request): Answer {
  bucket.objects.delete(key)
  return emptyAnswer(204)
}

/** DeleteObjects. */
export function deleteObjects(state: S3State, bucket: S3Bucket, { body }: WholeRequest): Answer {
  const text = Buffer.from(body).toString()
  const keys = textsOf(text, 'Object').map(object => unescapeXml(textsOf(object, 'Key')[0] ?? ''))
  if (keys.length === 0 || keys.length > 1000) throw new S3Error(400, 'MalformedXML')
  const quiet = textsOf(text, 'Quiet')[0] === 'true'
  const results = keys.map(key => {
    const code = state.undeletable(key)
    if (code !== undefined) {
      return `<Error>${element('Key', key)}${element('Code', code)}${element('Message', new S3Error(200, code).message)}</Error>`
    }
    bucket.objects.delete(key)
    return quiet ? '' : `<Deleted>${element('Key', key)}</Deleted>`
  })
  return xmlAnswer(`<DeleteResult>${results.join('')}</DeleteResult>`)
}
