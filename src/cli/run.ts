import { isRegistrishError, messageOf } from '../errors.ts'
import type { OutputFormat, RunContext } from './command.ts'
import { EXIT, exitCodeOf } from './exit-code.ts'
import { formatError, printable } from './format.ts'
import { type PlainLine, parsePlainLine } from './parse-plain.ts'
import { createProgressView } from './progress-view.ts'
import { readVersion } from './version.ts'

/** Runs the command line; returns the exit code. Results go to stdout, all else to stderr. */
export async function runCli(words: readonly string[]): Promise<number> {
  process.stdout.on('error', endOnBrokenPipe)
  if (words.length === 1 && (words[0] === '--version' || words[0] === '-v')) {
    process.stdout.write(`${readVersion()}\n`)
    return EXIT.done
  }
  try {
    const plain = await parsePlainLine(words)
    if (plain !== undefined) return await runCommand(plain)
    const { parseCommandLine } = await import('./parse.ts')
    const parsed = await parseCommandLine(words)
    if (parsed.type === 'command') return await runCommand(parsed)
    process.stdout.write(parsed.text)
    return EXIT.done
  } catch (error) {
    return reportError(error)
  }
}

async function runCommand({ command, args }: PlainLine): Promise<number> {
  const interrupt = listenForSignals()
  const quiet = args['quiet'] === true
  const view = createProgressView(process.stderr, { quiet })
  const context: RunContext = {
    signal: interrupt.signal,
    output: args['output'] as OutputFormat,
    onProgress: view.onProgress,
    print: line => view.write(() => process.stdout.write(`${printable(line)}\n`)),
    say: line => {
      if (!quiet) view.write(() => process.stderr.write(`${printable(line)}\n`))
    },
    complain: line => view.write(() => process.stderr.write(`${printable(line)}\n`)),
  }
  try {
    return await command.run(args, context)
  } catch (error) {
    view.end()
    if (interrupt.signal.aborted && (!isRegistrishError(error) || error.code === 'aborted')) {
      process.stderr.write('registrish: interrupted\n')
      return EXIT.interrupted
    }
    throw error
  } finally {
    view.end()
    interrupt.stop()
  }
}

function reportError(error: unknown): number {
  if (isRegistrishError(error)) {
    process.stderr.write(`registrish: ${formatError(error)}\n`)
    return exitCodeOf(error.code)
  }
  const details = error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
  process.stderr.write(`registrish: this is a defect of registrish, please report it\n${printable(details)}\n`)
  return EXIT.failed
}

/** The first signal aborts what runs, so that it ends tidily; the second one ends the process. */
function listenForSignals(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of SIGNALS) process.off(name, onSignal)
    },
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** `registrish list | head` is not an error. */
function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.done)
  throw error
}
