import { Readable } from 'node:stream'
import type { HttpHeaders, HttpOperationResponse, IHttpClient, WebResource } from '@azure/storage-blob'
import type { HttpRequest, HttpResponse } from '../../http/client.ts'
import { type ConnectionOptions, createClock, openClient, refusalOfOther } from '../connection.ts'

/** Sends the SDK's requests: the same connections, proxies, certificates and patience as for everything else. Reads the service's clock from its answers. */
export interface Transport {
  /** What the SDK takes. @throws RegistrishError `unreachable`, `timeout` or `aborted`, Refused for an answer that is not Azure's. */
  readonly httpClient: IHttpClient
  /** Milliseconds since the epoch by the service's clock. */
  now(): number
  close(): Promise<void>
}

/** Largest answer that is read, in bytes: 5,000 blobs of a listing, or the largest document of a registry, come to less. */
const LARGEST_ANSWER = 64 * 1024 * 1024

/** Makes a {@link Transport}. */
export function createTransport(options: ConnectionOptions): Transport {
  const http = openClient(options)
  const clock = createClock()
  return {
    httpClient: {
      async sendRequest(request) {
        const response = await http.request(new URL(request.url), requestOf(request))
        clock.read(response)
        // Every answer of the service has it; those of proxies, load balancers and login pages do not.
        if (response.header('x-ms-request-id') === undefined) throw await refusalOfOther(response)
        return answerOf(request, response)
      },
    },
    now: clock.now,
    close: async () => http.close(),
  }
}

function requestOf({ method, headers, body, abortSignal }: WebResource): HttpRequest {
  // What the connection says by itself is left out, and nothing may come compressed.
  const sent = Object.entries(headers.rawHeaders())
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !/^(?:accept-encoding|connection)$/.test(name))
  return {
    method: method as NonNullable<HttpRequest['method']>,
    headers: Object.fromEntries(sent),
    follow: false,
    ...(body === undefined || body === null ? {} : { body: bodyOf(body) }),
    ...(abortSignal instanceof AbortSignal ? { signal: abortSignal } : {}),
  }
}

function bodyOf(body: unknown): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  throw new TypeError('a body that cannot be sent')
}

/** Bodies are read here, so that one that breaks off is one more request that failed. */
async function answerOf(request: WebResource, response: HttpResponse): Promise<HttpOperationResponse> {
  const { status } = response
  const bytes = request.method === 'HEAD' ? undefined : await response.bytes(LARGEST_ANSWER)
  if (bytes === undefined) await response.discard()
  const isStream = request.streamResponseStatusCodes?.has(status) ?? false
  return {
    request,
    status,
    headers: headersOf(request.headers, response.headers()),
    ...(isStream ? { readableStreamBody: Readable.from(bytes === undefined ? [] : [bytes]) } : {}),
    ...(isStream || bytes === undefined ? {} : { bodyAsText: new TextDecoder().decode(bytes) }),
  }
}

/** The SDK tells nobody how its headers are made, but to make them from others. */
function headersOf(like: HttpHeaders, headers: Readonly<Record<string, string>>): HttpHeaders {
  const made = like.clone()
  for (const name of made.headerNames()) made.remove(name)
  for (const [name, value] of Object.entries(headers)) made.set(name, value)
  return made
}
