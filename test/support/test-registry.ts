import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Graph } from './made-images.ts'
import {
  type Answer,
  type ContentOptions,
  createRegistryContent,
  type RegistryContent,
  type RegistryRequest,
} from './registry-content.ts'

/* A small registry over real HTTP on this machine, from memory, that remembers what it was asked for and misbehaves as it is told. */

/** Answers a request itself, or through `next`, whose request or answer it may change. Ready-made ones are in registry-faults.ts. */
export type Hook = (
  request: RegistryRequest,
  next: (request: RegistryRequest) => Promise<Answer>,
) => Answer | Promise<Answer>

/** What a test registry holds and how it behaves. */
export interface TestRegistryOptions extends ContentOptions {
  /** Repository → tag → image, with its referrers. */
  readonly repositories?: Readonly<Record<string, Readonly<Record<string, Graph>>>>
  /** Hooks, the first outermost. */
  readonly hooks?: readonly Hook[]
  /** One more hook, innermost. */
  readonly hook?: Hook
  /** PEM texts; without them it speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** A request that was answered. */
interface LoggedRequest extends RegistryRequest {
  readonly status: number
  /** Bytes of the body that were sent so far. */
  readonly bytes: number
}

/** A running test registry. */
export interface TestRegistry {
  /** `127.0.0.1:port`, as in image names. */
  readonly host: string
  readonly port: number
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Every request in the order in which they came. */
  readonly log: readonly LoggedRequest[]
  /** The log as lines, `HEAD /v2/app/manifests/latest 200`. */
  lines(): readonly string[]
  /** Forgets the log, and with it what came `earlier`. */
  forget(): void
  /** Sets or moves a tag. */
  put(repository: string, tag: string, graph: Graph): void
  /** Connections that were made so far. */
  connections(): number
  /** Breaks all connections and stops. */
  close(): Promise<void>
}

/** Starts a registry on a free port of the loopback interface. */
export async function startTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { repositories = {}, tls } = options
  const content = createRegistryContent(options)
  for (const [name, tags] of Object.entries(repositories)) {
    for (const [tag, graph] of Object.entries(tags)) content.put(name, tag, graph)
  }
  const log: Entry[] = []
  const hooks = [...(options.hooks ?? []), ...(options.hook === undefined ? [] : [options.hook])]
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    serve(incoming, outgoing, { content, hooks, log }).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)))
    })
  }
  let connections = 0
  const server: Server = tls === undefined ? createHttpServer(handle) : createHttpsServer(tls, handle)
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    log,
    lines: () => log.map(({ method, path, status }) => `${method} ${path} ${status}`),
    forget: () => void log.splice(0),
    put: content.put,
    connections: () => connections,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

type Entry = { -readonly [K in keyof LoggedRequest]: LoggedRequest[K] }

interface Serving {
  readonly content: RegistryContent
  readonly hooks: readonly Hook[]
  readonly log: Entry[]
}

async function serve(incoming: IncomingMessage, outgoing: ServerResponse, serving: Serving): Promise<void> {
  const { content, hooks, log } = serving
  const request = await readRequest(incoming, log)
  const entry: Entry = { ...request, status: 0, bytes: 0 }
  log.push(entry)
  const chain = hooks.reduceRight<(request: RegistryRequest) => Promise<Answer>>(
    (next, hook) => async changed => hook(changed, next),
    async changed => content.answer(changed),
  )
  const answer = await chain(request)
  entry.status = answer.status
  await send(outgoing, answer, entry)
}

async function readRequest(incoming: IncomingMessage, log: readonly Entry[]): Promise<RegistryRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk)
  const { method = '', headers: raw, url = '' } = incoming
  const { pathname, searchParams: query } = new URL(url, 'http://registry.invalid')
  const path = decodeURIComponent(pathname)
  const headers = Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, String(value)]))
  const earlier = log.filter(entry => entry.method === method && entry.path === path).length
  return { method, path, target: url, query, headers, body: Buffer.concat(chunks).toString(), earlier }
}

async function send(outgoing: ServerResponse, answer: Answer, entry: Entry): Promise<void> {
  const { status, headers, body, breaks, pause } = answer
  const lists = Object.entries(headers).map(
    ([name, value]) => [name, typeof value === 'string' ? value : [...value]] as const,
  )
  const length = 'transfer-encoding' in headers ? {} : { 'content-length': body.length }
  outgoing.writeHead(status, { ...length, ...Object.fromEntries(lists) })
  if (entry.method === 'HEAD') {
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  const end = Math.min(body.length, breaks?.after ?? body.length)
  for (let start = 0; start < end; start += CHUNK) {
    if (outgoing.destroyed) return
    const chunk = body.subarray(start, Math.min(end, start + CHUNK))
    entry.bytes += chunk.length
    if (!outgoing.write(chunk)) await drained(outgoing)
    if (pause !== undefined) await delay(pause)
  }
  if (breaks === undefined) outgoing.end()
  else breakOff(outgoing, breaks.how)
}

/** Bytes that are written at once. */
const CHUNK = 65_536

function breakOff(outgoing: ServerResponse, how: 'ends' | 'resets' | 'stalls'): void {
  const { socket } = outgoing
  if (how === 'ends') socket?.end()
  // What was written has to leave first, else the reset overtakes it.
  if (how === 'resets') outgoing.write('', () => setImmediate(() => socket?.resetAndDestroy()))
}

async function drained(outgoing: ServerResponse): Promise<void> {
  await new Promise<void>(resolve => {
    const done = (): void => {
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    outgoing.on('drain', done).on('close', done)
  })
}
