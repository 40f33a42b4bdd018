import type { IncomingMessage } from 'node:http'
import { S3Error } from './s3-server-answer.ts'

/** A request, taken apart. */
export interface S3Request {
  readonly method: string
  /** As it was sent, without the query. */
  readonly rawPath: string
  /** Decoded, each name once. */
  readonly query: ReadonlyMap<string, string>
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** '' for the service itself. */
  readonly bucket: string
  /** '' for the bucket itself. */
  readonly key: string
  /** The operation by its name in the API Reference, `PutObject`. */
  readonly operation: string
  readonly signed: boolean
}

/** A request with its bytes. */
export interface WholeRequest extends S3Request {
  readonly body: Uint8Array
}

/** Takes a request apart, all but its body; `domain` is what bucket names stand before in the Host header. */
export function parseRequest(incoming: IncomingMessage, domain: string): S3Request {
  const [rawPath = '/', search = ''] = splitOnce(incoming.url ?? '/', '?')
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]))
  const host = (headers['host'] ?? '').replace(/:\d+$/, '')
  const path = decode(rawPath).slice(1)
  const hosted = host.endsWith(`.${domain}`) ? host.slice(0, -domain.length - 1) : undefined
  const [first = '', rest = ''] = splitOnce(path, '/')
  const [bucket, key] = hosted === undefined ? [first, rest] : [hosted, path]
  const method = incoming.method ?? ''
  const query = parseQuery(search)
  const operation = nameOperation({ method, query, headers, bucket, key })
  return { method, rawPath, query, headers, bucket, key, operation, signed: 'authorization' in headers }
}

/** The pairs of a query string, decoded: "+" is no space here (Signature Version 4, "Create a canonical request"). */
function parseQuery(search: string): ReadonlyMap<string, string> {
  const pairs = search.split('&').filter(part => part !== '')
  return new Map(
    pairs.map(part => {
      const [name = '', value = ''] = splitOnce(part, '=')
      return [decode(name), decode(value)] as const
    }),
  )
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new S3Error(400, 'InvalidURI')
  }
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

type Named = Pick<S3Request, 'method' | 'query' | 'headers' | 'bucket' | 'key'>

function nameOperation({ method, query, headers, bucket, key }: Named): string {
  if (bucket === '') return 'ListBuckets'
  const known = key === '' ? nameOfBucket(method, query) : nameOfObject(method, query, 'x-amz-copy-source' in headers)
  return known ?? `${method}Unknown`
}

function nameOfBucket(method: string, query: ReadonlyMap<string, string>): string | undefined {
  const configuration = CONFIGURATIONS.find(name => query.has(name))
  if (configuration !== undefined) return `${method}:${configuration}`
  if (method === 'POST') return query.has('delete') ? 'DeleteObjects' : undefined
  if (method === 'GET') {
    if (query.has('uploads')) return 'ListMultipartUploads'
    if (query.has('location')) return 'GetBucketLocation'
    return query.get('list-type') === '2' ? 'ListObjectsV2' : 'ListObjects'
  }
  return { HEAD: 'HeadBucket', PUT: 'CreateBucket', DELETE: 'DeleteBucket' }[method]
}

/** Subresources of buckets that are kept as they are given. */
const CONFIGURATIONS = ['policy', 'publicAccessBlock', 'website', 'cors', 'lifecycle', 'ownershipControls'] as const

function nameOfObject(method: string, query: ReadonlyMap<string, string>, copies: boolean): string | undefined {
  const part = query.has('uploadId')
  if (method === 'PUT')
    return `${part ? 'UploadPart' : copies ? 'CopyObject' : 'PutObject'}${part && copies ? 'Copy' : ''}`
  if (method === 'POST') {
    return query.has('uploads') ? 'CreateMultipartUpload' : part ? 'CompleteMultipartUpload' : undefined
  }
  if (method === 'GET') return part ? 'ListParts' : query.has('acl') ? undefined : 'GetObject'
  if (method === 'DELETE') return part ? 'AbortMultipartUpload' : 'DeleteObject'
  return method === 'HEAD' ? 'HeadObject' : undefined
}
