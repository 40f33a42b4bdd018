import type { IncomingHttpHeaders } from 'node:http'
import {
  addObject,
  apiError,
  checkGeneration,
  type GcsAnswer,
  type GcsBucket,
  type GcsUpload,
  hashesOf,
  resourceOf,
} from './gcs-server-objects.ts'

/* Uploads of the strict server: https://cloud.google.com/storage/docs/uploads-downloads, "resumable uploads". */

/** Chunks but the last are of a multiple of this. */
const UNIT = 256 * 1024

interface Multipart {
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly type: string | undefined
  /** Lets wrong bytes pass, as a service that compares nothing. */
  readonly unchecked: boolean
}

/** The resource and the bytes in one request. */
export function multipartUpload(bucket: GcsBucket, { query, body, type = '', unchecked }: Multipart): GcsAnswer {
  const boundary = /^multipart\/related; boundary="?([^"]+)"?$/.exec(type)?.[1]
  if (boundary === undefined) return apiError(400, 'no boundary')
  const [, first, second, end] = splitAt(body, Buffer.from(`--${boundary}`))
  if (first === undefined || second === undefined || end?.toString() !== '--\r\n') return apiError(400, 'Bad multipart')
  const [head, bytes] = [partOf(first), partOf(second)]
  const metadata = JSON.parse(String(head.bytes)) as Readonly<Record<string, string>>
  if (!/^application\/json/.test(head.type)) return apiError(400, 'Bad metadata')
  if (bytes.type !== metadata['contentType']) return apiError(400, 'Content-Type of the part is another')
  const { name = '', md5Hash } = metadata
  if (!unchecked && md5Hash !== undefined && md5Hash !== hashesOf(bytes.bytes).md5Hash) return wrongHash(md5Hash)
  return finish(bucket, { query, metadata: { ...metadata, name }, bytes: bytes.bytes })
}

interface Begin {
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly headers: IncomingHttpHeaders
  readonly url: string
}

/** Begins a session. Its condition is looked at now, and once more at the end. */
export function beginUpload(bucket: GcsBucket, { query, body, headers, url }: Begin): GcsAnswer {
  const metadata = JSON.parse(String(body)) as Readonly<Record<string, string>>
  const name = query.get('name') ?? ''
  if (metadata['name'] !== name) return apiError(400, 'two names')
  const refused = checkGeneration(bucket, name, query)
  if (refused !== undefined) return refused
  const id = `upload-${bucket.uploads.size + 1}-${bucket.generation}`
  bucket.uploads.set(id, { metadata, query, size: Number(headers['x-upload-content-length']), bytes: Buffer.alloc(0) })
  const location = `${url}/upload/storage/v1/b/bucket/o?uploadType=resumable&name=${encodeURIComponent(name)}&upload_id=${id}`
  return { status: 200, headers: { location } }
}

interface Resume {
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly headers: IncomingHttpHeaders
  readonly unchecked: boolean
}

/** Takes a chunk, or tells how far an upload is. */
export function resumeUpload(bucket: GcsBucket, { query, body, headers, unchecked }: Resume): GcsAnswer {
  const id = query.get('upload_id') ?? ''
  const upload = bucket.uploads.get(id)
  if (upload === undefined) return apiError(404, 'Not Found', 'notFound')
  if (upload.answer !== undefined) return upload.answer
  const range = headers['content-range'] ?? ''
  if (/^bytes \*\//.test(range)) return incomplete(upload)
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range)?.map(Number) ?? []
  if (first === undefined || last === undefined || total !== upload.size) return apiError(400, `Invalid range ${range}`)
  if (first > upload.bytes.length) return apiError(503, 'not in order')
  const isWhole = body.length === last - first + 1
  const isLast = last + 1 === total
  if (isWhole && !isLast && body.length % UNIT !== 0) return apiError(400, 'not a multiple of 256 KiB')
  // What was cut off is kept in whole units.
  const kept = isWhole ? body : body.subarray(0, body.length - (body.length % UNIT))
  upload.bytes = Buffer.concat([upload.bytes.subarray(0, first), kept])
  if (!isWhole || !isLast) return incomplete(upload)
  const wanted = /^md5=(.*)$/.exec(String(headers['x-goog-hash'] ?? ''))?.[1]
  if (!unchecked && wanted !== undefined && wanted !== hashesOf(upload.bytes).md5Hash) {
    bucket.uploads.delete(id)
    return wrongHash(wanted)
  }
  upload.answer = finish(bucket, upload)
  return upload.answer
}

/** Ends a session; 499 is its good answer. */
export function cancelUpload(bucket: GcsBucket, query: URLSearchParams): GcsAnswer {
  return bucket.uploads.delete(query.get('upload_id') ?? '') ? { status: 499 } : apiError(404, 'Not Found')
}

/** Sessions that are neither ended nor cancelled. */
export function openUploads(bucket: GcsBucket): number {
  return [...bucket.uploads.values()].filter(({ answer }) => answer === undefined).length
}

function incomplete({ bytes }: GcsUpload): GcsAnswer {
  return { status: 308, headers: bytes.length === 0 ? {} : { range: `bytes=0-${bytes.length - 1}` } }
}

function finish(
  bucket: GcsBucket,
  { query, metadata, bytes }: Pick<GcsUpload, 'query' | 'metadata' | 'bytes'>,
): GcsAnswer {
  const { name = '', contentType, cacheControl } = metadata
  const refused = checkGeneration(bucket, name, query)
  if (refused !== undefined) return refused
  if (Buffer.byteLength(name) > 1024) return apiError(400, 'The maximum object length is 1024 characters')
  const made = addObject(bucket, name, { bytes: Buffer.from(bytes), contentType, cacheControl })
  return { status: 200, json: resourceOf(bucket, name, made) }
}

function wrongHash(wanted: string): GcsAnswer {
  return apiError(400, `Provided MD5 hash "${wanted}" doesn't match calculated MD5 hash.`)
}

function splitAt(body: Buffer, mark: Buffer): readonly Buffer[] {
  const parts: Buffer[] = []
  let start = 0
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, start)) {
    parts.push(body.subarray(start, at))
    start = at + mark.length
  }
  return [...parts, body.subarray(start)]
}

/** A part between two boundaries, without the line ends that belong to them. */
function partOf(part: Buffer): { readonly type: string; readonly bytes: Buffer } {
  const end = part.indexOf('\r\n\r\n')
  const type = /content-type: (.*)/i.exec(String(part.subarray(0, end)))?.[1]?.trim() ?? ''
  return { type, bytes: part.subarray(end + 4, part.length - 2) }
}
