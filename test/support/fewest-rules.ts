/*
 * The fewest rules there can be, by trying everything: of an ordered list in which the last rule that matches holds, the last rule fixes all it matches, so these must have one value;
 * the one before it fixes what is left of what it matches; and so on. So the states are the sets of entries that are fixed, and the shortest way from none to all is the answer.
 */

/** How many rules give all entries their values, with patterns that match the entries given (as positions). `values` has one value for each entry; at most 16. */
export function fewestRules(values: readonly string[], patterns: Iterable<readonly number[]>): number {
  const masks = [...new Set([...patterns].map(positions => positions.reduce((mask, bit) => mask | (1 << bit), 0)))]
  const all = (1 << values.length) - 1
  const known = new Set([0])
  let frontier = [0]
  for (let rules = 0; frontier.length > 0; rules += 1) {
    if (known.has(all)) return rules
    const next: number[] = []
    for (const fixed of frontier) {
      for (const mask of masks) {
        const after = fixed | mask
        if (known.has(after) || !isAlike(values, mask & ~fixed)) continue
        known.add(after)
        next.push(after)
      }
    }
    frontier = next
  }
  return Number.POSITIVE_INFINITY
}

function isAlike(values: readonly string[], mask: number): boolean {
  return new Set(values.filter((_, bit) => (mask & (1 << bit)) !== 0)).size < 2
}
