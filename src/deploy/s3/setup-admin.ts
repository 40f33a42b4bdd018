import type {
  BucketLifecycleConfiguration,
  CORSConfiguration,
  PublicAccessBlockConfiguration,
  S3Client,
  WebsiteConfiguration,
} from '@aws-sdk/client-s3'
import { isRegistrishError, RegistrishError } from '../../errors.ts'
import type { OnProgress } from '../../progress.ts'
import { openS3Calls, type S3Calls } from './calls.ts'
import type { LoadedSdk, Sdk } from './client.ts'
import { storeError } from './errors.ts'
import { refusalOf } from './refusal.ts'
import type { BucketPart, Document } from './setup-documents.ts'
import type { S3Target } from './target.ts'
import { createTransport } from './transport.ts'

/** What setting up a bucket asks of a store. What it does not know fails as `unsupported`. */
export interface BucketAdmin {
  has(): Promise<boolean>
  /** The region of the bucket or, where there is none, that in which it would be made. */
  region(): string
  create(): Promise<void>
  /** What the bucket is told; undefined where it is told nothing. */
  read(part: BucketPart): Promise<Document | undefined>
  write(part: BucketPart, document: Document): Promise<void>
  close(): Promise<void>
}

/** How {@link openBucketAdmin} speaks to the store. */
export interface AdminOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/** Opens the administration of a bucket, with the credentials that AWS' own tools would take. @throws RegistrishError `unauthorized` where there are none. */
export async function openBucketAdmin(target: S3Target, options: AdminOptions = {}): Promise<BucketAdmin> {
  const { signal, onProgress } = options
  const transport = createTransport({ timeouts: { connect: 15_000, header: 60_000, stall: 60_000 } })
  const { bucket } = target
  const open = async (): Promise<{ readonly calls: S3Calls } & LoadedSdk> => {
    const calls = await openS3Calls(target, transport, onProgress === undefined ? {} : { onProgress })
    return { calls, ...(await calls.connection.load()) }
  }
  const { calls, sdk, client } = await open().catch(async (error: unknown) => {
    await transport.close()
    throw storeError(error, { bucket, doing: 'log in', action: 's3:ListBucket' })
  })
  const context = { sdk, client, bucket, options: signal === undefined ? {} : { abortSignal: signal } }
  const run: Run = async (doing, action, request) => calls.run({ doing, action, signal }, request)
  return {
    has: () => run('look', 's3:ListBucket', () => hasBucket(context)),
    region: () => calls.connection.base().region,
    create: () => createBucket(context, run),
    read: part => run(`read the ${LABELS[part]}`, `s3:Get${ACTIONS[part]}`, () => readPart(context, part)),
    write: (part, document) =>
      run(`set the ${LABELS[part]}`, `s3:Put${ACTIONS[part]}`, async () => {
        await WRITERS[part](context, document)
      }).catch((error: unknown) => {
        throw writeError(part, error)
      }),
    async close() {
      client.destroy()
      await transport.close()
    },
  }
}

/** What each part is called in sentences. */
const LABELS: Readonly<Record<BucketPart, string>> = {
  'public-access': 'public access block',
  policy: 'policy',
  acl: 'access list',
  website: 'website configuration',
  cors: 'CORS rules',
  lifecycle: 'lifecycle rules',
}

/** How AWS calls the rights to each (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html). */
const ACTIONS: Readonly<Record<BucketPart, string>> = {
  'public-access': 'BucketPublicAccessBlock',
  policy: 'BucketPolicy',
  acl: 'BucketAcl',
  website: 'BucketWebsite',
  cors: 'BucketCORS',
  lifecycle: 'LifecycleConfiguration',
}

interface Context {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly bucket: string
  readonly options: { readonly abortSignal?: AbortSignal }
}

async function hasBucket({ sdk, client, bucket, options }: Context): Promise<boolean> {
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), options)
    return true
  } catch (error) {
    if (refusalOf(error)?.status === 404) return false
    throw error
  }
}

/** The SDK says the region, but for the first one of AWS, where it must not be said. */
async function createBucket({ sdk, client, bucket, options }: Context, run: Run): Promise<void> {
  const command = new sdk.CreateBucketCommand({ Bucket: bucket })
  try {
    await run('make the bucket', 's3:CreateBucket', () => client.send(command, options))
  } catch (error) {
    if (refusalOf(error)?.code !== 'BucketAlreadyExists') throw error
    const message = `there is a bucket ${bucket} already, and it is someone else's`
    throw new RegistrishError('conflict', message, {
      side: 'target',
      hint: 'the names of buckets are shared by all: take another',
      cause: error,
    })
  }
}

type Run = <T>(doing: string, action: string, request: () => Promise<T>) => Promise<T>

