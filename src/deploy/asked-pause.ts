import { RegistrishError } from '../errors.ts'
import { retryAfterOf } from '../http/rate-limit.ts'

/** Longest pause that a store may ask for, in ms. */
const LONGEST_WAIT = 60_000

/**
 * The pause before the next try that a refusal asks for, in ms, where it asks for one. `now`: by the store's clock.
 * @throws RegistrishError `rate-limited` where that is too long to be waited for.
 */
export function askedPause(
  { retryAfter }: { readonly retryAfter?: string },
  failed: RegistrishError,
  now: number,
): { readonly delay?: number } {
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
