import { setTimeout as delayFor } from 'node:timers/promises'
import { abortedError, isRegistrishError, type RegistrishError } from '../errors.ts'
import type { OnProgress } from '../progress.ts'
import { isTransient } from './network-error.ts'

/** Waits for some ms; rejects when the signal aborts. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<unknown>

/** How often and how patiently requests are repeated. Times in ms. */
export interface RetryOptions {
  /** Repetitions after the first try. Default 3. */
  readonly times?: number
  readonly onProgress?: OnProgress
  /** Default: a timer. */
  readonly sleep?: Sleep
  /** From 0 up to 1. Default `Math.random`. */
  readonly random?: () => number
}

/** What one try came to: a value, or a failure that another try may mend, with the pause that the host asked for. */
type Attempt<T> = { readonly value: T } | { readonly failed: RegistrishError; readonly delay?: number }

/** One request, tried until it succeeds. */
interface Attempts<T> {
  /** What it is about, for progress: `docker.io/library/alpine:3`. */
  readonly what: string
  /** Tries once. Broken connections and timeouts that it throws are tried again; every other error is final. */
  attempt(): Promise<Attempt<T>>
  readonly signal?: AbortSignal
  /** Whether a broken connection is left to the caller. Default false. */
  readonly onlyAnswers?: boolean
}

/** Repeats requests to one host. */
export interface Retry {
  run<T>(attempts: Attempts<T>): Promise<T>
}

/** First pause and longest pause between two tries; each is twice the one before, less up to a half by chance so that many clients do not come back at once. */
const FIRST_PAUSE = 1000
const LONGEST_PAUSE = 30_000

/**
 * Makes a {@link Retry} for one host. A refused connection is tried again only once that host has answered, since before it is down or misspelt. A host that
 * was out of order through all tries is asked once at a time until it answers well again, and for what it was out of order, until it answers well to that: tries do
 * not multiply with those of a caller who goes on.
 */
export function createRetry(options: RetryOptions = {}): Retry {
  const { times = 3, onProgress, random = Math.random, sleep = pause } = options
  let known = false
  let isLost = false
  const lost = new Set<string>()
  return {
    async run({ what, attempt, signal, onlyAnswers = false }) {
      // What began before another request was given up keeps its tries: the host may be back by then.
      const repetitions = isLost || lost.has(what) ? 0 : times
      for (let tried = 0; ; tried += 1) {
        const outcome = await capture(attempt)
        if ('value' in outcome) {
          known = true
          isLost = false
          lost.delete(what)
          return outcome.value
        }
        const { failed } = outcome
        const again = !outcome.thrown || (!onlyAnswers && isTransient(failed, known))
        if (!outcome.thrown) known = true
        if (!again || tried >= repetitions) {
          if (!outcome.thrown) {
            isLost = true
            lost.add(what)
          }
          throw failed
        }
        const wait = outcome.delay ?? Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** tried) * (1 - random() / 2)
        onProgress?.({ type: 'retry', what, reason: failed.message, delay: wait })
        await rest(sleep, wait, signal)
      }
    },
  }
}

type Outcome<T> =
  | { readonly value: T }
  | { readonly failed: RegistrishError; readonly delay?: number; readonly thrown: boolean }

async function capture<T>(attempt: () => Promise<Attempt<T>>): Promise<Outcome<T>> {
  try {
    const result = await attempt()
    return 'value' in result ? result : { ...result, thrown: false }
  } catch (error) {
    if (isRegistrishError(error)) return { failed: error, thrown: true }
    throw error
  }
}

/** Waits; who gives up meanwhile gets `aborted`. @throws RegistrishError `aborted`. */
export async function rest(sleep: Sleep, ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, signal)
  } catch (error) {
    if (signal?.aborted === true) throw abortedError(signal.reason)
    throw error
  }
}

/** Waits by a timer. */
export async function pause(ms: number, signal?: AbortSignal): Promise<unknown> {
  return delayFor(ms, undefined, signal === undefined ? {} : { signal })
}
