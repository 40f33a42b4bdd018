import type { HttpResponse } from '../http/client.ts'
import { retryAfterOf } from '../http/rate-limit.ts'
import { pause, rest, type Sleep } from '../http/retry.ts'

/** Waits where a host wants to be asked again later. */
export interface Patience {
  /** Sends, and sends again after the pause that the host asks for. */
  send(send: () => Promise<HttpResponse>): Promise<HttpResponse>
  /** Whether the host still counted requests after all pauses: it is not worth asking any more. */
  isLimited(): boolean
  /** Tells that the host counts requests, and that no pause will do. */
  limit(): void
}

/** Longest that one request is put off, in ms. */
const LONGEST_WAIT = 30_000
const MOST_REPETITIONS = 2
/** Pause where a host that counts requests names none, in ms. */
const USUAL_PAUSE = 1000

/** Makes a {@link Patience}; what a host was through all pauses once is not waited for again. */
export function createPatience({
  sleep = pause,
  signal,
}: {
  readonly sleep?: Sleep | undefined
  readonly signal?: AbortSignal | undefined
}): Patience {
  const stayed = new Set<number>()
  return {
    isLimited: () => stayed.has(429),
    limit: () => void stayed.add(429),
    async send(send) {
      let left = LONGEST_WAIT
      for (let tried = 0; ; tried += 1) {
        const response = await send()
        const wait = waitOf(response, tried)
        if (wait === undefined) return response
        if (stayed.has(response.status) || tried === MOST_REPETITIONS || wait > left) {
          stayed.add(response.status)
          return response
        }
        await response.discard()
        left -= wait
        await rest(sleep, wait, signal)
      }
    },
  }
}

/** The pause before another try, in ms; undefined where none is asked for. */
function waitOf(response: HttpResponse, tried: number): number | undefined {
  const { status } = response
  if (status !== 429 && status !== 503) return undefined
  return retryAfterOf(response, Date.now()) ?? (status === 429 ? USUAL_PAUSE * 2 ** tried : undefined)
}
