import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RawAnswer, type RawRequest, rawRequest } from '../../contract/raw-request.ts'
import { findFreePort } from './nginx.ts'
import { startServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

/** s3rver: a stand-in for S3 by others, for where no Go is, with website endpoints. It ignores conditions and checks no content. */
export interface S3rver {
  readonly bucket: string
  /** For `--s3-endpoint`. */
  readonly endpoint: string
  /** Credentials and region for children. */
  readonly env: Readonly<Record<string, string>>
  /** Asks the website endpoint of the bucket, as anyone. */
  readonly askWebsite: (path: string, options?: Omit<RawRequest, 'path'>) => Promise<RawAnswer>
  readonly stop: () => Promise<void>
}

const BUCKET = 'registrish'
/** `BUCKET.s3-website.DOMAIN` is the website endpoint; nothing looks the name up. */
const DOMAIN = 's3rver.test'

/** As https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html has it. */
function websiteConfiguration(notFoundKey: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <IndexDocument><Suffix>index.json</Suffix></IndexDocument>
  <ErrorDocument><Key>${notFoundKey}</Key></ErrorDocument>
</WebsiteConfiguration>
`
}

/** Starts s3rver with one empty bucket whose website answers with `notFoundKey` where there is nothing. */
export async function startS3rver(notFoundKey: string): Promise<S3rver> {
  const folder = await mkdtemp(join(tmpdir(), 'rgs-'))
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'website.xml'), websiteConfiguration(notFoundKey))
  const port = await findFreePort()
  const endpoint = `http://127.0.0.1:${port}`
  const options = ['--directory', join(folder, 'data'), '--address', '127.0.0.1', '--port', String(port), '--silent']
  const { stop } = await startServerProcess(
    [
      toolPath('s3rver'),
      ...options,
      ...['--service-endpoint', DOMAIN, '--configure-bucket', BUCKET, join(folder, 'website.xml')],
    ],
    {
      folder,
      ready: () =>
        fetch(endpoint).then(
          () => true,
          () => false,
        ),
    },
  )
  const host = `${BUCKET}.s3-website.${DOMAIN}:${port}`
  return {
    bucket: BUCKET,
    endpoint,
    env: {
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
      AWS_REGION: 'us-east-1',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    askWebsite: (path, asked = {}) => rawRequest(endpoint, { ...asked, path, headers: { ...asked.headers, host } }),
    stop,
  }
}
