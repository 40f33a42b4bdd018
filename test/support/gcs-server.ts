import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listPage } from './gcs-server-list.ts'
import {
  addObject,
  apiError,
  checkGeneration,
  type GcsAnswer,
  type GcsBucket,
  type GcsObjectAt,
  resourceOf,
} from './gcs-server-objects.ts'
import { beginUpload, cancelUpload, multipartUpload, resumeUpload } from './gcs-server-uploads.ts'

/*
 * The JSON API of Google Cloud Storage as its documentation has it, strict: it checks what it is sent, wants a token where it is told to, and fails on demand.
 */

/** What goes wrong with the next request that fits. */
export interface GcsFault {
  /** `list`, `head`, `media`, `multipart`, `begin`, `chunk`, `state`, `cancel`, `rewrite`, `delete`. Default: any. */
  readonly operation?: string
  /**
   * A status to answer with; `reset-unread`: the connection breaks before anything is read; `reset-answering`: it breaks after all was done; `cut`: of a chunk only
   * `keep` bytes arrive before it breaks; `corrupt`: one byte changes on the way, unseen; `unfinished`: all bytes are kept, but the object is not there yet; `page`: a page for people.
   */
  readonly kind:
    | number
    | 'reset-unread'
    | 'reset-answering'
    | 'cut'
    | 'corrupt'
    | 'corrupt-unchecked'
    | 'unfinished'
    | 'page'
  readonly keep?: number
  readonly retryAfter?: string
  readonly message?: string
  readonly reason?: string
}

export interface GcsServerOptions {
  /** Entries of a page. Default 1000. */
  readonly pageSize?: number
  /** Tokens that are accepted. Default: none is asked for. */
  readonly tokens?: readonly string[]
  /** Bytes that one step of a rewrite copies. Default: all. */
  readonly rewriteStep?: number
  /** Tells no MD5, as of composed objects. Default false. */
  readonly noMd5?: boolean
}

/** A server with one bucket, `bucket`. */
export interface GcsServer {
  readonly url: string
  readonly bucket: GcsBucket
  /** Requests as lines: `multipart v2/a`. */
  readonly log: string[]
  /** `Content-Range` of the chunks, and of the questions how far an upload is. */
  readonly ranges: string[]
  /** Faults to come, the first that fits is taken. */
  readonly faults: GcsFault[]
  /** Milliseconds by which its clock is ahead. */
  clockOffset: number
  close(): Promise<void>
}

