import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { expect, onTestFinished, vi } from 'vitest'
import { type S3Server, type S3ServerOptions, startS3Server } from './s3-server.ts'

/* AWS's own client, to hold the test server to what it expects of AWS. */

/** The bucket that a server has. */
export const Bucket = 'bucket'

/** A server and a client of it. */
export interface Started {
  readonly server: S3Server
  readonly client: S3Client
}

/** Starts both for a test. */
export async function start(options: S3ServerOptions = {}, config: S3ClientConfig = {}): Promise<Started> {
  vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
  const server = await startS3Server(options)
  const client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    ...config,
  })
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    client.destroy()
    await server.close()
  })
  return { server, client }
}

/** What the SDK says of an error. */
export async function errorOf(
  result: Promise<unknown>,
): Promise<{ readonly name: string; readonly status: number | undefined }> {
  const error = (await result.then(
    () => expect.fail('succeeded'),
    (cause: unknown) => cause,
  )) as { readonly name: string; readonly $metadata?: { readonly httpStatusCode?: number } }
  return { name: error.name, status: error.$metadata?.httpStatusCode }
}
