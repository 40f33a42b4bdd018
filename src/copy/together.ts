import type { CopyContext } from './context.ts'

/**
 * Waits for parts that were started at once, as `Promise.all` does. Where one fails, those that still run are remembered, so that the copy does
 * not end before they do.
 */
export async function together<T>({ leftovers }: CopyContext, parts: readonly Promise<T>[]): Promise<readonly T[]> {
  try {
    return await Promise.all(parts)
  } catch (error) {
    leftovers.push(Promise.allSettled(parts))
    throw error
  }
}

/** Waits for everything that {@link together} has remembered; its failures were reported by then. */
export async function settleLeftovers({ leftovers }: CopyContext): Promise<void> {
  for (let rest = leftovers.pop(); rest !== undefined; rest = leftovers.pop()) await rest
}
