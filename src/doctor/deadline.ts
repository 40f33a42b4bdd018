/** Ends requests that go on and on: a byte now and then is no silence, and would be waited for without end. */
export interface Deadline {
  /** Aborts when the time is up, or with the caller's own signal. */
  readonly signal: AbortSignal
  /** In words: `60 s`. */
  readonly text: string
  /** Gives the next request as much time again. */
  restart(): void
  /** Whether the time was up, and it was not the caller who ended it. */
  isOver(): boolean
  stop(): void
}

/** What a request may take from beginning to end, in ms. */
const LONGEST_REQUEST = 60_000

/** Starts a {@link Deadline}. */
export function startDeadline(signal: AbortSignal | undefined, ms: number = LONGEST_REQUEST): Deadline {
  const ending = new AbortController()
  const start = (): NodeJS.Timeout => setTimeout(() => ending.abort(), ms)
  let timer = start()
  return {
    signal: signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]),
    text: `${ms / 1000} s`,
    restart() {
      clearTimeout(timer)
      timer = start()
    },
    isOver: () => ending.signal.aborted && signal?.aborted !== true,
    stop: () => clearTimeout(timer),
  }
}
