import { onTestFinished } from 'vitest'
import { type GcsOptions, openGcsStore } from '../../../src/deploy/gcs/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import type { ProgressEvent } from '../../../src/progress.ts'
import { type GcsServer, type GcsServerOptions, startGcsServer } from '../../support/gcs-server.ts'

/** The strict server, and a store over it that lives as long as the test; `paused` gathers the pauses between tries, which are left out. */
export async function startStore(
  server: GcsServerOptions = {},
  options: Partial<GcsOptions> = {},
): Promise<{
  readonly store: ObjectStore
  readonly server: GcsServer
  readonly paused: number[]
  readonly events: ProgressEvent[]
}> {
  const started = await startGcsServer(server)
  const paused: number[] = []
  const events: ProgressEvent[] = []
  const store = openGcsStore({
    bucket: 'bucket',
    endpoint: started.url,
    anonymous: true,
    env: {},
    sleep: async ms => void paused.push(ms),
    onProgress: event => events.push(event),
    largestPut: 1_000_000,
    chunk: CHUNK,
    ...options,
  })
  onTestFinished(async () => {
    await store.close()
    await started.close()
  })
  return { store, server: started, paused, events }
}

/** Bytes of a chunk in these tests. */
export const CHUNK: number = 512 * 1024
