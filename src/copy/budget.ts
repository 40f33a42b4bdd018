/** Lets work begin only while all that is under way weighs no more than a budget; what comes first begins first. */
export interface Budget {
  /** Runs an action that weighs so much; one that is heavier than the whole budget runs alone. It must not ask the same budget again. */
  run<T>(weight: number, action: () => Promise<T>): Promise<T>
}

/** Makes a {@link Budget}. */
export function createBudget(most: number): Budget {
  const waiting: { readonly weight: number; readonly begin: () => void }[] = []
  let used = 0
  const beginNext = (): void => {
    for (let next = waiting[0]; next !== undefined && used + next.weight <= most; next = waiting[0]) {
      waiting.shift()
      used += next.weight
      next.begin()
    }
  }
  return {
    async run(wanted, action) {
      const weight = Math.min(wanted, most)
      await new Promise<void>(begin => {
        waiting.push({ weight, begin })
        beginNext()
      })
      try {
        return await action()
      } finally {
        used -= weight
        beginNext()
      }
    },
  }
}
