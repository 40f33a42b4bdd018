import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../../contract/raw-request.ts'
import { findFreePort } from './nginx.ts'
import { NAMED_BUCKET, type StoreKind, storeDomains } from './object-store-names.ts'
import { makeStoreFolders, STORE_SERVERS, storeUser } from './object-store-servers.ts'
import { startServerProcess } from './server-process.ts'

/** A bucket whose `v2/*` anyone may read, and whose keys anyone may list: without that a missing key is 403, not 404. */
export interface PublicBucket {
  readonly bucket: string
  /** `BUCKET.DOMAIN:PORT`, what clients are told; the name has an address only where scripts/e2e-setup.sh gave it one. */
  readonly host: string
  /** The store as the deploy engine sees it; to be closed by whoever opened it. */
  readonly open: () => Promise<ObjectStore>
  /** Asks the bucket's own host as anyone, for a path such as `/v2/`. The host needs no address for that. */
  readonly ask: (path: string, options?: Omit<RawRequest, 'path'>) => Promise<RawAnswer>
}

/** A real server of S3's protocol. Itself the bucket it was started with. */
export interface ObjectStoreServer extends PublicBucket {
  readonly kind: StoreKind
  /** `http://127.0.0.1:PORT`, for `--s3-endpoint`. */
  readonly endpoint: string
  /** Credentials and region for children, and no file of the user's. */
  readonly env: Readonly<Record<string, string>>
  /** Of the SDK, for what no {@link ObjectStore} does. */
  readonly client: S3Client
  readonly addBucket: (bucket: string) => Promise<PublicBucket>
  /** Ends the server and removes all it holds. */
  readonly stop: () => Promise<void>
}

const REGION = 'us-east-1'

/** Variables of the SDK: credentials that work and nothing of the machine's own. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: storeUser.accessKeyId,
  AWS_SECRET_ACCESS_KEY: storeUser.secretAccessKey,
  AWS_REGION: REGION,
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
}

/**
 * Starts a real server on a free port, with an empty folder and one bucket; suites name the `kind` among their needs.
 *
 *     const server = await startObjectStore('minio')
 *     await done(['deploy', '--root', root, '--s3', server.bucket, '--s3-endpoint', server.endpoint], { env: server.env })
 */
export async function startObjectStore(
  kind: StoreKind,
  { bucket = NAMED_BUCKET }: { readonly bucket?: string } = {},
): Promise<ObjectStoreServer> {
  const { readyPath, command } = STORE_SERVERS[kind]
  const folder = await mkdtemp(join(tmpdir(), 'rgs-'))
  await makeStoreFolders(folder)
  const port = await findFreePort()
  const endpoint = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    fetch(`${endpoint}${readyPath}`).then(
      ({ ok }) => ok,
      () => false,
    )
  const [program = '', ...args] = command({ port, folder })
  const server = await startServerProcess([program, ...args], { folder, ready })
  const client = await createClient(endpoint)
  const addBucket = async (name: string): Promise<PublicBucket> => {
    await makePublicBucket(client, name)
    return openBucket(name, { endpoint, host: `${name}.${storeDomains[kind]}:${port}` })
  }
  const stop = async (): Promise<void> => {
    client.destroy()
    await server.stop()
  }
  try {
    return { ...(await addBucket(bucket)), kind, endpoint, env: ENVIRONMENT, client, addBucket, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function openBucket(
  bucket: string,
  { endpoint, host }: { readonly endpoint: string; readonly host: string },
): PublicBucket {
  return {
    bucket,
    host,
    ask: (path, options = {}) => rawRequest(endpoint, { ...options, path, headers: { ...options.headers, host } }),
    async open() {
      Object.assign(process.env, ENVIRONMENT)
      const { openS3Store } = await import('../../../src/deploy/s3/store.ts')
      return openS3Store({ bucket, endpoint, region: REGION, pathStyle: true })
    },
  }
}

async function createClient(endpoint: string): Promise<S3Client> {
  Object.assign(process.env, ENVIRONMENT)
  const { S3Client } = await import('@aws-sdk/client-s3')
  return new S3Client({
    endpoint,
    region: REGION,
    credentials: storeUser,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

async function makePublicBucket(client: S3Client, bucket: string): Promise<void> {
  const { CreateBucketCommand, PutBucketPolicyCommand } = await import('@aws-sdk/client-s3')
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(publicPolicy(bucket)) }))
}

function publicPolicy(bucket: string): object {
  const allow = (action: string, ...resources: readonly string[]): object => ({
    Effect: 'Allow',
    Principal: { AWS: ['*'] },
    Action: [action],
    Resource: resources.map(resource => `arn:aws:s3:::${resource}`),
  })
  // versitygw 1.8 asks the policy for `v2` where the key is `v2/`, so that `v2/*` alone leaves that one out.
  const read = allow('s3:GetObject', `${bucket}/v2/*`, `${bucket}/v2/`)
  return { Version: '2012-10-17', Statement: [read, allow('s3:ListBucket', bucket)] }
}
