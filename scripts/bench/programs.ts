import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { findProgram } from '../shared/find-program.ts'

/** What a program took. Where /proc does not say, figures are NaN. */
export interface Cost {
  readonly seconds: number
  /** Seconds of processor time: what else the machine does hardly changes it. */
  readonly cpu: number
  /** Most memory that it held at one time, MiB. */
  readonly memory: number
  /** What it read from files and pipes, MiB. */
  readonly read: number
  readonly stdout: string
}

const children = new Set<ChildProcess>()

/** Asks every program that was started here to end. */
export function endAll(): void {
  for (const child of children) child.kill('SIGTERM')
}

/** Which of some programs are not here, as a sentence; undefined where all are. */
export function missingPrograms(names: readonly string[]): string | undefined {
  const absent = names.filter(name => findProgram(name) === undefined)
  if (absent.length === 0) return undefined
  return `${absent.join(', ')} ${absent.length === 1 ? 'is' : 'are'} not here; scripts/e2e-setup.sh installs what is missing`
}

/** Starts a program; its output goes to a file descriptor, or to pipes. */
export function startProgram(command: readonly string[], output?: number): ChildProcess {
  const [name = '', ...args] = command
  const stdio = output ?? 'pipe'
  const child = spawn(findProgram(name) ?? name, args, { stdio: ['ignore', stdio, stdio] })
  children.add(child)
  child.once('close', () => children.delete(child))
  return child
}

/** Runs a program from start to end and measures it. @throws Error where it does not end with 0. */
export async function runMeasured(command: readonly string[]): Promise<Cost> {
  const started = performance.now()
  const child = startProgram(command)
  const text = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
  let use: Use = { cpu: Number.NaN, memory: Number.NaN, read: Number.NaN }
  const timer = setInterval(() => (use = readUse(child.pid) ?? use), 20)
  const closed = once(child, 'close') as Promise<[number | null]>
  try {
    await once(child, 'exit')
    const seconds = (performance.now() - started) / 1000
    const [code] = await closed
    if (code === 0) return { seconds, ...use, stdout: text.stdout }
    throw new Error(`${command.join(' ')} ended with ${code}: ${text.stderr.trim().slice(-500)}`)
  } finally {
    clearInterval(timer)
  }
}

type Use = Pick<Cost, 'cpu' | 'memory' | 'read'>

/** These figures only ever grow, so that the last look before the end says nearly all; undefined where there is none to be had (any more). */
function readUse(pid: number | undefined): Use | undefined {
  try {
    const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    const read = /^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
    if (peak === undefined) return undefined
    return { cpu: readCpu(pid ?? 0), memory: Number(peak) / 1024, read: Number(read) / 2 ** 20 }
  } catch {
    return undefined
  }
}

/** Seconds of processor time that a process has used, to a hundredth. @throws Error where /proc does not say. */
export function readCpu(pid: number): number {
  const fields = readStat(pid)
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Seconds of processor time of all programs started here that have ended, and of theirs: right even for those too short to be looked at. NaN where /proc does not say. */
export function readCpuOfEnded(): number {
  try {
    const fields = readStat('self')
    return (Number(fields[13]) + Number(fields[14])) / 100
  } catch {
    return Number.NaN
  }
}

/** The fields of /proc/PID/stat that come after the name, which may hold anything. */
function readStat(pid: number | 'self'): readonly string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
}
