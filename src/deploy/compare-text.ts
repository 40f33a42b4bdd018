/** Orders text by code unit, as listings of ASCII keys are. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
