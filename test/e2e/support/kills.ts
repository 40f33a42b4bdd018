import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { MAIN } from './registrish.ts'

/** Numbers between 0 and 1 that look random and are the same for the same seed. */
export interface Random {
  readonly seed: number
  next(): number
}

/** Makes random numbers of a new seed, which is printed, or of the one that `REGISTRISH_SEED` names, to see the same again. */
export function createRandom(what: string): Random {
  const given = process.env['REGISTRISH_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given)
  process.stderr.write(`${what}: REGISTRISH_SEED=${seed}\n`)
  let state = seed
  return {
    seed,
    next() {
      // mulberry32
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
    },
  }
}

/** Numbers between 0 and 1, one out of each of `count` equal parts, in any order. */
export function spread(count: number, random: Random): readonly number[] {
  const all = Array.from({ length: count }, (_, part) => (part + random.next()) / count)
  return all
    .map(value => ({ value, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value)
}

/** How a command ended. */
export interface Ending {
  /** Whether it was killed before it ended by itself. */
  readonly killed: boolean
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** How long it worked. */
  readonly milliseconds: number
}

/** Runs registrish and kills it, as `kill -9` does, so many milliseconds after it began its `work` (default: was started), unless it has ended by then. */
export async function runAndKill(
  args: readonly string[],
  after: number,
  work: () => boolean = () => true,
): Promise<Ending> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: 'true' },
  })
  const ended = once(child, 'close')
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  while (!work() && child.exitCode === null) await delay(1)
  const began = performance.now()
  const timer = setTimeout(() => child.kill('SIGKILL'), after)
  await ended
  clearTimeout(timer)
  const milliseconds = performance.now() - began
  const [stdout, stderr] = await output
  return { killed: child.signalCode === 'SIGKILL', exitCode: child.exitCode, stdout, stderr, milliseconds }
}

/** Whether anyone holds or wants a lock of a tree. */
export function isLocked(root: string): boolean {
  try {
    return readdirSync(join(root, '.registrish/locks')).length > 0
  } catch {
    return false
  }
}
