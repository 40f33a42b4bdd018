/** The middle of some figures, or the mean of the two in the middle. @throws RangeError where there are none. */
export function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b)
  const upper = ordered[Math.floor(ordered.length / 2)]
  const lower = ordered[Math.ceil(ordered.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new RangeError('the median of nothing')
  return (lower + upper) / 2
}

/** The ratio of each run to the run of the other side that came right after it: what slows a machine for a while slows both. */
export function pairRatios(ours: readonly number[], against: readonly number[]): readonly number[] {
  if (ours.length !== against.length) throw new RangeError('runs come in pairs')
  return ours.map((value, index) => value / (against[index] ?? Number.NaN))
}
