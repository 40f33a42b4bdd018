import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { S3Error } from './s3-server-answer.ts'
import { createFaults, type Fault, type Faults } from './s3-server-faults.ts'
import { publicPolicy } from './s3-server-policy.ts'
import type { S3Request } from './s3-server-request.ts'
import { type Serving, serveRequest } from './s3-server-serve.ts'
import {
  completeStrictness,
  createBucket,
  etagOf,
  keptHeaders,
  type S3Bucket,
  type S3Object,
  type S3State,
  type Strictness,
} from './s3-server-state.ts'

/*
 * A small S3 over real HTTP on this machine, from memory: as strict as AWS and its strictest relatives together, with a log, and it misbehaves as it is told.
 * It shares no code with what it tests.
 */

/** What a server holds and how it behaves. */
export interface S3ServerOptions extends Strictness {
  /** Buckets that are there. Default one, `bucket`. */
  readonly buckets?: readonly string[]
  /** What anyone may do below `v2/`. Default nothing. */
  readonly public?: 'get' | 'get-and-list'
  /** Default `us-east-1`. */
  readonly region?: string
  /** Default `key`. */
  readonly accessKeyId?: string
  /** Default `secret`. */
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  /** What bucket names stand before in the Host header. Default `s3.test`. */
  readonly domain?: string
}

/** A request that came. */
interface S3LogEntry extends S3Request {
  /** Bytes of the body that were read. */
  readonly bytes: number
  /** 0 where there was no answer. */
  readonly status: number
  /** What was made of it, where anything was. */
  readonly fault?: Fault['kind']
}

/** A running server. */
export interface S3Server {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  readonly log: readonly S3LogEntry[]
  /** The log as lines, `PutObject v2/a/manifests/latest 200`. */
  lines(): readonly string[]
  /** Forgets the log. */
  forget(): void
  /** Misbehaves once, or as often as is said. */
  fault(fault: Fault): void
  readonly faults: Faults
  /** A bucket to be looked into. Default the first. */
  bucket(name?: string): S3Bucket
  /** Puts an object into the first bucket, as another writer would. */
  put(key: string, bytes: Uint8Array | string, headers?: Readonly<Record<string, string>>): S3Object
  /** Milliseconds that the server's clock is ahead; may be set. */
  clockOffset: number
  /** Connections that were made so far. */
  connections(): number
  /** Opens the website endpoint of a bucket on a port of its own; gives its URL. */
  openWebsite(bucket?: string): Promise<string>
  /** Breaks all connections and stops. */
  close(): Promise<void>
}

/** Starts a server on a free port of the loopback interface. */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const { region = 'us-east-1', domain = 's3.test', buckets = ['bucket'] } = options
  const faults = createFaults()
  const log: Entry[] = []
  const state: S3State = {
    buckets: new Map(buckets.map(name => [name, createBucket(name)])),
    region,
    strict: completeStrictness(options),
    now: () => Date.now() + server.clockOffset,
    tokens: new Map(),
    undeletable: key => (faults.takeKey(key) ? 'InternalError' : undefined),
  }
  const { accessKeyId = 'key', secretAccessKey = 'secret', sessionToken } = options
  const { checkPayload } = state.strict
  const token = sessionToken === undefined ? {} : { sessionToken }
  const signers = { accessKeyId, secretAccessKey, ...token, region, now: state.now, checkPayload }
  const serving: Serving = { state, signers, faults, log, domain }
  const main = await listen((incoming, outgoing) => serveRequest(serving, incoming, outgoing))
  const servers = [main]
  const bucketOf = (name = buckets[0] ?? ''): S3Bucket => {
    const bucket = state.buckets.get(name)
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket')
    return bucket
  }
  const server: S3Server = {
    url: `http://127.0.0.1:${main.port}`,
    port: main.port,
    log,
    lines: () => log.map(({ operation, key, status }) => `${operation} ${key} ${status}`),
    forget: () => void log.splice(0),
    fault: faults.add,
    faults,
    bucket: bucketOf,
    put(key, text, headers = {}) {
      const bytes = Buffer.from(text)
      const object = { bytes, etag: etagOf(state, bytes), headers: keptHeaders(headers), modified: state.now() }
      bucketOf().objects.set(key, object)
      return object
    },
    clockOffset: 0,
    connections: main.connections,
    async openWebsite(name) {
      const website = bucketOf(name).name
      const opened = await listen((incoming, outgoing) => serveRequest({ ...serving, website }, incoming, outgoing))
      servers.push(opened)
      return `http://127.0.0.1:${opened.port}`
    },
    async close() {
      await Promise.all(servers.map(({ close }) => close()))
    },
  }
  for (const bucket of state.buckets.values()) {
    if (options.public === undefined) continue
    bucket.configurations.set('policy', publicPolicy(bucket.name, options.public === 'get-and-list'))
  }
  return server
}

type Entry = { -readonly [K in keyof S3LogEntry]: S3LogEntry[K] }

interface Listening {
  readonly port: number
  connections(): number
  close(): Promise<void>
}

async function listen(
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
): Promise<Listening> {
  const server: Server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)))
    })
  })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
