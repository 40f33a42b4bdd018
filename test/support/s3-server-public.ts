import { type Answer, emptyAnswer, errorAnswer, S3Error, textsOf } from './s3-server-answer.ts'
import { listObjects } from './s3-server-listing.ts'
import { getObject } from './s3-server-objects.ts'
import { allows } from './s3-server-policy.ts'
import type { S3Request } from './s3-server-request.ts'
import type { S3Bucket, S3State } from './s3-server-state.ts'

/* What anyone sees who does not sign: objects by policy, and the website endpoint. */

/** Answers a request that is not signed. */
export function answerAnyone(state: S3State, bucket: S3Bucket, request: S3Request): Answer {
  const { operation, key } = request
  const lists = allows(bucket, 's3:ListBucket')
  if (operation === 'ListObjectsV2' && lists) return listObjects(state, bucket, request)
  const reads = operation === 'GetObject' || operation === 'HeadObject'
  if (!reads || !mayRead(bucket, key)) throw new S3Error(403, 'AccessDenied')
  // Whoever may not list is not told whether a key exists (GetObject, "Permissions").
  if (!bucket.objects.has(key) && !lists) throw new S3Error(403, 'AccessDenied')
  return getObject(bucket, request)
}

function mayRead(bucket: S3Bucket, key: string): boolean {
  return allows(bucket, 's3:GetObject', key) || (bucket.objects.get(key)?.acl ?? '').startsWith('public-read')
}

/** Answers at the website endpoint of a bucket (user guide, "Hosting a static website"). */
export function answerWebsite(bucket: S3Bucket, request: S3Request): Answer {
  const configuration = bucket.configurations.get('website')
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(new S3Error(405, 'MethodNotAllowed'))
  if (configuration === undefined) return page(new S3Error(404, 'NoSuchWebsiteConfiguration'))
  const index = textsOf(configuration, 'Suffix')[0] ?? 'index.html'
  const key = request.key === '' || request.key.endsWith('/') ? `${request.key}${index}` : request.key
  if (bucket.objects.has(key) && mayRead(bucket, key)) return getObject(bucket, { ...request, key })
  if (key === request.key && bucket.objects.has(`${key}/${index}`)) return emptyAnswer(302, { location: `/${key}/` })
  const hidden = bucket.objects.has(key) || !allows(bucket, 's3:ListBucket')
  const error = hidden ? new S3Error(403, 'AccessDenied') : new S3Error(404, 'NoSuchKey', { details: { Key: key } })
  const document = textsOf(textsOf(configuration, 'ErrorDocument')[0] ?? '', 'Key')[0]
  if (document === undefined || !bucket.objects.has(document) || !mayRead(bucket, document)) return page(error)
  const answer = getObject(bucket, { ...request, headers: {}, key: document })
  return { ...answer, status: error.status, headers: { ...answer.headers, 'x-amz-error-code': error.code } }
}

/** Website endpoints say their errors in HTML. */
function page(error: S3Error): Answer {
  const { status } = errorAnswer(error)
  const text = `<html><head><title>${status} ${error.code}</title></head><body><h1>${status} ${error.code}</h1></body></html>\n`
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: Buffer.from(text) }
}
