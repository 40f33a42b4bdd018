import { type Answer, element, emptyAnswer, S3Error, textsOf, xmlAnswer } from './s3-server-answer.ts'
import { allows } from './s3-server-policy.ts'
import type { WholeRequest } from './s3-server-request.ts'
import { createBucket, type S3Bucket, type S3State } from './s3-server-state.ts'

/* The operations on buckets and their configurations, which are kept as they are given. */

/** Makes a bucket. */
export function makeBucket(state: S3State, name: string): Answer {
  if (state.buckets.has(name)) throw new S3Error(409, 'BucketAlreadyOwnedByYou', { details: { BucketName: name } })
  state.buckets.set(name, createBucket(name))
  return emptyAnswer(200, { location: `/${name}` })
}

/** Answers what is asked of a bucket itself; undefined where a request is of another kind. */
export function answerBucket(state: S3State, bucket: S3Bucket, request: WholeRequest): Answer | undefined {
  const { operation } = request
  if (operation === 'HeadBucket') return emptyAnswer(200, { 'x-amz-bucket-region': state.region })
  if (operation === 'GetBucketLocation') {
    const place = state.region === 'us-east-1' ? '' : state.region
    return xmlAnswer(element('LocationConstraint', place))
  }
  if (operation === 'DeleteBucket') {
    state.buckets.delete(bucket.name)
    return emptyAnswer(204)
  }
  const [method, name] = operation.split(':')
  return name === undefined ? undefined : answerConfiguration(bucket, request, { method: method ?? '', name })
}

function answerConfiguration(
  bucket: S3Bucket,
  { body }: WholeRequest,
  { method, name }: { readonly method: string; readonly name: string },
): Answer {
  const { configurations } = bucket
  if (method === 'PUT') {
    const text = Buffer.from(body).toString()
    if (name === 'policy') checkPolicy(bucket, text)
    configurations.set(name, text)
    return emptyAnswer(name === 'policy' ? 204 : 200)
  }
  if (method === 'DELETE') {
    configurations.delete(name)
    return emptyAnswer(204)
  }
  const text = configurations.get(name)
  if (text === undefined) throw new S3Error(404, ABSENT[name] ?? 'NoSuchKey', { details: { BucketName: bucket.name } })
  const type = name === 'policy' ? 'application/json' : 'application/xml'
  return { status: 200, headers: { 'content-type': type }, body: Buffer.from(text) }
}

/** A public policy is refused as long as the bucket blocks such ("Blocking public access"). */
function checkPolicy(bucket: S3Bucket, text: string): void {
  try {
    JSON.parse(text)
  } catch {
    throw new S3Error(400, 'MalformedPolicy')
  }
  const blocked = textsOf(bucket.configurations.get('publicAccessBlock') ?? '', 'BlockPublicPolicy')[0] === 'true'
  const trial = { ...bucket, configurations: new Map([['policy', text]]) }
  if (blocked && (allows(trial, 's3:GetObject', 'v2/') || allows(trial, 's3:ListBucket'))) {
    throw new S3Error(403, 'AccessDenied')
  }
}

const ABSENT: Readonly<Record<string, string>> = {
  policy: 'NoSuchBucketPolicy',
  publicAccessBlock: 'NoSuchPublicAccessBlockConfiguration',
  website: 'NoSuchWebsiteConfiguration',
  cors: 'NoSuchCORSConfiguration',
  lifecycle: 'NoSuchLifecycleConfiguration',
  ownershipControls: 'OwnershipControlsNotFoundError',
}
