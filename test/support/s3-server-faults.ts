import type { S3Request } from './s3-server-request.ts'

/* How an S3 server misbehaves, and when. */

/**
 * What happens to a request.
 * - `slow-down` 503, `internal-error` 500, `too-many-requests` 429, `access-denied` 403, `request-timeout` 400, `conflict` 409, `clock-skew` 403: answered so, and nothing is done
 * - `reset-unread`: the connection is reset before the body is read · `reset-reading`: after `after` bytes of it · `reset-answering`: when all is done, before the answer
 * - `hang`: never answered · `truncated`: done, and the answer breaks off in its middle
 * - `race`: another writer gets in between with an object of its own · `error-in-200`: 200 with an error in its body, and nothing is done
 * - `undeleted`: DeleteObjects answers 200 and names the key as an error; `key` is held against each key in it
 */
export type FaultKind =
  | 'slow-down'
  | 'internal-error'
  | 'too-many-requests'
  | 'access-denied'
  | 'request-timeout'
  | 'conflict'
  | 'clock-skew'
  | 'reset-unread'
  | 'reset-reading'
  | 'reset-answering'
  | 'hang'
  | 'truncated'
  | 'race'
  | 'error-in-200'
  | 'undeleted'

/** When a server misbehaves, and how. */
export interface Fault {
  readonly kind: FaultKind
  readonly method?: string
  /** The operation by its name in the API Reference, `PutObject`. */
  readonly operation?: string
  readonly key?: RegExp
  /** The first request that it happens to, of those that it fits, from 1. Default 1. */
  readonly nth?: number
  /** How often it happens. Default 1. */
  readonly times?: number
  /** For `reset-reading`: bytes. Default 0. */
  readonly after?: number
  /** Seconds in a Retry-After header. Default: no such header. */
  readonly retryAfter?: number
  /** For `race`: what the other writer writes. Default a text. */
  readonly bytes?: Uint8Array
}

/** Faults that wait for their requests. */
export interface Faults {
  /** Adds one. */
  add(fault: Fault): void
  /** Takes what is to happen to a request; undefined: nothing. */
  take(request: S3Request): Fault | undefined
  /** Whether a key of DeleteObjects is to fail. */
  takeKey(key: string): boolean
  /** Forgets those that have not happened. */
  clear(): void
  /** How many have not happened as often as they should. */
  readonly left: number
}

/** Makes a list of faults, empty. */
export function createFaults(): Faults {
  const waiting = new Set<Waiting>()
  return {
    add: fault => void waiting.add({ fault, skip: (fault.nth ?? 1) - 1, left: fault.times ?? 1 }),
    take(request) {
      const fits = ({ kind, method, operation, key }: Fault): boolean =>
        kind !== 'undeleted' &&
        (method === undefined || method === request.method) &&
        (operation === undefined || operation === request.operation) &&
        (key === undefined || key.test(request.key))
      return takeFirst(waiting, fits)
    },
    takeKey: name =>
      takeFirst(waiting, ({ kind, key }) => kind === 'undeleted' && key?.test(name) !== false) !== undefined,
    clear: () => waiting.clear(),
    get left() {
      return waiting.size
    },
  }
}

interface Waiting {
  readonly fault: Fault
  skip: number
  left: number
}

/** Every fault that fits counts the request, but only the first whose turn it is happens. */
function takeFirst(waiting: Set<Waiting>, fits: (fault: Fault) => boolean): Fault | undefined {
  let taken: Fault | undefined
  for (const entry of waiting) {
    if (!fits(entry.fault)) continue
    if (entry.skip > 0) {
      entry.skip -= 1
      continue
    }
    if (taken !== undefined) continue
    taken = entry.fault
    entry.left -= 1
    if (entry.left <= 0) waiting.delete(entry)
  }
  return taken
}
