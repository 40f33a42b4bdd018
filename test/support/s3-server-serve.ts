import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Answer, element, errorAnswer, REQUEST_ID, S3Error, xmlAnswer } from './s3-server-answer.ts'
import { answerBucket, makeBucket } from './s3-server-bucket.ts'
import { checkBody, checkHeaders } from './s3-server-checks.ts'
import type { Fault, Faults } from './s3-server-faults.ts'
import { listObjects, listUploads } from './s3-server-listing.ts'
import { answerUpload } from './s3-server-multipart.ts'
import { copyObject, deleteObject, deleteObjects, getObject, putObject } from './s3-server-objects.ts'
import { answerAnyone, answerWebsite } from './s3-server-public.ts'
import { parseRequest, type S3Request, type WholeRequest } from './s3-server-request.ts'
import { checkSignature, type Signers, skewed } from './s3-server-signature.ts'
import { etagOf, keptHeaders, type S3Bucket, type S3State } from './s3-server-state.ts'

/** What serves requests. */
export interface Serving {
  readonly state: S3State
  readonly signers: Signers
  readonly faults: Faults
  readonly log: LogEntry[]
  readonly domain: string
  /** The bucket whose website endpoint this is. */
  readonly website?: string
}

interface LogEntry extends S3Request {
  bytes: number
  status: number
  fault?: Fault['kind']
}

/** Answers one request, or not, as the faults will have it. */
export async function serveRequest(
  serving: Serving,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { state, website } = serving
  const parsed = parseRequest(incoming, serving.domain)
  const request = website === undefined ? parsed : { ...parsed, bucket: website, key: keyOf(parsed) }
  const fault = serving.faults.take(request)
  const entry: LogEntry = { ...request, bytes: 0, status: 0, ...(fault === undefined ? {} : { fault: fault.kind }) }
  serving.log.push(entry)
  if (fault?.kind === 'reset-unread') return reset(incoming)
  const body = await readBody(incoming, entry, fault)
  if (body === undefined || fault?.kind === 'hang') return
  const answer = answerOf(serving, { ...request, body }, fault)
  if (fault?.kind === 'reset-answering') return reset(incoming)
  entry.status = answer.status
  send(outgoing, answer, { now: state.now(), head: request.method === 'HEAD', broken: fault?.kind === 'truncated' })
}

function keyOf({ rawPath }: S3Request): string {
  return decodeURIComponent(rawPath).slice(1)
}

function reset(incoming: IncomingMessage): void {
  incoming.socket.resetAndDestroy()
}

/** The body; undefined where the connection broke, by itself or by a fault. */
async function readBody(
  incoming: IncomingMessage,
  entry: LogEntry,
  fault: Fault | undefined,
): Promise<Buffer | undefined> {
  const limit = fault?.kind === 'reset-reading' ? (fault.after ?? 0) : Number.POSITIVE_INFINITY
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      entry.bytes += chunk.length
      if (entry.bytes > limit) break
    }
  } catch {
    // The client has gone: nobody is left to be answered, and nothing is done, as in any store.
    return undefined
  }
  if (fault?.kind !== 'reset-reading') return Buffer.concat(chunks)
  reset(incoming)
  return undefined
}

function answerOf(serving: Serving, request: WholeRequest, fault: Fault | undefined): Answer {
  try {
    const instead = fault === undefined ? undefined : answerInstead(serving, request, fault)
    return instead ?? answer(serving, request)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return errorAnswer(error)
  }
}

/** What a fault answers, where it answers. */
function answerInstead({ state }: Serving, request: WholeRequest, fault: Fault): Answer | undefined {
  const { kind, retryAfter } = fault
  if (kind === 'clock-skew') throw skewed(request.headers['x-amz-date'] ?? '', state.now())
  if (kind === 'error-in-200') {
    const text = ['InternalError', new S3Error(200, 'InternalError').message]
    return xmlAnswer(`<Error>${element('Code', text[0] ?? '')}${element('Message', text[1] ?? '')}</Error>`, {
      plain: true,
    })
  }
  if (kind === 'race') writeBetween(state, request, fault.bytes ?? Buffer.from('written by another'))
  const refusal = REFUSALS[kind]
  if (refusal === undefined) return undefined
  const [status, code] = refusal
  throw new S3Error(status, code, retryAfter === undefined ? {} : { headers: { 'retry-after': String(retryAfter) } })
}

const REFUSALS: Readonly<Partial<Record<Fault['kind'], readonly [number, string]>>> = {
  'slow-down': [503, 'SlowDown'],
  'internal-error': [500, 'InternalError'],
  'too-many-requests': [429, 'TooManyRequests'],
  'access-denied': [403, 'AccessDenied'],
  'request-timeout': [400, 'RequestTimeout'],
  conflict: [409, 'ConditionalRequestConflict'],
}

function writeBetween(state: S3State, { bucket, key }: S3Request, bytes: Uint8Array): void {
  const object = {
    bytes: Buffer.from(bytes),
    etag: etagOf(state, bytes),
    headers: keptHeaders({}),
    modified: state.now(),
  }
  state.buckets.get(bucket)?.objects.set(key, object)
}

function answer({ state, signers, website }: Serving, request: WholeRequest): Answer {
  if (website !== undefined) return answerWebsite(bucketOf(state, request), request)
  if (!request.signed) return answerAnyone(state, bucketOf(state, request), request)
  checkHeaders(state, request)
  checkSignature(request, signers)
  checkBody(request)
  if (request.operation === 'CreateBucket') return makeBucket(state, request.bucket)
  const bucket = bucketOf(state, request)
  const known = answerBucket(state, bucket, request) ?? answerUpload(state, bucket, request)
  return known ?? answerObject(state, bucket, request)
}

function bucketOf(state: S3State, { bucket: name }: S3Request): S3Bucket {
  const bucket = state.buckets.get(name)
  if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', { details: { BucketName: name } })
  return bucket
}

function answerObject(state: S3State, bucket: S3Bucket, request: WholeRequest): Answer {
  switch (request.operation) {
    case 'PutObject':
      return putObject(state, bucket, request)
    case 'GetObject':
    case 'HeadObject':
      return getObject(bucket, request)
    case 'CopyObject':
      return copyObject(state, bucket, request)
    case 'DeleteObject':
      return deleteObject(bucket, request)
    case 'DeleteObjects':
      return deleteObjects(state, bucket, request)
    case 'ListObjectsV2':
      return listObjects(state, bucket, request)
    case 'ListMultipartUploads':
      return listUploads(state, bucket, request)
    default:
      throw new S3Error(501, 'NotImplemented', { details: { Operation: request.operation } })
  }
}

interface Sending {
  readonly now: number
  readonly head: boolean
  /** Half of it, and then the connection ends. */
  readonly broken: boolean
}

function send(outgoing: ServerResponse, { status, headers, body }: Answer, { now, head, broken }: Sending): void {
  const common = { date: new Date(now).toUTCString(), server: 'AmazonS3', 'x-amz-request-id': REQUEST_ID }
  const length = status === 204 || status === 304 ? {} : { 'content-length': String(body.length) }
  const { socket } = outgoing
  if (broken && body.length === 0) {
    socket?.end(`HTTP/1.1 ${status} OK\r\ndate: ${common.date}\r\netag`)
    return
  }
  outgoing.writeHead(status, { ...common, ...length, ...headers })
  if (!broken) {
    outgoing.end(head ? undefined : body)
    return
  }
  outgoing.write(body.subarray(0, body.length / 2), () => socket?.end())
}
