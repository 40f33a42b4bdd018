import { openBunnyStore } from '../../src/deploy/bunny/store.ts'
import { withComparing } from '../../src/deploy/conditions.ts'
import { type BunnyServerOptions, startBunnyServer } from '../support/bunny-server.ts'
import { describeObjectStore } from './object-store.ts'
import type { OpenedStore } from './object-store-support.ts'

/** A zone of the strict server, which keeps no conditions: as the engine does there, each write compares first. Pauses between tries are left out. */
const openBunny =
  (options: BunnyServerOptions = {}) =>
  async (): Promise<OpenedStore> => {
    const server = await startBunnyServer(options)
    const place = { zone: 'zone', endpoint: server.url, password: 'password' }
    const store = openBunnyStore({ ...place, env: {}, sleep: async () => undefined })
    return { store: withComparing(store), close: () => server.close() }
  }

const traits = { racy: true, noCacheControl: true, noKeyBelowKey: true, large: 2_000_000 }
describeObjectStore('Bunny Storage, each write comparing first', openBunny(), traits)
const odd = openBunny({ missingFolder404: true })
describeObjectStore('Bunny Storage that knows no absent folders, each write comparing first', odd, traits)
