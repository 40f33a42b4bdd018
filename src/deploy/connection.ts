import { createHttpClient, type HttpClient, type HttpResponse } from '../http/client.ts'
import type { Timeouts } from '../http/network-error.ts'
import type { Environment } from '../http/proxy.ts'
import type { RetryOptions, Sleep } from '../http/retry.ts'
import { plain } from '../oci/digest.ts'
import type { OnProgress } from '../progress.ts'
import { Refused } from './refusal.ts'

/* What is the same for all stores that are reached over the network. */

/** How a store is reached, and who hears of it. */
export interface ConnectionOptions {
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

/** An answer may be long in coming: some stores put a large object together before they say a word. */
const TIMEOUTS: Timeouts = { connect: 15_000, header: 300_000, stall: 60_000 }

/** Opens the client for a store; nothing is sent. */
export function openClient({ caFile, env, timeouts = TIMEOUTS }: ConnectionOptions): HttpClient {
  return createHttpClient({
    connectTimeout: timeouts.connect,
    headerTimeout: timeouts.header,
    stallTimeout: timeouts.stall,
    smallAnswers: true,
    ...(caFile === undefined ? {} : { caFile }),
    ...(env === undefined ? {} : { env }),
  })
}

/** Of the options, what requests are repeated with. */
export function retryOptionsOf({ onProgress, sleep }: ConnectionOptions): RetryOptions {
  return { ...(onProgress === undefined ? {} : { onProgress }), ...(sleep === undefined ? {} : { sleep }) }
}

/** A store's own clock, as its answers tell it. */
export interface StoreClock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Reads the `Date` of an answer. */
  read(response: HttpResponse): void
}

/** Makes a {@link StoreClock} that shows this machine's time until an answer is read. */
export function createClock(): StoreClock {
  let offset = 0
  return {
    // What HTTP tells is cut to the second: within one the clocks are the same.
    now: () => Date.now() + (Math.abs(offset) <= 1000 ? 0 : offset),
    read(response) {
      const date = Date.parse(response.header('date') ?? '')
      if (!Number.isNaN(date)) offset = date - Date.now()
    },
  }
}

/** The refusal that an answer is which something else gave in the store's place: a proxy, a load balancer, a login page. */
export async function refusalOfOther(response: HttpResponse): Promise<Refused> {
  const { status } = response
  const retryAfter = response.header('retry-after')
  const type = plain(response.header('content-type') ?? '')
  await response.discard()
  return new Refused({ status, code: '', text: '', foreign: type, ...(retryAfter === undefined ? {} : { retryAfter }) })
}
