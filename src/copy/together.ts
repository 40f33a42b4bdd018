import type { CopyContext } from './context.ts'

/**
 * Waits for parts that were started at once, as `Promise.all` does. Where one fails, those that still run are remembered, so that the copy does
 * not end before they do.
 */
async function together<T>({ leftovers }: CopyContext, parts: readonly Promise<T>[]): Promise<readonly T[]> {
  try {
    return await Promise.all(parts)
  } catch (error) {
    leftovers.push(Promise.allSettled(parts))
    throw error
  }
}

/** Fewest things of a kind that are begun at once, whatever `jobs` says: what waits for one may go on with the next. */
const WINDOW = 16

/**
 * Does something for each item, a bounded number of them at a time, so that a list of any length costs no more than a short one. Results stand in
 * the order of the items. Where one fails, no more are begun; those that still run are remembered as by {@link together}.
 */
export async function inTurn<T, R>(
  context: CopyContext,
  items: Iterable<T>,
  action: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = []
  const rest = [...items].entries()
  let failed = false
  const work = async (): Promise<void> => {
    for (const [position, item] of rest) {
      if (failed) return
      try {
        results[position] = await action(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const width = Math.max(WINDOW, context.options.jobs ?? 0)
  await together(context, Array.from({ length: width }, work))
  return results
}

/** Waits for everything that {@link together} has remembered; its failures were reported by then. */
export async function settleLeftovers({ leftovers }: CopyContext): Promise<void> {
  for (let rest = leftovers.pop(); rest !== undefined; rest = leftovers.pop()) await rest
}
