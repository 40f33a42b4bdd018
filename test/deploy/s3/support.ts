import { onTestFinished, vi } from 'vitest'
import { openS3Store, type S3Options } from '../../../src/deploy/s3/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import type { ProgressEvent } from '../../../src/progress.ts'
import { type S3Server, type S3ServerOptions, startS3Server } from '../../support/s3-server.ts'

/** Gives the SDK credentials, and nothing of this machine's own. */
export function stubCredentials(more: Readonly<Record<string, string>> = {}): void {
  const variables = {
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...more,
  }
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
}

/** A store that lives as long as the test; `paused` gathers the pauses between tries, which are left out. */
export async function openStore(
  options: Partial<S3Options> & { readonly endpoint: string },
): Promise<{ readonly store: ObjectStore; readonly paused: number[]; readonly events: ProgressEvent[] }> {
  stubCredentials()
  const paused: number[] = []
  const events: ProgressEvent[] = []
  const store = await openS3Store({
    bucket: 'bucket',
    region: 'us-east-1',
    env: {},
    sleep: async ms => void paused.push(ms),
    onProgress: event => events.push(event),
    ...options,
  })
  onTestFinished(() => store.close())
  return { store, paused, events }
}

/** The strict server, and a store over it. */
export async function startStore(
  server: S3ServerOptions = {},
  options: Partial<S3Options> = {},
): Promise<Awaited<ReturnType<typeof openStore>> & { readonly server: S3Server }> {
  const started = await startS3Server(server)
  onTestFinished(() => started.close())
  return { ...(await openStore({ endpoint: started.url, ...options })), server: started }
}
