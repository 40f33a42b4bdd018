/** Runs what many ask for at the same time once for all of them. */
export type ShareRuns<T> = (key: string, run: () => Promise<T>) => Promise<T>

/** At most one run of a key at a time; whoever asks while one is under way gets the next, which begins after the question. */
export function shareRuns<T>(): ShareRuns<T> {
  const entries = new Map<string, Entry<T>>()
  const start = (key: string, run: () => Promise<T>): Promise<T> => {
    const current = run()
    const entry: Entry<T> = { current }
    entries.set(key, entry)
    const end = (): void => {
      if (entries.get(key) === entry && entry.next === undefined) entries.delete(key)
    }
    current.then(end, end)
    return current
  }
  return (key, run) => {
    const entry = entries.get(key)
    if (entry === undefined) return start(key, run)
    const again = (): Promise<T> => start(key, run)
    entry.next ??= entry.current.then(again, again)
    return entry.next
  }
}

interface Entry<T> {
  readonly current: Promise<T>
  next?: Promise<T>
}
