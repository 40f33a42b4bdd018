import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMeasured } from './programs.ts'

/** Seconds that one load lasts: the least that wrk knows. */
const SECONDS = 1

/** What a server did under load. */
interface Load {
  readonly answered: number
  readonly perSecond: number
}

/**
 * Asks a server for paths of a list, at random and as fast as it answers, over 32 connections from one core.
 * The random order is the same each time. @throws Error where any answer is not a success.
 */
export async function loadServer(
  url: string,
  { script, core }: { readonly script: string; readonly core: string },
): Promise<Load> {
  const load = ['wrk', '-t1', '-c32', `-d${SECONDS}s`, '-s', script, url]
  const { stdout } = await runMeasured(['taskset', '-c', core, ...load])
  const found = /^bench (?<requests>\d+) (?<microseconds>\d+) (?<errors>\d+)$/m.exec(stdout)?.groups
  if (found === undefined) throw new Error(`wrk said ${stdout}`)
  if (found['errors'] !== '0') throw new Error(`${found['errors']} requests to ${url} went wrong`)
  const answered = Number(found['requests'])
  return { answered, perSecond: (answered / Number(found['microseconds'])) * 1_000_000 }
}

/** Writes a program for wrk that asks for some paths; returns where it is. */
export function writeScript(folder: string, name: string, paths: readonly string[]): string {
  const list = join(folder, `${name}.txt`)
  const script = join(folder, `${name}.lua`)
  writeFileSync(list, paths.map(path => `${path}\n`).join(''))
  writeFileSync(script, formatScript(list))
  return script
}

/** Requests are put together before the clock runs: the client must not be what limits. */
function formatScript(list: string): string {
  return `local requests = {}
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
  io.write(string.format("bench %d %d %d\\n", summary.requests, summary.duration, errors))
end
`
}
