import { execa } from 'execa'

/** How {@link run} runs a program. */
export interface RunOptions {
  /** Working folder; default: the test run's. */
  readonly cwd?: string
  /** Variables added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** What the program reads from its standard input; default: nothing. */
  readonly input?: string
  /** false: a failure is a result to look at, not an error to throw. Default true. */
  readonly reject?: boolean
  /** Milliseconds until the program is killed and counts as failed; default 120,000. */
  readonly timeout?: number
}

/** What a program left behind: its output without the last line break, and how it ended. */
export interface RunResult {
  readonly stdout: string
  readonly stderr: string
  /** undefined where a signal or the timeout ended the program. */
  readonly exitCode: number | undefined
  readonly failed: boolean
}

/** Runs a program to its end. Throws execa's error (command, exit code, output) on failure unless `reject` is false. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input = '', timeout = 120_000, ...rest } = options
  const { stdout, stderr, exitCode, failed } = await execa(command, args, { input, timeout, ...rest })
  return { stdout, stderr, exitCode, failed }
}
