import type { TestProject } from 'vitest/node'
import { type Engine, type EngineAddress, startEngine } from './engine.ts'
import { cacheFolder, imageNeeds, prepareImages } from './images.ts'
import { e2eMode, type Provided, type ProvidedEnvironment, type RegistriesAddress } from './provided.ts'
import { NotHereError, requireAll } from './tools.ts'
import { startUpstream, type UpstreamAddress, type UpstreamOptions } from './upstream.ts'

/**
 * vitest's global set-up of the project `e2e`: starts one engine and the registries, fills them (from the cache when it
 * is warm), hands their addresses to the test files and stops all after the last one. When vitest ends
 * otherwise (it does not run teardowns on Ctrl-C), all end by themselves: see `server-process.ts`.
 * What cannot start is handed over as the reason, which skips the suites that need it, or fails them with
 * `REGISTRISH_E2E=required`; the tests of other projects run all the same.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stops: Stops = []
  const teardown = async (): Promise<void> => {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop()
  }
  try {
    project.provide('e2e', await startAll(stops))
  } catch (error) {
    await teardown()
    throw error
  }
  return teardown
}

/** What to do at the end, last first. */
type Stops = (() => Promise<void>)[]

async function startAll(stops: Stops): Promise<ProvidedEnvironment> {
  if (e2eMode() === 'off') {
    const off = { reason: 'REGISTRISH_E2E=off', detail: '' }
    return { engine: off, registries: off }
  }
  const engine = await attempt('the engine', () => startSharedEngine(stops))
  const registries = await attempt('the registries', () => startRegistries(stops, engine))
  return { engine: 'reason' in engine ? engine : { value: plainAddress(engine.value) }, registries }
}

async function attempt<T>(what: string, start: () => Promise<T>): Promise<Provided<T>> {
  try {
    return { value: await start() }
  } catch (error) {
    if (error instanceof NotHereError) return { reason: error.message, detail: '' }
    return { reason: `${what} did not start`, detail: error instanceof Error ? error.message : String(error) }
  }
}

async function startSharedEngine(stops: Stops): Promise<Engine> {
  const engine = await startEngine()
  stops.push(engine.stop)
  return engine
}

async function startRegistries(stops: Stops, engine: Provided<Engine>): Promise<RegistriesAddress> {
  const { dataFolder, images } = await prepareImages(cacheFolder(), async () => {
    requireAll(imageNeeds)
    if ('reason' in engine) throw new NotHereError(engine.reason)
    return engine.value
  })
  const start = async (auth: NonNullable<UpstreamOptions['auth']>): Promise<UpstreamAddress> => {
    const { stop, host, url, logFile, caFile } = await startUpstream({ auth, data: dataFolder })
    stops.push(stop)
    return { host, url, logFile, dataFolder, caFile }
  }
  const [plain, basic, token] = await Promise.all([start('none'), start('basic'), start('token')])
  return { plain, basic, token, dataFolder, images }
}

/** Functions do not travel to the test files' processes. */
function plainAddress({ host, containerd, dockerConfig }: Engine): EngineAddress {
  return { host, containerd, dockerConfig }
}
