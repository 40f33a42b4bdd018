/**
 * For each text the beginnings that it shares with others, where those part: the shortest first. A text that others begin with is one of its own beginnings.
 * No text is given twice.
 */
export function sharedBeginnings(texts: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const sorted = [...new Set(texts)].sort()
  const shared = new Map<string, readonly string[]>()
  const part = (from: number, to: number, outer: readonly string[]): void => {
    const first = sorted[from] ?? ''
    if (to - from < 2) {
      if (to > from) shared.set(first, outer)
      return
    }
    const length = commonLength(first, sorted[to - 1] ?? '')
    const beginnings = [...outer, first.slice(0, length)]
    for (let start = from; start < to; ) {
      const next = sorted[start]?.charAt(length)
      let end = start + 1
      while (end < to && sorted[end]?.charAt(length) === next) end += 1
      part(start, end, beginnings)
      start = end
    }
  }
  part(0, sorted.length, [])
  return shared
}

/** The same with ends. */
export function sharedEnds(texts: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const beginnings = sharedBeginnings([...texts].map(reverse))
  return new Map([...beginnings].map(([text, shared]) => [reverse(text), shared.map(reverse)]))
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return length
}

/** Tags, names and digests are ASCII. */
function reverse(text: string): string {
  return [...text].reverse().join('')
}
