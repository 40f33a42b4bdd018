import type { TimerOptions } from 'node:timers'
import type * as timers from 'node:timers/promises'
import { abortedError } from '../../../src/errors.ts'
import type { Clock } from '../../support/memory-store.ts'

/*
 * Sleeps that take no time but that of the stores' clocks. A test file begins with
 * `vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))`.
 */

const clocks = new Set<Clock>()

/** Has sleeps put a clock forward, until {@link releaseClocks}. */
export function followSleep(clock: Clock): void {
  clocks.add(clock)
}

/** Forgets all clocks. */
export function releaseClocks(): void {
  clocks.clear()
}

/** The module of timers with sleeps that do not last. */
export function replaceSleep(actual: typeof timers): typeof timers {
  return {
    ...actual,
    setTimeout: async <T>(ms = 0, value?: T, options: TimerOptions = {}): Promise<T> => {
      for (const clock of clocks) clock.now += Math.ceil(ms)
      await actual.setImmediate()
      if (options.signal?.aborted === true) throw abortedError(options.signal.reason)
      return value as T
    },
  }
}
