import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { CallOptions } from '../oci/source.ts'
import { bind } from './bind.ts'
import { type Connections, watchConnections } from './connections.ts'
import { answerTo, errorAnswer } from './error-answer.ts'
import { dispose, type Handler, type ServeResponse } from './handler.ts'
import { type ListenAddress, urlOf } from './parse-listen.ts'
import { refuse } from './refuse.ts'
import { sendFile } from './send-file.ts'

/** What happens while a server runs. Nothing here prints. */
export type ServeEvent =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'answered'; readonly method: string; readonly target: string; readonly status: number }
  /** A request, or with no target a connection, that failed for a reason of ours; the client got an error or a broken connection. */
  | { readonly type: 'failed'; readonly target?: string; readonly error: unknown }
  | { readonly type: 'stopped' }

/** How long clients may take, in milliseconds. */
export interface ServeTimeouts {
  /** For the whole head of a request, and for the first byte on a new connection. Default 15 s. */
  readonly head: number
  /** For a whole request with its body. Default 60 s. */
  readonly request: number
  /** Between requests on one connection. Default 30 s. */
  readonly idle: number
  /** Without taking a single byte of an answer. Default 60 s. */
  readonly stall: number
  /** For answers on their way when the server stops. Default 10 s. */
  readonly stop: number
}

export interface ListenOptions extends CallOptions {
  /** Must not throw. */
  readonly onEvent?: (event: ServeEvent) => void
  readonly timeouts?: Partial<ServeTimeouts>
}

/** A server that listens. Aborting the signal stops it as `close` does. */
export interface RunningServer {
  /** For a client on this machine: `http://127.0.0.1:5000`. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Stops taking requests, finishes the answers that are on their way, ends all connections. */
  close(): Promise<void>
  /** Settles when the server has stopped, whoever stopped it. */
  readonly closed: Promise<void>
}

/**
 * Listens, and answers each request by `handler`, which answers all of them.
 * @throws RegistrishError `conflict` where the address is taken, `io` where it may not be used, `usage` where it is not one of this machine.
 */
export async function listen(
  handler: Handler,
  address: ListenAddress,
  { signal, onEvent, timeouts }: ListenOptions = {},
): Promise<RunningServer> {
  const limits: ServeTimeouts = { ...TIMEOUTS, ...timeouts }
  const server = createServer({
    headersTimeout: limits.head,
    requestTimeout: Math.max(limits.request, limits.head + 1),
    keepAliveTimeout: limits.idle,
    connectionsCheckingInterval: Math.min(5000, limits.head),
    maxHeaderSize: LARGEST_HEAD,
    // Node's own 400 would not wait its turn
    requireHostHeader: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  })
  server.timeout = limits.stall
  const connections = watchConnections(server)
  const edge: Edge = { handler, connections, onEvent: onEvent ?? (() => undefined) }
  server.on('request', (request, response) => {
    connections.enter(response, request.socket, () => answer(edge, request, response))
  })
  server.on('checkExpectation', (request, response) => {
    const found = errorAnswer(417, 'BAD_REQUEST')
    connections.enter(response, request.socket, () => send({ edge, request, response }, found))
  })
  server.on('clientError', (error, socket) => refuse(connections, error, socket as Socket))
  const port = await bind(server, address)
  // e.g. no descriptors left to accept with: the next connection may do better
  server.on('error', error => edge.onEvent({ type: 'failed', error }))
  const url = urlOf({ host: address.host, port })
  edge.onEvent({ type: 'listening', url })
  return running({ server, edge, url, host: address.host, port, grace: limits.stop, signal })
}

const TIMEOUTS: ServeTimeouts = { head: 15_000, request: 60_000, idle: 30_000, stall: 60_000, stop: 10_000 }

/** Bytes of a request's head. Lazy pullers ask for a thousand ranges in one header (containers/storage: up to 1,024). */
const LARGEST_HEAD = 64 * 1024

interface Edge {
  readonly handler: Handler
  readonly connections: Connections
  readonly onEvent: (event: ServeEvent) => void
}

function answer(edge: Edge, request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '', headers } = request
  try {
    const found = lacksHost(request) ? HOSTLESS : edge.handler({ method, url, headers })
    if (found instanceof Promise) {
      found
        .then(known => send({ edge, request, response }, known))
        .catch((error: unknown) => fail({ edge, request, response }, error))
    } else send({ edge, request, response }, found)
  } catch (error) {
    fail({ edge, request, response }, error)
  }
}

/** RFC 9112 §3.2. */
function lacksHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersion === '1.1'
}

const HOSTLESS: ServeResponse = errorAnswer(400, 'BAD_REQUEST', { Connection: 'close' })

interface Exchange {
  readonly edge: Edge
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

function fail(exchange: Exchange, error: unknown): void {
  exchange.edge.onEvent({ type: 'failed', target: exchange.request.url ?? '', error })
  if (exchange.response.headersSent) exchange.response.destroy()
  else send(exchange, answerTo(error))
}

function send(exchange: Exchange, found: ServeResponse | undefined): void {
  const { edge, request, response } = exchange
  const known = found ?? errorAnswer(404, 'NAME_UNKNOWN')
  if (response.destroyed) {
    dispose(known)
    return
  }
  if (edge.connections.isStopping()) response.shouldKeepAlive = false
  try {
    response.writeHead(known.status, known.headers)
  } catch (error) {
    dispose(known)
    throw error
  }
  edge.onEvent({ type: 'answered', method: request.method ?? '', target: request.url ?? '', status: known.status })
  const { body } = known
  if (body === undefined || body instanceof Uint8Array) response.end(body)
  else if (request.method === 'HEAD') {
    dispose(known)
    response.end()
  } else sendFile(response, body).catch((error: unknown) => fail(exchange, error))
}

interface Running {
  readonly server: Server
  readonly edge: Edge
  readonly url: string
  readonly host: string
  readonly port: number
  readonly grace: number
  readonly signal: AbortSignal | undefined
}

function running({ server, edge, url, host, port, grace, signal }: Running): RunningServer {
  const closed = new Promise<void>(resolve => server.once('close', resolve))
  let stopping: Promise<void> | undefined
  const close = (): Promise<void> => {
    stopping ??= edge.connections.stop(grace).then(() => edge.onEvent({ type: 'stopped' }))
    return stopping
  }
  const onAbort = (): void => void close()
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  server.once('close', () => signal?.removeEventListener('abort', onAbort))
  return { url, host, port, close, closed }
}
