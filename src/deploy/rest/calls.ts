import { setMaxListeners } from 'node:events'
import { isRegistrishError, throwIfAborted } from '../../errors.ts'
import type { HttpClient, HttpRequest, HttpResponse } from '../../http/client.ts'
import { createRetry } from '../../http/retry.ts'
import { askedPause } from '../asked-pause.ts'
import { type ConnectionOptions, createClock, openClient, retryOptionsOf, type StoreClock } from '../connection.ts'
import { type Refusal, Refused, refusalBehind } from '../refusal.ts'
import { restError, type Words } from './errors.ts'

/*
 * Requests to a store that is spoken to in plain HTTP with a key or a token, as most are that do not speak S3's protocol: repeated while that may help, and
 * what they fail with translated. What is the store's own it is given: who asks, how it refuses, what its refusals mean.
 */

/** What is one store's own. */
export interface Dialect {
  readonly words: Words
  /** The headers that say who asks. `renew`: those given before were refused. */
  authorize(renew: boolean): Promise<Readonly<Record<string, string>>>
  /** Whether new credentials may come of asking again. */
  readonly renewable: boolean
  /** Reads an answer that is a refusal. */
  readRefusal(response: HttpResponse): Promise<Refusal>
}

/** What one call is about. */
export interface RestCall {
  /** As after "cannot": `write v2/alpine/manifests/latest`. */
  readonly doing: string
  readonly signal?: AbortSignal | undefined
}

/** One request. */
interface RestRequest extends Pick<HttpRequest, 'headers' | 'body' | 'method'> {
  readonly url: URL
  readonly signal?: AbortSignal | undefined
  /** Statuses from 300 on that are answers. Default: none. */
  readonly accept?: readonly number[]
  /** Sent without saying who asks: the URL itself is a secret. Default false. */
  readonly anonymous?: boolean
}

/** Requests to one store. */
export interface RestCalls {
  readonly words: Words
  /** Runs a try again and again, and translates what it fails with. Within it {@link RestCalls.send} sends. */
  run<T>(call: RestCall, attempt: (tried: number) => Promise<T>): Promise<T>
  /** Sends one request once. @throws Refused for every status from 300 on that is not accepted. */
  send(request: RestRequest): Promise<HttpResponse>
  /** Milliseconds since the epoch by the store's clock. */
  now(): number
  close(): Promise<void>
}

/** Repetitions after the first try: a store that fails one request in three is got through. */
const TIMES = 7
/** Statuses that another try may mend (RFC 9110 §15; RFC 6585 for 429). */
const PASSING = new Set([408, 429, 500, 502, 503, 504])
/** Who asks is not known, or not any more. */
const UNKNOWN = 401

/** Opens the {@link RestCalls} of a store; nothing is sent. */
export function openRestCalls(dialect: Dialect, options: ConnectionOptions): RestCalls {
  const { words } = dialect
  const http = openClient(options)
  const retry = createRetry({ times: TIMES, ...retryOptionsOf(options) })
  const clock = createClock()
  const identity: Identity = { isRefused: false }
  return {
    words,
    now: clock.now,
    close: async () => http.close(),
    async run({ doing, signal }, attempt) {
      // A signal is shared by as many requests as run at once: that is no leak that Node has to warn of.
      if (signal !== undefined) setMaxListeners(0, signal)
      let tried = 0
      let mayRenew = dialect.renewable
      return retry.run({
        what: words.title,
        ...(signal === undefined ? {} : { signal }),
        async attempt() {
          throwIfAborted(signal)
          try {
            return { value: await attempt(tried) }
          } catch (error) {
            throwIfAborted(signal)
            const failed = restError(error, doing, words)
            const refusal = passingOf(error, mayRenew)
            if (refusal === undefined) throw failed
            if (refusal.status !== UNKNOWN) return { failed, ...askedPause(refusal, failed, clock.now()) }
            mayRenew = false
            identity.isRefused = true
            return { failed, delay: 0 }
          } finally {
            tried += 1
          }
        },
      })
    },
    send: async request => sendOnce(request, { dialect, http, clock, identity }),
  }
}

/** How we say who asks. */
interface Identity {
  /** Whether the credentials were refused, and nobody has asked for others since. */
  isRefused: boolean
}

/** The refusal after which another try may help. An error of ours is final, but for what broke on the way, which is for the loop to judge. */
function passingOf(error: unknown, mayRenew: boolean): Refusal | undefined {
  const refusal = isRegistrishError(error) ? undefined : refusalBehind(error)
  const isPassing = refusal !== undefined && (PASSING.has(refusal.status) || (refusal.status === UNKNOWN && mayRenew))
  return isPassing ? refusal : undefined
}

interface Sending {
  readonly dialect: Dialect
  readonly http: HttpClient
  readonly clock: StoreClock
  readonly identity: Identity
}

async function sendOnce(
  { url, accept = [], anonymous = false, headers, signal, ...request }: RestRequest,
  { dialect, http, clock, identity }: Sending,
): Promise<HttpResponse> {
  const credentials = anonymous ? {} : await identify(dialect, identity)
  const response = await http.request(url, {
    ...request,
    headers: { ...credentials, ...headers },
    follow: false,
    ...(signal === undefined ? {} : { signal }),
  })
  clock.read(response)
  if (response.status < 300 || accept.includes(response.status)) return response
  throw new Refused(await dialect.readRefusal(response))
}

async function identify(dialect: Dialect, identity: Identity): Promise<Readonly<Record<string, string>>> {
  const renew = identity.isRefused
  identity.isRefused = false
  return dialect.authorize(renew)
}
