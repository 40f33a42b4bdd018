import { openGcsStore } from '../../src/deploy/gcs/store.ts'
import { type GcsServerOptions, startGcsServer } from '../support/gcs-server.ts'
import { openUploads } from '../support/gcs-server-uploads.ts'
import { describeObjectStore } from './object-store.ts'
import type { OpenedStore } from './object-store-support.ts'

/** A bucket of the strict server. Pauses between tries are left out. */
const openGcs =
  (options: GcsServerOptions = {}) =>
  async (): Promise<OpenedStore> => {
    const server = await startGcsServer(options)
    const store = openGcsStore({
      bucket: 'bucket',
      endpoint: server.url,
      anonymous: true,
      env: {},
      sleep: async () => undefined,
      largestPut: 1_000_000,
      chunk: 512 * 1024,
    })
    return { store, uploads: async () => openUploads(server.bucket), close: () => server.close() }
  }

describeObjectStore('Cloud Storage', openGcs(), { large: 2_000_000 })
describeObjectStore(
  'Cloud Storage with pages of three, copies in steps and composed objects',
  openGcs({ pageSize: 3, rewriteStep: 700_000, noMd5: true }),
  { large: 2 * 1024 * 1024 },
)
