/** What a figure should be. */
export interface Aim {
  readonly text: string
  readonly relation: '<=' | '>='
  readonly limit: number
  /** Whether the limit is one of the ratio to the other side. */
  readonly ofRatio: boolean
}

/**
 * Reads `<= 15 s` (the figure, in its own unit) or `>= 0.4 x` (the ratio).
 * @throws SyntaxError for anything else, so for a unit that is not the figure's.
 */
export function parseAim(text: string, unit: string): Aim {
  const match = /^(?<relation><=|>=) (?<limit>\d+(?:\.\d+)?) (?<unit>.+)$/.exec(text)?.groups
  const relation = match?.['relation']
  const known = match?.['unit'] === 'x' || match?.['unit'] === unit
  if ((relation !== '<=' && relation !== '>=') || !known)
    throw new SyntaxError(`not an aim: ${JSON.stringify(text)} (write "<= 15 ${unit}" or ">= 0.4 x")`)
  return { text, relation, limit: Number(match?.['limit']), ofRatio: match?.['unit'] === 'x' }
}

/** Whether a figure or a ratio, whichever the aim is about, is what it should be; undefined where it could not be measured. */
export function meetsAim({ relation, limit }: Aim, value: number): boolean | undefined {
  if (Number.isNaN(value)) return undefined
  return relation === '<=' ? value <= limit : value >= limit
}
