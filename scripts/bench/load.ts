import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMeasured } from './programs.ts'

/** How a server is asked. */
interface LoadOptions {
  /** Of {@link writeScript}. */
  readonly script: string
  /** The core that asks. */
  readonly core: string
  /** Default 32. */
  readonly connections?: number
  /** Whole seconds that it lasts; default 1, the least that wrk knows. */
  readonly seconds?: number
}

/** What a server did under load. */
interface Load {
  readonly answered: number
  readonly perSecond: number
  /** Of answers, those too that were not at their end yet: 1,000,000 bytes each. */
  readonly megabytesPerSecond: number
}

/**
 * Asks a server for paths of a list, at random and as fast as it answers, over some connections from one core.
 * The random order is the same each time. @throws Error where any answer is not a success.
 */
export async function loadServer(
  url: string,
  { script, core, connections = 32, seconds = 1 }: LoadOptions,
): Promise<Load> {
  const load = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', '-s', script, url]
  const { stdout } = await runMeasured(['taskset', '-c', core, ...load])
  const found = RESULT.exec(stdout)?.groups
  if (found === undefined) throw new Error(`wrk said ${stdout}`)
  if (found['errors'] !== '0') throw new Error(`${found['errors']} requests to ${url} went wrong`)
  const answered = Number(found['requests'])
  const microseconds = Number(found['microseconds'])
  return {
    answered,
    perSecond: (answered / microseconds) * 1_000_000,
    megabytesPerSecond: Number(found['bytes']) / microseconds,
  }
}

const RESULT = /^bench (?<requests>\d+) (?<bytes>\d+) (?<microseconds>\d+) (?<errors>\d+)$/m

/** Writes a program for wrk that asks for some paths, with an Accept header or without; returns where it is. */
export function writeScript(folder: string, name: string, paths: readonly string[], accept?: string): string {
  const list = join(folder, `${name}.txt`)
  const script = join(folder, `${name}.lua`)
  writeFileSync(list, paths.map(path => `${path}\n`).join(''))
  writeFileSync(script, formatScript(list, accept))
  return script
}

/** Requests are put together before the clock runs: the client must not be what limits. */
function formatScript(list: string, accept: string | undefined): string {
  return `local requests = {}
${accept === undefined ? '' : `wrk.headers["Accept"] = ${JSON.stringify(accept)}`}
function init()
  math.randomseed(1)
  for path in io.lines(${JSON.stringify(list)}) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end
function request()
  return requests[math.random(#requests)]
end
function done(summary)
  local wrong = summary.errors
  local errors = wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout
  io.write(string.format("bench %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration, errors))
end
`
}
