import { mkdir } from 'node:fs/promises'
import { type StoreKind, storeDomains } from './object-store-names.ts'
import { toolPath } from './tools.ts'

/** What a server is started with. */
interface StoreServerOptions {
  readonly port: number
  /** Its own folder; objects go into `data`, made here. */
  readonly folder: string
}

/** One kind of server. */
interface StoreServer {
  /** Answers to anyone once the server is ready. */
  readonly readyPath: string
  readonly command: (options: StoreServerOptions) => readonly string[]
}

/** Who may do all in these servers; nobody else may write. */
export const storeUser: Readonly<Record<'accessKeyId' | 'secretAccessKey', string>> = {
  accessKeyId: 'registrish-e2e',
  secretAccessKey: 'not-a-real-secret',
}

/** How each kind is started. */
export const STORE_SERVERS: Readonly<Record<StoreKind, StoreServer>> = {
  // It closes every connection after one answer, as it does by itself: the other one keeps them.
  versitygw: {
    readyPath: '/_ready',
    command: ({ port, folder }) => [
      'env',
      `ROOT_ACCESS_KEY=${storeUser.accessKeyId}`,
      `ROOT_SECRET_KEY=${storeUser.secretAccessKey}`,
      toolPath('versitygw'),
      ...['--port', `127.0.0.1:${port}`, '--virtual-domain', `${storeDomains.versitygw}:${port}`],
      ...['--health', '/_ready', '--quiet', 'posix', `${folder}/data`],
    ],
  },
  minio: {
    readyPath: '/minio/health/ready',
    command: ({ port, folder }) => [
      'env',
      `MINIO_ROOT_USER=${storeUser.accessKeyId}`,
      `MINIO_ROOT_PASSWORD=${storeUser.secretAccessKey}`,
      ...[`MINIO_DOMAIN=${storeDomains.minio}`, 'MINIO_BROWSER=off', 'MINIO_UPDATE=off'],
      toolPath('minio'),
      ...['server', '--quiet', '--certs-dir', `${folder}/certs`, '--address', `127.0.0.1:${port}`, `${folder}/data`],
    ],
  },
}

/** Makes the folders that a server wants to find. */
export async function makeStoreFolders(folder: string): Promise<void> {
  await mkdir(`${folder}/data`)
  await mkdir(`${folder}/certs`)
}
