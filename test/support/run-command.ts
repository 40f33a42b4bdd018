import type { RunContext } from '../../src/cli/command.ts'
import { parseCommandLine } from '../../src/cli/parse.ts'

/** What a command line came to: its lines of results, and those about the run. */
export interface Outcome {
  readonly code: number
  readonly printed: readonly string[]
  readonly said: readonly string[]
}

/** Runs a command line in this process; `said` also keeps what was said before a failure. */
export async function runCommand(
  words: readonly string[],
  { said = [], output = 'text' }: { readonly said?: string[]; readonly output?: RunContext['output'] } = {},
): Promise<Outcome> {
  const parsed = await parseCommandLine(words)
  if (parsed.type !== 'command') throw new Error('no command')
  const printed: string[] = []
  const code = await parsed.command.run(parsed.args, {
    signal: new AbortController().signal,
    output,
    onProgress: () => undefined,
    print: line => printed.push(line),
    say: line => said.push(line),
    complain: line => said.push(line),
  })
  return { code, printed, said }
}
