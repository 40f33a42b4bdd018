import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { MAIN } from './registrish.ts'

/** `registrish serve` as a process of its own, and what the kernel says of it. */
export interface AttackedServer {
  readonly port: number
  readonly url: string
  /** Megabytes of memory it holds now. */
  memory(): number
  /** Seconds of processor time it has used. */
  cpu(): number
  /** Whether it still runs. */
  isUp(): boolean
  /** What it said on stderr. */
  said(): string
  /** Closes the reading end of its stderr, as a log reader does that dies. */
  stopListening(): void
}

/** Starts it over a tree with at most `files` descriptors (default: what this process may have); it is killed when the test ends. */
export async function startAttacked(
  root: string,
  { files }: { readonly files?: number } = {},
): Promise<AttackedServer> {
  const limit = files === undefined ? 'ulimit -n "$(ulimit -Hn)"' : `ulimit -n ${files}`
  const args = [process.execPath, MAIN, 'serve', '--root', root, '--listen', '127.0.0.1:0', '--output', 'json']
  const child = spawn('bash', ['-c', `${limit}; exec "$@"`, 'bash', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: Buffer[] = []
  child.stderr.on('data', chunk => said.push(chunk))
  const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close')])) as [unknown]
  if (!(line instanceof Buffer)) throw new Error(`registrish serve ended at once: ${Buffer.concat(said)}`)
  const { url } = JSON.parse(line.toString()) as { readonly url: string }
  const proc = (name: string): string => readFileSync(`/proc/${child.pid}/${name}`, 'utf8')
  return {
    url,
    port: Number(new URL(url).port),
    memory: () => Number(/^VmRSS:\s+(\d+)/m.exec(proc('status'))?.[1]) / 1024,
    cpu: () => {
      const [user, system] = proc('stat').split(') ').at(-1)?.split(' ').slice(11, 13) ?? []
      return (Number(user) + Number(system)) / TICKS
    },
    isUp: () => child.exitCode === null && child.signalCode === null,
    said: () => Buffer.concat(said).toString(),
    stopListening: () => void child.stderr.destroy(),
  }
}

/** Ticks of a second in /proc, the same on every Linux that Node runs on. */
const TICKS = 100
