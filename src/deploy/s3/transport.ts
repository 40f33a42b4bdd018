import { Readable } from 'node:stream'
import type { HttpRequest, HttpResponse } from '../../http/client.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { type ConnectionOptions, createClock, openClient, refusalOfOther } from '../connection.ts'
import { regionIn } from './refusal.ts'

/** A request for a store, signed or to be: no redirect is followed, since a signature is good for one host alone. */
export interface StoreRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal | undefined
}

/** Sends requests to one store, and reads its clock from the answers. */
export interface Transport {
  /** @throws RegistrishError `unreachable`, `timeout` or `aborted`, Refused for an answer that is not in S3's own words. */
  send(request: StoreRequest): Promise<HttpResponse>
  /** Milliseconds since the epoch by the store's clock. */
  now(): number
  /** The region that the store named last. */
  region(): string | undefined
  close(): Promise<void>
}

/** Makes a {@link Transport}. */
export function createTransport(options: ConnectionOptions): Transport {
  const http = openClient(options)
  const clock = createClock()
  let region: string | undefined
  return {
    async send({ url, method, headers, body, signal }) {
      const request: HttpRequest = {
        method,
        headers,
        follow: false,
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      }
      const response = await http.request(url, request)
      clock.read(response)
      region = regionIn(response.header('x-amz-bucket-region')) ?? region
      if (isForeign(response, method)) throw await refusalOfOther(response)
      return response
    },
    now: clock.now,
    region: () => region,
    close: async () => http.close(),
  }
}

/**
 * Whether an answer comes from something in between: a load balancer, a proxy, a login page. No store answers a write with a page for people, though some
 * call an answer without a body one; and some say of what is not there no more than that. Where the SDK gets credentials, JSON is spoken too.
 */
function isForeign(response: HttpResponse, method: string): boolean {
  const { status } = response
  const type = response.header('content-type') ?? ''
  if (method === 'HEAD' || status === 304) return false
  const isEmpty = response.header('content-length') === '0'
  if (status < 300) return method !== 'GET' && /html/i.test(type) && !isEmpty
  if (status === 404 && method === 'GET' && isEmpty && type === '') return false
  return !/xml|json/i.test(type)
}

/** What the SDK takes as `requestHandler`. */
export interface SdkHandler {
  readonly metadata: { readonly handlerProtocol: string }
  handle(request: SdkRequest, options?: { readonly abortSignal?: unknown }): Promise<{ readonly response: SdkResponse }>
  updateHttpClientConfig(): void
  httpHandlerConfigs(): Record<string, never>
  destroy(): void
}

/** A request as the SDK makes it. */
export interface SdkRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface SdkResponse {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: Readable
}

/** The SDK's way to the network: the same connections, proxies, certificates and patience as for everything else. */
export function createSdkHandler(transport: Transport): SdkHandler {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request, { abortSignal } = {}) {
      const signal = abortSignal instanceof AbortSignal ? { signal: abortSignal } : {}
      const body = bodyOf(request.body)
      const response = await transport.send({
        method: request.method as StoreRequest['method'],
        url: urlOf(request),
        headers: headersOf(request.headers),
        ...(body === undefined ? {} : { body }),
        ...signal,
      })
      return {
        response: {
          statusCode: response.status,
          headers: { ...response.headers() },
          body: Readable.from(response.body, { objectMode: false }),
        },
      }
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  }
}

/** The URL of a request, with the query spelt as it was signed. */
export function urlOf({ protocol, hostname, port, path, query }: SdkRequest): URL {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    value === null ? [encode(name)] : [value].flat().map(one => `${encode(name)}=${encode(one)}`),
  )
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`)
}

/** Percent-encoding as signatures want it: everything but unreserved characters (AWS, "Create a signed request": `UriEncode`). */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** What the connection says by itself is left out; undici knows no `Expect`. */
function headersOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(?:expect|connection)$/i.test(name)))
}

function bodyOf(body: unknown): StoreRequest['body'] {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  if (isRecord(body) && Symbol.asyncIterator in body) return body as unknown as AsyncIterable<Uint8Array>
  throw new TypeError('a body that cannot be sent')
}
