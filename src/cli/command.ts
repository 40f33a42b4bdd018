import type { OnProgress } from '../progress.ts'

/** Values of a parsed command line: flags by name, positionals by name. */
export type Arguments = Readonly<Record<string, unknown>>

/** What a command runs with. */
export interface RunContext {
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal
  readonly output: OutputFormat
  readonly onProgress: OnProgress
  /** Prints a line of the result (stdout). */
  print(line: string): void
  /** Prints a line about the run (stderr), above any progress bar; not with --quiet. */
  say(line: string): void
  /** Prints an error that does not end the run (stderr), also with --quiet. */
  complain(line: string): void
}

export type OutputFormat = 'text' | 'json' | 'ndjson'

/** One flag. `repeated` flags may be given several times, each with one value or a comma list. */
export interface Flag {
  readonly name: string
  readonly alias?: string
  readonly type: 'string' | 'boolean' | 'number'
  readonly describe: string
  /** Stands for the value in help: `--root DIR`. */
  readonly value?: string
  readonly choices?: readonly string[]
  readonly default?: string | number
  readonly repeated?: boolean
  /** The value may be left out, and is then empty. */
  readonly optional?: true
}

interface Positional {
  readonly name: string
  readonly describe: string
  readonly required: boolean
  readonly variadic: boolean
}

interface Example {
  readonly line: string
  readonly text: string
}

/** One command, as data: help, documentation and completion are made of it. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** Paragraphs of the reference. */
  readonly details: readonly string[]
  readonly positionals: readonly Positional[]
  readonly flags: readonly Flag[]
  readonly examples: readonly Example[]
  /** Does it; returns the exit code. Loads what it needs itself: start-up time matters. */
  run(args: Arguments, context: RunContext): Promise<number>
}

/** Flags that every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  {
    name: 'output',
    alias: 'o',
    type: 'string',
    value: 'FORMAT',
    choices: ['text', 'json', 'ndjson'],
    default: 'text',
    describe: 'how results are printed',
  },
  { name: 'quiet', alias: 'q', type: 'boolean', describe: 'print results and errors only' },
]

/** The flag of every command that touches a tree. */
export const ROOT_FLAG: Flag = {
  name: 'root',
  type: 'string',
  value: 'DIR',
  default: '.',
  describe: 'folder that holds v2/',
}

/** The usage line of a command: `fetch <image> [tag..]`. */
export function usageOf({ name, positionals }: Pick<Command, 'name' | 'positionals'>): string {
  const words = positionals.map(({ name: word, required, variadic }) => {
    const inner = `${word}${variadic ? '..' : ''}`
    return required ? `<${inner}>` : `[${inner}]`
  })
  return [name, ...words].join(' ')
}
