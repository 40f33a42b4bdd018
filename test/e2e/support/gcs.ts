import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openGcsStore } from '../../../src/deploy/gcs/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import { findFreePort } from './nginx.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** fake-gcs-server: the JSON API of Google Cloud Storage by others, in memory. */
export interface GcsEmulator {
  /** `http://127.0.0.1:PORT`, for `--gcs-endpoint`. */
  readonly endpoint: string
  /** Where clients pull from the bucket `localhost`: it takes the host of a request for the name of a bucket. */
  readonly host: string
  /** Makes a bucket and opens it; to be closed by whoever did. */
  readonly addBucket: (bucket: string) => Promise<ObjectStore>
  readonly stop: () => Promise<void>
}

/** Starts it on a free port; suites name `fake-gcs-server` among their needs. */
export async function startGcsEmulator(): Promise<GcsEmulator> {
  const folder = await mkdtemp(join(tmpdir(), 'rgg-'))
  const port = await findFreePort()
  const endpoint = `http://127.0.0.1:${port}`
  const place = ['-scheme', 'http', '-host', '127.0.0.1', '-port', `${port}`, '-external-url', endpoint]
  const { stop } = await startServerProcess(
    [toolPath('fake-gcs-server'), ...place, '-backend', 'memory', '-log-level', 'warn'],
    {
      folder,
      ready: () =>
        fetch(`${endpoint}/_internal/healthcheck`).then(
          ({ ok }) => ok,
          () => false,
        ),
    },
  )
  return {
    endpoint,
    host: `localhost:${port}`,
    async addBucket(bucket) {
      const made = await fetch(`${endpoint}/storage/v1/b?project=test`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: bucket }),
      })
      if (!made.ok) throw new Error(`no bucket: ${made.status} ${await made.text()}`)
      return openGcsStore({ bucket, endpoint, anonymous: true, env: {} })
    },
    stop,
  }
}
