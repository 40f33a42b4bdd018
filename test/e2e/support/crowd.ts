import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** Many connections to one port, held by a program of their own that may have more descriptors than the test. */
export interface Crowd {
  /** How many are open: fewer than asked for where the machine allows no more. */
  readonly size: number
  /** Writes the same on every connection, and waits until it is with the kernel. */
  write(text: string): Promise<void>
  /** Connections the server has not ended. */
  left(): Promise<number>
  /** Ends the program, and all its connections with it, by a reset or by nothing at all. */
  leave(): void
}

/** Opens `wanted` connections; they do not read unless `reads`. */
export async function gatherCrowd(
  port: number,
  wanted: number,
  { reads = true }: { readonly reads?: boolean } = {},
): Promise<Crowd> {
  const args = [process.execPath, '--input-type=module', '-e', PROGRAM, String(port), String(wanted), String(reads)]
  const child = spawn('bash', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'bash', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const leave = (): void => void child.kill('SIGKILL')
  onTestFinished(leave)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<number> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the crowd has left by itself')
    return Number(value)
  }
  const ask = (question: unknown): Promise<number> => {
    child.stdin.write(`${JSON.stringify(question)}\n`)
    return next()
  }
  return {
    size: await next(),
    write: async text => void (await ask({ text })),
    left: () => ask({}),
    leave,
  }
}

const PROGRAM = `
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
const [port, wanted, reads] = process.argv.slice(1)
const crowd = []
const open = () => new Promise(resolve => {
  const socket = connect(Number(port), '127.0.0.1')
  socket.once('connect', () => resolve(socket))
  socket.on('error', () => resolve(undefined))
  socket.on('close', () => resolve(undefined))
  if (reads === 'true') socket.resume()
  else socket.pause()
})
while (crowd.length < Number(wanted)) {
  const some = await Promise.all(Array.from({ length: Math.min(100, wanted - crowd.length) }, open))
  crowd.push(...some.filter(socket => socket !== undefined))
  if (some.includes(undefined)) break
}
console.log(crowd.length)
for await (const line of createInterface({ input: process.stdin })) {
  const { text } = JSON.parse(line)
  const alive = crowd.filter(socket => !socket.destroyed && socket.writable)
  if (text !== undefined) for (const socket of alive) socket.write(text)
  await new Promise(resolve => setTimeout(resolve, 50))
  console.log(alive.length)
}
`
