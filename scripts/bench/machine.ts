import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type as systemType, totalmem } from 'node:os'

/** What the figures were taken on. */
export interface Machine {
  readonly system: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  /** Processes that wanted to run, on average over the last minute, before the first bench. */
  readonly load: number
}

/** Looks at this machine. */
export function describeMachine(): Machine {
  return {
    system: `${distribution() ?? systemType()}, kernel ${release()}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}

/** The machine in a line or two. */
export function formatMachine({ system, processor, cores, memoryGiB, node, load }: Machine): string {
  const line = `${system}; ${cores} cores of ${processor}, ${memoryGiB} GiB; Node.js ${node}; load ${load}`
  return load > cores / 4 ? `${line}\nThe machine is busy with other things: take figures again when it is not.` : line
}

/** Two cores to bind a server and its client to, so that neither takes the other's; the same where there is one only. */
export function twoCores(): readonly [server: string, client: string] {
  const cores = allowedCores()
  const first = cores[0] ?? '0'
  return [first, cores[1] ?? first]
}

/** The cores that this process may use, from a list such as `0-3,8`. */
function allowedCores(): readonly string[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return list.split(',').flatMap(part => {
    const [from = 0, to = from] = part.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, index) => String(from + index))
  })
}

function distribution(): string | undefined {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
