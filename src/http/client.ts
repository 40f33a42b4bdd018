import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { RegistrishError, throwIfAborted } from '../errors.ts'
import { type Dispatchers, openDispatchers } from './dispatchers.ts'
import { reachOf } from './local-address.ts'
import { networkError, type Timeouts } from './network-error.ts'
import type { Environment } from './proxy.ts'
import { createReadBuffers, type ReadBuffers } from './read-buffers.ts'
import { type Hop, isRedirect, MOST_HOPS, nextHop, tooManyHops } from './redirect.ts'

/** How a client connects. Times in ms. */
export interface HttpClientOptions {
  /** PEM file of certificate authorities to trust beside Node's own and `NODE_EXTRA_CA_CERTS`. */
  readonly caFile?: string
  /** Longest wait for a connection. Default 15 s. */
  readonly connectTimeout?: number
  /** Longest wait for an answer to begin. Default: `stallTimeout`. */
  readonly headerTimeout?: number
  /** Longest silence within an answer's body while it is being read. Default 60 s. */
  readonly stallTimeout?: number
  /** Where the proxy variables are read. Default `process.env`. */
  readonly env?: Environment
  /** Whether answers are small, as those of a store that is written to: then no memory is kept to read large ones fast. Default false. */
  readonly smallAnswers?: boolean
}

/** One request. */
export interface HttpRequest {
  /** Default GET. Only GET and HEAD follow redirects. DESCRIBE is Bunny Storage's own. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'DESCRIBE'
  /** Whether redirects are followed; else they are answers. Default true. */
  readonly follow?: boolean
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is read once, as fast as it can be sent; `content-length` is then a header of the caller's. What it throws is thrown as it is where it is ours. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
  /** Whether a redirect may lead to that URL in plain HTTP. Default: from plain HTTP to this machine only. */
  readonly mayBePlain?: (url: URL) => boolean
  /** Whether a chunk of the body may be overwritten once the next one is asked for: many bytes come faster so. Default: each is the reader's. */
  readonly reuse?: boolean
}

/** An answer, whatever its status. Its body must be read to the end, left early, or discarded: until then it holds a connection. */
export interface HttpResponse {
  readonly status: number
  /** Where it came from in the end, after redirects. */
  readonly url: URL
  /** A header's value, several joined by commas. */
  header(name: string): string | undefined
  /** All headers, names in lower case, several of a name joined by commas. */
  headers(): Readonly<Record<string, string>>
  /** The bytes as they came over the wire, never decoded. Fails with `unreachable` or `timeout`. */
  readonly body: AsyncIterable<Uint8Array>
  /** Reads a small body. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
  bytes(limit: number): Promise<Uint8Array>
  /** As {@link bytes}, for text. */
  text(limit: number): Promise<string>
  /** Lets go of the body. */
  discard(): Promise<void>
}

/** An HTTP client with connections of its own. */
export interface HttpClient {
  /**
   * Sends a request and follows redirects, at most ten, without credentials to other hosts.
   * @throws RegistrishError `unreachable`, `timeout`, `bad-answer` (redirects) or `aborted`; never for a status.
   */
  request(url: URL, request?: HttpRequest): Promise<HttpResponse>
  /** Breaks all connections. */
  close(): Promise<void>
}

/** Makes a client; undici is loaded and connections are made with the first request. */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const { connectTimeout = 15_000, stallTimeout = 60_000, headerTimeout = stallTimeout, env = process.env } = options
  const timeouts: Timeouts = { connect: connectTimeout, header: headerTimeout, stall: stallTimeout }
  const buffers = createReadBuffers()
  let opening: Promise<Dispatchers> | undefined
  const open = async (): Promise<Dispatchers> => {
    opening ??= openDispatchers({
      timeouts,
      env,
      ...(options.smallAnswers === true ? {} : { buffers }),
      ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    })
    return opening
  }
  return {
    async request(url, request = {}) {
      throwIfAborted(request.signal)
      // A signal is shared by as many requests as run at once: that is no leak that Node has to warn of.
      if (request.signal !== undefined) setMaxListeners(0, request.signal)
      return follow(url, request, { dispatchers: await open(), buffers, timeouts })
    },
    async close() {
      // Whoever made the first request has been told why it could not be opened.
      const opened = await opening?.catch(() => undefined)
      await opened?.close()
    },
  }
}

interface Connections {
  readonly dispatchers: Dispatchers
  readonly buffers: ReadBuffers
  readonly timeouts: Timeouts
}

async function follow(first: URL, request: HttpRequest, connections: Connections): Promise<HttpResponse> {
  const mayBePlain = request.mayBePlain ?? (url => first.protocol === 'http:' && reachOf(url.hostname) === 'loopback')
  const seen = new Set<string>()
  let hop: Hop = { url: first, headers: request.headers ?? {} }
  for (;;) {
    const response = await send(hop, request, connections)
    if (!isRedirect(response.status) || !mayFollow(request)) return response
    await response.discard()
    seen.add(hop.url.href)
    const next = nextHop(hop, response.header('location'), { first, mayBePlain })
    if (seen.has(next.url.href) || seen.size > MOST_HOPS) throw tooManyHops(hop, first)
    hop = next
  }
}