/** Starts a server on a port of the system's choice. */
export async function startGcsServer(options: GcsServerOptions = {}): Promise<GcsServer> {
  const bucket: GcsBucket = { objects: new Map(), uploads: new Map(), rewrites: new Map(), generation: 1, ...options }
  const state = {
    bucket,
    log: [] as string[],
    ranges: [] as string[],
    faults: [] as GcsFault[],
    clockOffset: 0,
    url: '',
  }
  const server: Server = createServer({ keepAlive: true }, (request, response) => {
    void serve(state, options, { request, response })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(state, {
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

type State = Omit<GcsServer, 'close'>

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

async function serve(state: State, options: GcsServerOptions, { request, response }: Exchange): Promise<void> {
  const url = new URL(request.url ?? '', state.url)
  const asked = parseRequest(request.method ?? '', url)
  const { operation, key } = asked
  state.log.push(`${operation} ${key}`.trim())
  if (request.headers['content-range'] !== undefined) state.ranges.push(request.headers['content-range'])
  const index = state.faults.findIndex(fault => fault.operation === undefined || fault.operation === operation)
  const [fault] = index < 0 ? [] : state.faults.splice(index, 1)
  const kind = fault?.kind
  if (kind === 'reset-unread') return void request.socket.destroy()
  let body = await readBody(request).catch(() => undefined)
  if (body === undefined) return // broken off: nothing is written
  if (kind === 'cut') body = body.subarray(0, fault?.keep ?? 0)
  if (kind === 'corrupt' || kind === 'corrupt-unchecked') body = corrupt(body)
  const answer =
    typeof kind === 'number'
      ? apiError(kind, fault?.message ?? 'as it was told', fault?.reason)
      : answerTo(state, options, { ...asked, url, request, body, unchecked: kind === 'corrupt-unchecked' })
  if (kind === 'reset-answering' || kind === 'cut') return void request.socket.destroy()
  response.setHeader('date', new Date(Date.now() + state.clockOffset).toUTCString())
  if (fault?.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
  if (kind === 'page') {
    response.writeHead(403, { 'content-type': 'text/html' }).end('<p>Log in')
    return
  }
  const { status, headers = {}, json, bytes } = kind === 'unfinished' ? keptWhole(request) : answer
  const sent = bytes ?? (json === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(json)))
  const type = json === undefined ? {} : { 'content-type': 'application/json; charset=UTF-8' }
  response.writeHead(status, { ...type, ...headers, 'content-length': sent.length }).end(sent)
}

interface Asked {
  readonly operation: string
  readonly bucket: string
  readonly key: string
  readonly target?: string
}

function parseRequest(method: string, url: URL): Asked {
  const { pathname, searchParams } = url
  const upload = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(pathname)
  if (upload !== null) {
    const [, bucket = ''] = upload
    const key = searchParams.get('name') ?? ''
    if (!searchParams.has('upload_id'))
      return { operation: searchParams.get('uploadType') === 'multipart' ? 'multipart' : 'begin', bucket, key }
    return { operation: method === 'DELETE' ? 'cancel' : 'chunk', bucket, key }
  }
  const [, bucket = '', key = '', , target] =
    /^\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+)(?:\/rewriteTo\/b\/([^/]+)\/o\/([^/]+))?)?$/.exec(pathname) ?? []
  const decoded = { bucket, key: decodeURIComponent(key) }
  if (target !== undefined) return { ...decoded, operation: 'rewrite', target: decodeURIComponent(target) }
  if (method === 'DELETE') return { ...decoded, operation: 'delete' }
  if (method !== 'GET' || bucket === '') return { ...decoded, operation: 'unknown' }
  if (key === '') return { ...decoded, operation: 'list' }
  return { ...decoded, operation: searchParams.get('alt') === 'media' ? 'media' : 'head' }
}

interface Request extends Asked {
  readonly url: URL
  readonly request: IncomingMessage
  readonly body: Buffer
  readonly unchecked: boolean
}

function answerTo(state: State, options: GcsServerOptions, asked: Request): GcsAnswer {
  const { url, request, body, operation, key } = asked
  const { bucket } = state
  const isSession = operation === 'chunk' || operation === 'cancel'
  const given = request.headers.authorization?.replace(/^Bearer /, '')
  if (isSession && given !== undefined) return apiError(400, 'the URL of a session is enough')
  if (!isSession && options.tokens !== undefined && !options.tokens.includes(given ?? ''))
    return apiError(401, 'Invalid Credentials', 'authError')
  if (asked.bucket !== 'bucket') return apiError(404, 'The specified bucket does not exist.', 'notFound')
  const query = url.searchParams
  const { unchecked } = asked
  if (operation === 'list') return listPage(bucket, query, options.pageSize ?? 1000)
  if (operation === 'multipart')
    return multipartUpload(bucket, { query, body, type: request.headers['content-type'], unchecked })
  if (operation === 'begin') return beginUpload(bucket, { query, body, headers: request.headers, url: state.url })
  if (operation === 'chunk') return resumeUpload(bucket, { query, body, headers: request.headers, unchecked })
  if (operation === 'cancel') return cancelUpload(bucket, query)
  const found = bucket.objects.get(key)
  const generation = query.get('generation')
  if (found === undefined || (generation !== null && generation !== String(found.generation))) {
    if (operation === 'media') return { status: 404, bytes: Buffer.from(`No such object: bucket/${key}`) }
    return apiError(404, `No such object: bucket/${key}`, 'notFound')
  }
  if (operation === 'head') return { status: 200, json: resourceOf(bucket, key, found) }
  if (operation === 'media') return { status: 200, bytes: found.bytes }
  if (operation === 'rewrite') return rewrite(bucket, options, { found, query, body, target: asked.target ?? '' })
  if (operation !== 'delete') return apiError(404, 'Not Found')
  const refused = checkGeneration(bucket, key, query)
  if (refused !== undefined) return refused
  bucket.objects.delete(key)
  return { status: 204 }
}

interface Rewrite {
  readonly found: GcsObjectAt
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly target: string
}

function rewrite(
  bucket: GcsBucket,
  { rewriteStep }: GcsServerOptions,
  { found, query, body, target }: Rewrite,
): GcsAnswer {
  const wanted = query.get('ifSourceGenerationMatch')
  if (wanted !== null && wanted !== String(found.generation)) return apiError(412, 'conditionNotMet', 'conditionNotMet')
  const token = query.get('rewriteToken')
  if (token !== null && !bucket.rewrites.has(token)) return apiError(400, 'Invalid rewrite token')
  const done = (token === null ? 0 : (bucket.rewrites.get(token) ?? 0)) + (rewriteStep ?? found.bytes.length)
  if (done < found.bytes.length) {
    const next = `token-${bucket.rewrites.size + 1}`
    bucket.rewrites.set(next, done)
    return { status: 200, json: { kind: 'storage#rewriteResponse', done: false, rewriteToken: next } }
  }
  const { contentType, cacheControl } = JSON.parse(String(body))
  const made = addObject(bucket, target, { bytes: found.bytes, contentType, cacheControl })
  return {
    status: 200,
    json: { kind: 'storage#rewriteResponse', done: true, resource: resourceOf(bucket, target, made) },
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function keptWhole({ headers }: IncomingMessage): GcsAnswer {
  const total = Number(headers['content-range']?.split('/').at(-1))
  return { status: 308, headers: { range: `bytes=0-${total - 1}` } }
}

/** Changes a byte in the middle: of a multipart body one of the object's where that is large enough. */
function corrupt(body: Buffer): Buffer {
  const changed = Buffer.from(body)
  const at = changed.length >> 1
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}
