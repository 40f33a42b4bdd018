import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readCpu, startProgram } from './programs.ts'
import type { Place, Server } from './servers.ts'

/** What a server takes. Figures are NaN where /proc does not say. */
interface ServerUse {
  /** MiB; what its processes share is counted once. */
  readonly memory: number
  /** Seconds of processor time. */
  readonly cpu: number
}

/** A server that runs. */
export interface RunningServer {
  readonly url: string
  /** Seconds from the start of its process to the end of its first answer. */
  readonly start: number
  /** What all its processes together hold and have used until now. */
  use(): ServerUse
  stop(): Promise<void>
}

/** Starts a server, on one core where one is named, and asks it for `path` until it answers. @throws Error where it ends, or answers anything but 200. */
export async function startServer<P extends Place>(
  server: Server<P>,
  place: P,
  { path, core }: { readonly path: string; readonly core?: string },
): Promise<RunningServer> {
  mkdirSync(place.folder, { recursive: true })
  const config = join(place.folder, 'config')
  if (server.format !== undefined) writeFileSync(config, server.format(place))
  const log = join(place.folder, 'output.log')
  const output = openSync(log, 'w')
  const pinned = core === undefined ? [] : ['taskset', '-c', core]
  const started = performance.now()
  const child = startProgram([...pinned, ...server.command(config, place)], output)
  closeSync(output)
  try {
    const status = await firstAnswer(child, place.port, path)
    const start = (performance.now() - started) / 1000
    if (status !== 200) throw new Error(`${server.program} answered ${path} with ${status}`)
    return {
      url: `http://127.0.0.1:${place.port}`,
      start,
      use: () => useOf(child.pid ?? 0),
      stop: () => stop(child),
    }
  } catch (error) {
    await stop(child)
    throw new Error(`${String(error)}: ${lastLines(log)} ${lastLines(join(place.folder, 'error.log'))}`, {
      cause: error,
    })
  }
}

/** A port that is free now. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address === 'object' && address !== null) return address.port
  throw new Error('no port')
}

async function firstAnswer(child: ChildProcess, port: number, path: string): Promise<number> {
  const impatient = performance.now() + 20_000
  while (performance.now() < impatient) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('the server ended by itself')
    const status = await ask(port, path)
    if (status !== undefined) return status
    await sleep(2)
  }
  throw new Error('the server did not answer within 20 seconds')
}

/** The status of an answer; undefined where nobody listens yet. */
function ask(port: number, path: string): Promise<number | undefined> {
  return new Promise(resolve => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`))
    socket.on('data', chunk => (text += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
      resolve(status === undefined ? undefined : Number(status))
    })
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await closed
  clearTimeout(timer)
}

/** The use of a process and all below it: its proportional set size, and its processor time. */
function useOf(pid: number): ServerUse {
  try {
    const pss = /^Pss:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
    const cpu = readCpu(pid)
    const below = readdirSync(`/proc/${pid}/task`)
      .flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
      .filter(child => child !== '')
      .map(child => useOf(Number(child)))
    return {
      memory: below.reduce((sum, { memory }) => sum + memory, Number(pss ?? Number.NaN) / 1024),
      cpu: below.reduce((sum, { cpu: one }) => sum + one, cpu),
    }
  } catch {
    return { memory: Number.NaN, cpu: Number.NaN }
  }
}

function lastLines(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-3).join(' | ')
  } catch {
    return ''
  }
}
