import type { RunContext } from './command.ts'

/** Prints a result as JSON: for people on several lines, as ndjson on one. */
export function printDocument(document: object, { output, print }: Pick<RunContext, 'output' | 'print'>): void {
  print(JSON.stringify(document, undefined, output === 'json' ? 2 : undefined))
}