/** Stores take what they do not know for bad XML, too; ours is not. Whoever may not set a policy may be held back by more than a lack of rights. */
function writeError(part: BucketPart, error: unknown): unknown {
  if (!isRegistrishError(error)) return error
  const { message } = error
  if (TAKEN_AMISS.has(refusalOf(error)?.code ?? ''))
    return new RegistrishError('unsupported', message, { side: 'target', cause: error })
  if (part !== 'policy' || error.code !== 'unauthorized') return error
  return new RegistrishError('unauthorized', message, { side: 'target', cause: error, hint: BLOCKED })
}

const TAKEN_AMISS: ReadonlySet<string> = new Set(['MalformedXML', 'InvalidArgument'])

const BLOCKED =
  'the credentials need s3:PutBucketPolicy; on AWS the public access block of the whole account may stand in the way, too: aws s3control get-public-access-block --account-id ACCOUNT'

async function readPart(context: Context, part: BucketPart): Promise<Document | undefined> {
  try {
    return await READERS[part](context)
  } catch (error) {
    // NoSuchBucketPolicy, NoSuchCORSConfiguration…: all stores say 404, but not with the same codes.
    const refusal = refusalOf(error)
    if (refusal?.status === 404 && refusal.code !== 'NoSuchBucket') return undefined
    throw error
  }
}

const READERS: Readonly<Record<BucketPart, (context: Context) => Promise<Document | undefined>>> = {
  async 'public-access'({ sdk, client, bucket, options }) {
    const answer = await client.send(new sdk.GetPublicAccessBlockCommand({ Bucket: bucket }), options)
    return asDocument(answer.PublicAccessBlockConfiguration)
  },
  async policy({ sdk, client, bucket, options }) {
    const { Policy } = await client.send(new sdk.GetBucketPolicyCommand({ Bucket: bucket }), options)
    return Policy === undefined || Policy === '' ? undefined : parsePolicy(Policy)
  },
  async acl({ sdk, client, bucket, options }) {
    const { Grants } = await client.send(new sdk.GetBucketAclCommand({ Bucket: bucket }), options)
    return { Grants }
  },
  async website({ sdk, client, bucket, options }) {
    const { $metadata, ...website } = await client.send(new sdk.GetBucketWebsiteCommand({ Bucket: bucket }), options)
    return asDocument(website)
  },
  async cors({ sdk, client, bucket, options }) {
    const { CORSRules } = await client.send(new sdk.GetBucketCorsCommand({ Bucket: bucket }), options)
    return CORSRules === undefined ? undefined : { CORSRules }
  },
  async lifecycle({ sdk, client, bucket, options }) {
    const { $metadata, ...rules } = await client.send(
      new sdk.GetBucketLifecycleConfigurationCommand({ Bucket: bucket }),
      options,
    )
    return rules.Rules === undefined ? undefined : asDocument(rules)
  },
}

const WRITERS: Readonly<Record<BucketPart, (context: Context, document: Document) => Promise<unknown>>> = {
  'public-access': ({ sdk, client, bucket, options }, document) =>
    client.send(
      new sdk.PutPublicAccessBlockCommand({
        Bucket: bucket,
        PublicAccessBlockConfiguration: document as PublicAccessBlockConfiguration,
      }),
      options,
    ),
  policy: ({ sdk, client, bucket, options }, document) =>
    client.send(new sdk.PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(document) }), options),
  acl: ({ sdk, client, bucket, options }) =>
    client.send(new sdk.PutBucketAclCommand({ Bucket: bucket, ACL: 'public-read' }), options),
  website: ({ sdk, client, bucket, options }, document) =>
    client.send(
      new sdk.PutBucketWebsiteCommand({ Bucket: bucket, WebsiteConfiguration: document as WebsiteConfiguration }),
      options,
    ),
  cors: ({ sdk, client, bucket, options }, document) =>
    client.send(
      new sdk.PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration: document as unknown as CORSConfiguration }),
      options,
    ),
  // The second setting is given beside the rules and would be lost if it were not given back.
  lifecycle: ({ sdk, client, bucket, options }, { TransitionDefaultMinimumObjectSize: least, ...rules }) =>
    client.send(
      new sdk.PutBucketLifecycleConfigurationCommand({
        Bucket: bucket,
        LifecycleConfiguration: rules as unknown as BucketLifecycleConfiguration,
        ...(least === undefined ? {} : { TransitionDefaultMinimumObjectSize: least as 'varies_by_storage_class' }),
      }),
      options,
    ),
}

function parsePolicy(text: string): Document {
  const policy: unknown = JSON.parse(text)
  if (typeof policy === 'object' && policy !== null) return policy as Document
  throw new RegistrishError('bad-answer', 'the policy of the bucket is not a JSON object', { side: 'target' })
}

function asDocument(value: object | undefined): Document | undefined {
  return value === undefined ? undefined : (Object.fromEntries(Object.entries(value)) as Document)
}
