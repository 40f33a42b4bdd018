import { setTimeout as delay } from 'node:timers/promises'

/** Asks `condition` every few milliseconds until it is true; throws an Error after `timeout` milliseconds (default 10,000). */
export async function pollUntil(
  condition: () => boolean | Promise<boolean>,
  { timeout = 10_000, interval = 20 }: { readonly timeout?: number; readonly interval?: number } = {},
): Promise<void> {
  const deadline = Date.now() + timeout
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`still waiting after ${timeout} ms`)
    await delay(interval)
  }
}
