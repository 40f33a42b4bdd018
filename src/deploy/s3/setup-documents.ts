import { notFoundPath, PRIVATE, publicPrefix, versionPath } from '../../tree/layout.ts'

/** A document of S3's API, as its tools take and give it. */
export type Document = Readonly<Record<string, unknown>>

/** What a bucket may be told by S3's API, in the order in which it is: who may read comes after what forbids that anyone does. */
export const BUCKET_PARTS = ['public-access', 'policy', 'acl', 'website', 'cors', 'lifecycle'] as const

/** One of them. */
export type BucketPart = (typeof BUCKET_PARTS)[number]

/** What the documents depend on. */
export interface DocumentOptions {
  readonly bucket: string
  readonly region?: string | undefined
  /** Nobody may list the bucket. Default false: without that right what is missing is 403. */
  readonly unlisted?: boolean
}

/** The document of each part; of the access list only its name. */
export function documentOf(part: BucketPart, options: DocumentOptions): Document {
  return PRINTERS[part](options)
}

/** Names of our statements and rules: what bears them is ours, and replaced; what does not is kept. */
export const OURS = {
  read: 'RegistrishRead',
  list: 'RegistrishList',
  cors: 'registrish',
  lifecycle: 'registrish: abort uploads that were cut off',
} as const

/** The name of a bucket, or of what is in it, in policies. China and the American government have partitions of their own. */
export function resourceName(path: string, region = ''): string {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  return `arn:${partition}:s3:::${path}`
}

/**
 * What whoever deploys must be allowed, and no more: for a user or a role of IAM. Objects are deleted by --prune alone. Copies within the store need no more than
 * reading and writing.
 */
export function deployerPolicy({ bucket, region }: DocumentOptions): Document {
  const objects = [publicPrefix, `${PRIVATE}/`].map(prefix => resourceName(`${bucket}/${prefix}*`, region))
  const allow = (Action: readonly string[], Resource: string | readonly string[]): Document => ({
    Effect: 'Allow',
    Action,
    Resource,
  })
  return {
    Version: '2012-10-17',
    Statement: [
      allow(['s3:ListBucket', 's3:ListBucketMultipartUploads'], resourceName(bucket, region)),
      allow(['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'], objects),
    ],
  }
}

const PRINTERS: Readonly<Record<BucketPart, (options: DocumentOptions) => Document>> = {
  // Access lists stay blocked: none are sent unless asked for.
  'public-access': () => ({
    BlockPublicAcls: true,
    IgnorePublicAcls: true,
    BlockPublicPolicy: false,
    RestrictPublicBuckets: false,
  }),
  policy: options => ({ Version: '2012-10-17', Statement: [readStatement(options), ...listStatements(options)] }),
  acl: () => ({ ACL: 'public-read' }),
  website: () => ({
    IndexDocument: { Suffix: versionPath.slice(publicPrefix.length) },
    ErrorDocument: { Key: notFoundPath },
  }),
  cors: () => ({
    CORSRules: [
      {
        ID: OURS.cors,
        AllowedMethods: ['GET', 'HEAD'],
        AllowedOrigins: ['*'],
        AllowedHeaders: ['*'],
        ExposeHeaders: ['Content-Length', 'Content-Range', 'Accept-Ranges', 'ETag', 'Docker-Content-Digest'],
        MaxAgeSeconds: 3600,
      },
    ],
  }),
  lifecycle: () => ({
    Rules: [
      {
        ID: OURS.lifecycle,
        Status: 'Enabled',
        Filter: { Prefix: '' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ],
  }),
}

/** What lies beside the public folder is for nobody but whoever deploys. */
function readStatement({ bucket, region }: DocumentOptions): Document {
  return {
    Sid: OURS.read,
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    // versitygw 1.8 asks the policy for `v2` where the key is `v2/`: the pattern alone leaves the version check out there.
    Resource: [`${bucket}/${publicPrefix}*`, `${bucket}/${publicPrefix}`].map(path => resourceName(path, region)),
  }
}

/**
 * S3 answers 404 for a key that is not there to those who may list the bucket, and 403 to all others
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions"). The right must be without condition: one on `s3:prefix` holds for
 * requests that carry a prefix, and a GET of an object carries none; one that also holds without (…IfExists) lets anyone list everything by leaving the prefix away.
 */
function listStatements({ bucket, region, unlisted }: DocumentOptions): readonly Document[] {
  if (unlisted === true) return []
  return [
    {
      Sid: OURS.list,
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:ListBucket',
      Resource: resourceName(bucket, region),
    },
  ]
}
