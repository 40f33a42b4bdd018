import { setMaxListeners } from 'node:events'
import { isRegistrishError, RegistrishError, throwIfAborted } from '../../errors.ts'
import { createHttpClient, type HttpRequest, type HttpResponse } from '../../http/client.ts'
import type { Timeouts } from '../../http/network-error.ts'
import type { Environment } from '../../http/proxy.ts'
import { retryAfterOf } from '../../http/rate-limit.ts'
import { createRetry, type Sleep } from '../../http/retry.ts'
import type { OnProgress } from '../../progress.ts'
import { type Refusal, Refused, refusalOf } from '../s3/refusal.ts'
import { restError, type Words } from './errors.ts'

/*
 * Requests to a store that is spoken to in plain HTTP with a key or a token, as most are that do not speak S3's protocol: repeated while that may help, and
 * what they fail with translated. What is the store's own it is given: who asks, how it refuses, what its refusals mean.
 */

/** How a store is reached, and who hears of it. */
export interface RestOptions {
  /** PEM file of certificate authorities to trust beside Node's own and `NODE_EXTRA_CA_CERTS`. */
  readonly caFile?: string
  /** Where the proxy variables are read. Default `process.env`. */
  readonly env?: Environment
  readonly onProgress?: OnProgress
  /** How pauses between tries are waited for. Default: a timer. */
  readonly sleep?: Sleep
  /** How long silence is borne, in ms. Default: 15 s for a connection, 5 min for an answer, 1 min within it. */
  readonly timeouts?: Timeouts
}

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
/** Longest pause that a store may ask for, in ms. */
const LONGEST_WAIT = 60_000
/** An answer may be long in coming: after the last bytes of a large object it is put together. */
const TIMEOUTS: Timeouts = { connect: 15_000, header: 300_000, stall: 60_000 }
/** Statuses that another try may mend (RFC 9110 §15; RFC 6585 for 429). */
const PASSING = new Set([408, 429, 500, 502, 503, 504])

/** Opens the {@link RestCalls} of a store; nothing is sent. */
export function openRestCalls(dialect: Dialect, options: RestOptions): RestCalls {
  const { words } = dialect
  const http = openHttp(options)
  const retry = createRetry({ times: TIMES, ...pick(options) })
  let offset = 0
  let isRenewing = false
  // What HTTP tells is cut to the second: within one the clocks are the same.
  const now = (): number => Date.now() + (Math.abs(offset) <= 1000 ? 0 : offset)
  return {
    words,
    now,
    close: async () => http.close(),
    async run({ doing, signal }, attempt) {
      // A signal is shared by as many requests as run at once: that is no leak that Node has to warn of.
      if (signal !== undefined) setMaxListeners(0, signal)
      let tried = 0
      let isRenewed = false
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
            const refusal = refusalOf(error)
            // An error of ours is final, but for what broke on the way, which is for the loop to judge.
            if (refusal === undefined || isRegistrishError(error)) throw failed
            if (refusal.status === 401 && dialect.renewable && !isRenewed) {
              isRenewed = true
              isRenewing = true
              return { failed, delay: 0 }
            }
            if (!PASSING.has(refusal.status)) throw failed
            return { failed, ...delayOf(refusal, failed, now()) }
          } finally {
            tried += 1
          }
        },
      })
    },
    async send({ url, accept = [], anonymous = false, headers, signal, ...request }) {
      const renew = isRenewing
      isRenewing = false
      const identity = anonymous ? {} : await dialect.authorize(renew)
      const response = await http.request(url, {
        ...request,
        headers: { ...identity, ...headers },
        follow: false,
        ...(signal === undefined ? {} : { signal }),
      })
      const date = Date.parse(response.header('date') ?? '')
      if (!Number.isNaN(date)) offset = date - Date.now()
      if (response.status < 300 || accept.includes(response.status)) return response
      throw new Refused(await dialect.readRefusal(response))
    },
  }
}

function openHttp({ caFile, env, timeouts = TIMEOUTS }: RestOptions): ReturnType<typeof createHttpClient> {
  return createHttpClient({
    connectTimeout: timeouts.connect,
    headerTimeout: timeouts.header,
    stallTimeout: timeouts.stall,
    smallAnswers: true,
    ...(caFile === undefined ? {} : { caFile }),
    ...(env === undefined ? {} : { env }),
  })
}

function pick({ onProgress, sleep }: RestOptions): Pick<RestOptions, 'onProgress' | 'sleep'> {
  return { ...(onProgress === undefined ? {} : { onProgress }), ...(sleep === undefined ? {} : { sleep }) }
}

function delayOf({ retryAfter }: Refusal, failed: RegistrishError, now: number): { readonly delay?: number } {
  const delay = retryAfter === undefined ? undefined : retryAfterOf({ header: () => retryAfter }, now)
  if (delay === undefined) return {}
  if (delay <= LONGEST_WAIT) return { delay }
  throw new RegistrishError('rate-limited', failed.message, {
    side: 'target',
    hint: 'run the same command again later: what was sent is not sent again',
    cause: failed.cause,
    retryAt: Date.now() + delay,
  })
}
