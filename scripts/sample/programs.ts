import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { systemCode } from '../../src/errors.ts'

/** How a program ended. */
export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that goes on running. */
export interface Running {
  /** What a line of its output matched. */
  readonly found: RegExpExecArray
  /** Asks it to end (SIGTERM) and waits. @throws Error where it does not end with 0 within ten seconds. */
  stop(): Promise<void>
}

const children = new Set<ChildProcess>()

/** Ends every program that was started here, at once. */
export function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** Runs a program in sight of the user. @throws Error where it does not end with 0. */
export async function run(command: string, args: readonly string[], folder: string): Promise<void> {
  const child = start(command, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await codeOf(child)
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}`)
}

/** Runs a program out of sight, for at most `timeout` milliseconds; undefined where it cannot be started: it is not there, or not ours to run. */
export async function capture(command: string, args: readonly string[], timeout: number): Promise<Ended | undefined> {
  const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
  try {
    return { code: await codeOf(child), ...output }
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) return undefined
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Starts a server in sight of the user and waits until its output matches `ready`. */
export async function runUntil(
  ready: RegExp,
  command: string,
  args: readonly string[],
  folder: string,
): Promise<Running> {
  const child = start(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = codeOf(child)
  return { found: await matchOutput(child, ended, ready), stop: async () => stop(child, ended) }
}

async function matchOutput(
  child: ChildProcess,
  ended: Promise<number | null>,
  ready: RegExp,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const listen = (target: NodeJS.WriteStream) => (chunk: Buffer) => {
      target.write(chunk)
      seen += chunk.toString()
      const match = ready.exec(seen)
      if (match !== null) resolve(match)
    }
    child.stdout?.on('data', listen(process.stdout))
    child.stderr?.on('data', listen(process.stderr))
    ended.then(code => reject(new Error(`the server ended with ${code} before it was ready`)), reject)
  })
}

async function stop(child: ChildProcess, ended: Promise<number | null>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const code = await ended
  clearTimeout(timer)
  if (code !== 0) throw new Error(`the server did not stop cleanly: it ended with ${code ?? child.signalCode}`)
}

function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options)
  children.add(child)
  child.once('close', () => children.delete(child))
  return child
}

/** The exit code, once all output has arrived. */
async function codeOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, 'close')) as [number | null]
  return code
}