function mayFollow({ method = 'GET', follow = true }: HttpRequest): boolean {
  return follow && (method === 'GET' || method === 'HEAD')
}

async function send({ url, headers }: Hop, request: HttpRequest, connections: Connections): Promise<HttpResponse> {
  const { dispatchers, buffers, timeouts } = connections
  const { request: sendRequest, proxy } = await dispatchers.pick(url)
  const { method = 'GET', body, signal } = request
  const failed = { url, proxy, timeouts, ...(signal === undefined ? {} : { signal }) }
  try {
    const answer = await sendRequest({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      headers: { 'user-agent': userAgent(), 'accept-encoding': 'identity', ...lengthOf(body), ...headers },
      headersTimeout: timeouts.header,
      bodyTimeout: timeouts.stall,
      // Without this undici hangs up after every HEAD.
      reset: false,
      // One chunk at a time: what waits would be joined, in new memory.
      highWaterMark: 1,
      ...(body === undefined ? {} : { body: sendable(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    return responseOf(url, answer, {
      buffers,
      reuse: request.reuse === true,
      translate: error => networkError(error, failed),
    })
  } catch (error) {
    throw networkError(error, failed)
  }
}

/** Bytes sent at once, so that a slow line is not taken for a silent one: undici's patience begins anew with each piece. */
const PIECE = 256 * 1024

function sendable(body: NonNullable<HttpRequest['body']>): string | Uint8Array | Readable {
  if (typeof body === 'string') return body
  if (!(body instanceof Uint8Array)) return Readable.from(body, { highWaterMark: 1 })
  return body.length <= PIECE ? body : Readable.from(pieces(body), { highWaterMark: 1 })
}

/** What is sent in pieces tells its length only so. */
function lengthOf(body: HttpRequest['body']): { readonly 'content-length'?: string } {
  return body instanceof Uint8Array ? { 'content-length': `${body.length}` } : {}
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
}

interface Reading {
  readonly buffers: ReadBuffers
  readonly reuse: boolean
  readonly translate: (error: unknown) => RegistrishError
}

function responseOf(url: URL, { statusCode, headers, body }: Dispatcher.ResponseData, reading: Reading): HttpResponse {
  const chunks = readChunks(body, reading)
  const bytes = async (limit: number): Promise<Uint8Array> => readAll(chunks, limit, url)
  return {
    status: statusCode,
    url,
    header(name) {
      const value = headers[name.toLowerCase()]
      return typeof value === 'string' ? value : value?.join(', ')
    },
    headers() {
      const all = Object.entries(headers).filter(
        (entry): entry is [string, string | string[]] => entry[1] !== undefined,
      )
      return Object.fromEntries(
        all.map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
      )
    },
    body: chunks,
    bytes,
    async text(limit) {
      return new TextDecoder().decode(await bytes(limit))
    },
    async discard() {
      // A short rest is read so that the connection can be used again; whatever goes wrong with it concerns nobody.
      await body.dump({ limit: 16_384 }).catch(() => {})
      await setImmediate()
    },
  }
}

async function* readChunks(body: Readable, { buffers, reuse, translate }: Reading): AsyncGenerator<Uint8Array, void> {
  let received: Uint8Array | undefined
  let ended: { readonly error?: unknown } | undefined
  let wake = (): void => {}
  const end = (outcome: typeof ended): void => {
    ended ??= outcome
    wake()
  }
  // Listened to, since a loop over a stream joins what came meanwhile.
  const take = (chunk: Uint8Array): void => {
    received = chunk
    body.pause()
    wake()
  }
  body
    .on('data', take)
    .once('end', () => end({}))
    .once('error', error => end({ error }))
    .once('close', () => end({ error: new Error('the connection was closed') }))
  // What came to its end before anybody listened tells nobody any more.
  if (body.closed) end({ error: body.errored ?? new Error('the connection was closed') })
  try {
    for (;;) {
      while (received === undefined && ended === undefined) await new Promise<void>(resolve => (wake = resolve))
      if (received === undefined) break
      const chunk = received
      received = undefined
      yield reuse ? chunk : Uint8Array.from(chunk)
      buffers.giveBack(chunk)
      body.resume()
    }
    if (ended?.error !== undefined) throw translate(ended.error)
    // undici takes a connection back one turn after its answer has ended; who asks before that gets a new one.
    await setImmediate()
  } finally {
    body.destroy()
  }
}

async function readAll(body: AsyncIterable<Uint8Array>, limit: number, url: URL): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > limit) {
      throw new RegistrishError('bad-answer', `${url.host} sent an answer of more than ${limit} bytes`, {
        side: 'source',
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

let agent: string | undefined

/** `registrish/<version>`, the version from package.json. */
function userAgent(): string {
  if (agent === undefined) {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    const { version } = JSON.parse(text) as { readonly version: string }
    agent = `registrish/${version}`
  }
  return agent
}
