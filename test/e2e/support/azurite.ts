import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { type AzureOptions, openAzureStore } from '../../../src/deploy/azure/store.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import { outputFiles, startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** azurite: the emulator of Azure's blob service by its makers. It has no website endpoint, and forgets all when it ends. */
export interface Azurite {
  readonly account: string
  /** For `--azure-endpoint`. */
  readonly endpoint: string
  /** Credentials for children. */
  readonly env: Readonly<Record<string, string>>
  /** A way to look behind the store. */
  readonly service: BlobServiceClient
  /** Makes a container and gives its name. */
  addContainer(name: string): Promise<string>
  open(container: string, options?: Partial<AzureOptions>): Promise<ObjectStore>
  stop(): Promise<void>
}

const ACCOUNT = 'registry'

/** Starts azurite with one account and no container. */
export async function startAzurite(): Promise<Azurite> {
  const folder = await mkdtemp(join(tmpdir(), 'rga-'))
  const key = randomBytes(64).toString('base64')
  const flags = ['--skipApiVersionCheck', '--disableTelemetry', '--inMemoryPersistence', '--silent']
  const findPort = async (): Promise<string | undefined> =>
    /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(await readFile(outputFiles(folder).stdout, 'utf8'))?.[1]
  const { stop } = await startServerProcess(
    [
      ...(['env', `AZURITE_ACCOUNTS=${ACCOUNT}:${key}`, toolPath('azurite-blob')] as const),
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', ...flags],
    ],
    { folder, ready: async () => (await findPort()) !== undefined },
  )
  const endpoint = `http://127.0.0.1:${await findPort()}/${ACCOUNT}`
  const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(ACCOUNT, key))
  const env = { AZURE_STORAGE_KEY: key }
  return {
    account: ACCOUNT,
    endpoint,
    env,
    service,
    async addContainer(name) {
      await service.createContainer(name)
      return name
    },
    open: async (container, options = {}) =>
      openAzureStore({ account: ACCOUNT, container, endpoint, env, sleep: async () => undefined, ...options }),
    stop,
  }
}
