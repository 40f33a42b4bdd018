/** The candidates most like a name that is not among them, nearest first: for the hint of an error. */
export function nearNames(name: string, candidates: Iterable<string>, most = 3): readonly string[] {
  const near: { readonly candidate: string; readonly distance: number }[] = []
  for (const candidate of candidates) {
    const partOf = candidate.includes(name) || name.endsWith(`/${candidate}`)
    const distance = partOf ? 1 : editDistance(name, candidate)
    if (distance <= Math.max(2, name.length / 4)) near.push({ candidate, distance })
  }
  near.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return near.slice(0, most).map(({ candidate }) => candidate)
}

/** How many characters have to be inserted, deleted or replaced (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
