/** Does something for each item, `width` of them at a time. Where one fails no more are begun, and the first failure is thrown once those that run have ended. */
export async function forEach<T>(
  items: Iterable<T>,
  width: number,
  action: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const failures: unknown[] = []
  const work = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && failures.length === 0; next = rest.next()) {
      try {
        await action(next.value)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  if (failures.length > 0) throw failures[0]
}
