import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { type RunOptions, type RunResult, run } from './run.ts'

/** The built command line; `npm test` builds it. */
export const MAIN: string = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

/** Runs registrish to its end; a failure is a result. Progress is told in lines, as in CI. */
export async function registrish(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(process.execPath, [MAIN, ...args], { reject: false, ...options, env: { CI: 'true', ...options.env } })
}

/** Runs registrish and throws with all it printed where it fails. */
export async function done(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await registrish(args, options)
  if (result.exitCode === 0) return result
  throw new Error(`registrish ${args.join(' ')}: ${result.exitCode}\n${result.stdout}\n${result.stderr}`)
}

/** A server that runs until it is closed. */
export interface Hosted {
  /** `localhost:PORT`, as engines are told. */
  readonly host: string
  readonly url: string
  /** Does what the command that `emit` printed would do to a server that was started by it. */
  readonly reload?: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Starts `registrish serve` of a tree on a free port. */
export async function startServe(root: string): Promise<Hosted> {
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--root', root, '--listen', '127.0.0.1:0', '--output', 'json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close')])) as [unknown]
  if (!(line instanceof Buffer)) throw new Error('registrish serve ended at once')
  const { url } = JSON.parse(line.toString()) as { readonly url: string }
  const close = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'close')
  }
  return { url, host: `localhost:${new URL(url).port}`, close }
}

/** Runs registrish in the background, to be killed; it is killed at the test's end at the latest. */
export function startRegistrish(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: 'true', ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
