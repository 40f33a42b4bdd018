import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { pollUntil } from './poll.ts'
import { toolPath, toolSearchPath } from './tools.ts'

/** A program that runs until it is stopped. */
export interface ServerProcess {
  /** Ends the program and removes its folder. Safe to call twice. */
  readonly stop: () => Promise<void>
}

/** How {@link startServerProcess} starts a program. */
export interface ServerProcessOptions {
  /** The program's own folder, removed when it has ended. What it prints goes to `access.log` (stdout) and `errors.log`. */
  readonly folder: string
  /** Whether the program is ready; asked again and again until it is. */
  readonly ready: () => Promise<boolean>
}

/** The files that a program's output goes to. */
export function outputFiles(folder: string): { readonly stdout: string; readonly stderr: string } {
  return { stdout: `${folder}/access.log`, stderr: `${folder}/errors.log` }
}

/**
 * Starts a program and waits until it is ready, for at most 30 seconds. It ends, and its folder goes, by `stop` or when
 * this process ends, however that happens (Ctrl-C and kill -9 included): a pipe from here to a small guard beside the
 * program closes then. Throws an Error with the last lines printed where the program ends early or is too slow.
 */
export async function startServerProcess(
  command: readonly [string, ...string[]],
  { folder, ready }: ServerProcessOptions,
): Promise<ServerProcess> {
  const child = spawnGuarded(command, folder)
  const ended = once(child, 'close').catch(() => undefined)
  const stop = async (): Promise<void> => {
    child.stdin?.end()
    const impatience = setTimeout(() => killGroup(child), 30_000)
    await ended
    clearTimeout(impatience)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await pollUntil(async () => isOver(child) || (await ready()), { timeout: 30_000 })
    if (isOver(child)) throw new Error('it ended by itself')
  } catch (cause) {
    const message = `${command[0]} did not start: ${await lastLines(outputFiles(folder).stderr)}`
    await stop()
    throw new Error(message, { cause })
  }
  return { stop }
}

/**
 * Runs a program (arguments 2 and later) until standard input ends; then ends it by SIGTERM and removes its folder (argument 1).
 * The program has the same standard input, for those that watch it themselves.
 */
const guard = `folder=$1
shift
exec 3<&0 </dev/null
cat <&3 >/dev/null &
watcher=$!
"$@" <&3 &
program=$!
wait -n
kill -0 "$watcher" 2>/dev/null && { kill "$watcher"; exit 1; }
kill "$program" 2>/dev/null
wait "$program"
rm -rf -- "$folder"
`

/** In a session of its own: Ctrl-C is for the test run alone. */
function spawnGuarded(command: readonly string[], folder: string): ChildProcess {
  const { stdout, stderr } = outputFiles(folder)
  const files = [openSync(stdout, 'a'), openSync(stderr, 'a')] as const
  try {
    return spawn(toolPath('bash'), ['-c', guard, 'guard', folder, ...command], {
      stdio: ['pipe', ...files],
      detached: true,
      env: { ...process.env, PATH: toolSearchPath() },
    })
  } finally {
    files.forEach(closeSync)
  }
}

function isOver(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL')
}

async function lastLines(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.slice(-3).join(' | ')
}
