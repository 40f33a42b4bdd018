import { createHash, randomUUID } from 'node:crypto'
import { S3Error } from './s3-server-answer.ts'

/** An object of a bucket. */
export interface S3Object {
  readonly bytes: Buffer
  /** Without quotes. */
  readonly etag: string
  /** What it is served with, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The access list that was asked for, where buckets take any. */
  readonly acl?: string
  /** Milliseconds since the epoch. */
  readonly modified: number
}

/** A part of an upload. */
export interface S3Part {
  readonly bytes: Buffer
  readonly etag: string
}

/** An upload in parts that is not complete. */
export interface S3Upload {
  readonly id: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly acl?: string
  readonly initiated: number
  readonly parts: Map<number, S3Part>
}

/** A bucket. */
export interface S3Bucket {
  readonly name: string
  readonly objects: Map<string, S3Object>
  /** By id. */
  readonly uploads: Map<string, S3Upload>
  /** Configurations as they were put, by the name of their subresource: `policy`, `cors`… */
  readonly configurations: Map<string, string>
}

/** How strict the server is. */
export interface Strictness {
  /** Default false: a request for an access list is refused, as in new buckets of AWS. */
  readonly acls?: boolean
  /** `refused`: headers of checksums are errors, as at Backblaze, but where S3 demands one. Default `refused`. */
  readonly checksums?: 'refused' | 'refused-everywhere' | 'accepted'
  /** Default `honoured`; `ignored` without a word, or `refused` with 501. */
  readonly conditions?: 'honoured' | 'ignored' | 'refused'
  /** Whether bytes are held against `x-amz-content-sha256`. Default true. */
  readonly checkPayload?: boolean
  /** Keys and prefixes of one page. Default 1000. */
  readonly pageSize?: number
  /** Bytes that every part but the last must have. Default 5 MiB. */
  readonly smallestPart?: number
  /** Bytes that one CopyObject copies at most. Default 5 GiB. */
  readonly copyLimit?: number
  /** Bytes that one PutObject or UploadPart takes at most. Default 5 GiB. */
  readonly putLimit?: number
  /** `opaque`: no MD5, as with SSE-KMS. Default `md5`. */
  readonly etags?: 'md5' | 'opaque'
}

/** What the operations of a server share. */
export interface S3State {
  readonly buckets: Map<string, S3Bucket>
  readonly region: string
  readonly strict: Required<Strictness>
  /** Milliseconds since the epoch by the server's clock. */
  readonly now: () => number
  /** Where a listing goes on, by the token that stands for it. */
  readonly tokens: Map<string, string>
  /** An error for a key of DeleteObjects, by a fault that was asked for. */
  readonly undeletable: (key: string) => string | undefined
}

/** Makes an empty bucket. */
export function createBucket(name: string): S3Bucket {
  return { name, objects: new Map(), uploads: new Map(), configurations: new Map() }
}

/** The strictness that is asked for, over the defaults. */
export function completeStrictness(options: Strictness): Required<Strictness> {
  return { ...DEFAULTS, ...options }
}

const GIB = 1024 ** 3

const DEFAULTS: Required<Strictness> = {
  acls: false,
  checksums: 'refused',
  conditions: 'honoured',
  checkPayload: true,
  pageSize: 1000,
  smallestPart: 5 * 1024 ** 2,
  copyLimit: 5 * GIB,
  putLimit: 5 * GIB,
  etags: 'md5',
}

/** The etag of bytes that are sent or copied at once. */
export function etagOf(state: S3State, bytes: Uint8Array): string {
  return state.strict.etags === 'opaque' ? randomUUID().replaceAll('-', '') : md5(bytes)
}

/** The MD5 of bytes in hex. */
function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** Throws where a write's condition does not hold (user guide, "Conditional writes"). */
export function checkCondition(state: S3State, headers: Readonly<Record<string, string>>, there?: S3Object): void {
  const { 'if-none-match': none, 'if-match': match } = headers
  const name = none !== undefined ? 'If-None-Match' : match !== undefined ? 'If-Match' : undefined
  if (name === undefined || state.strict.conditions === 'ignored') return
  const refused = state.strict.conditions === 'refused' || (none !== undefined && none !== '*')
  if (refused || (none !== undefined && match !== undefined)) {
    throw new S3Error(501, 'NotImplemented', { details: { Header: name } })
  }
  if (none !== undefined && there === undefined) return
  if (match !== undefined && there === undefined) throw new S3Error(404, 'NoSuchKey')
  if (match !== undefined && unquote(match) === there?.etag) return
  throw new S3Error(412, 'PreconditionFailed', { details: { Condition: name } })
}

/** An etag without its quotes. */
export function unquote(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1')
}

/** The headers of a request that are kept with an object. */
export function keptHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const kept = Object.entries(headers).filter(([name]) => KEPT.has(name) || name.startsWith('x-amz-meta-'))
  return { 'content-type': 'binary/octet-stream', ...Object.fromEntries(kept) }
}

const KEPT = new Set([
  'content-type',
  'cache-control',
  'content-encoding',
  'content-disposition',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
])
