import { onTestFinished } from 'vitest'
import { type BunnyOptions, openBunnyStore } from '../../../src/deploy/bunny/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import type { ProgressEvent } from '../../../src/progress.ts'
import { type BunnyServer, type BunnyServerOptions, startBunnyServer } from '../../support/bunny-server.ts'

/** The strict server, and a store over it that lives as long as the test; `paused` gathers the pauses between tries, which are left out. */
export async function startStore(
  server: BunnyServerOptions = {},
  options: Partial<BunnyOptions> = {},
): Promise<{
  readonly store: ObjectStore
  readonly server: BunnyServer
  readonly paused: number[]
  readonly events: ProgressEvent[]
}> {
  const started = await startBunnyServer(server)
  const paused: number[] = []
  const events: ProgressEvent[] = []
  const store = openBunnyStore({
    zone: 'zone',
    endpoint: started.url,
    password: 'password',
    env: {},
    sleep: async ms => void paused.push(ms),
    onProgress: event => events.push(event),
    ...options,
  })
  onTestFinished(async () => {
    await store.close()
    await started.close()
  })
  return { store, server: started, paused, events }
}
