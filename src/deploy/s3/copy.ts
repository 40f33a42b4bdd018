import type { CompletedPart, CopyObjectCommandInput } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import type { CallOptions } from '../../oci/source.ts'
import type { ObjectHead } from '../store.ts'
import type { Call, S3Calls } from './calls.ts'
import { storeError, strangeAnswer } from './errors.ts'
import { headObject } from './read.ts'
import { refusalOf } from './refusal.ts'
import { encode } from './transport.ts'
import { createUpload, partSizeFor, removeParts } from './upload.ts'

export interface S3CopyOptions extends CallOptions {
  /** The access list that was asked for. */
  readonly acl?: string | undefined
  /** Largest object that is copied in one request, in bytes. Default 5 GiB (AWS S3, CopyObject). */
  readonly largestCopy?: number | undefined
}

const LARGEST_COPY = 5 * 1024 ** 3
/** Size of the parts of a larger copy, in bytes, and how many are under way at once; the store moves them, not we. */
const PART = 512 * 1024 * 1024
const PARTS_AT_ONCE = 4

/** Has the store copy an object within itself, with the headers of `to`; false where it cannot. */
export async function copyObject(
  calls: S3Calls,
  { from, to }: { readonly from: string; readonly to: ObjectHead },
  options: S3CopyOptions = {},
): Promise<boolean> {
  const { signal, acl, largestCopy = LARGEST_COPY } = options
  const call: Call = { doing: `copy ${from} to ${to.key}`, action: 's3:GetObject and s3:PutObject', signal }
  try {
    const head = await headObject(calls, from, signal === undefined ? {} : { signal })
    if (head === undefined || head.size !== to.size) return false
    const copy: Copy = {
      Bucket: calls.bucket,
      Key: to.key,
      ContentType: to.contentType,
      CacheControl: to.cacheControl,
      CopySource: [calls.bucket, ...from.split('/')].map(encode).join('/'),
      CopySourceIfMatch: `"${head.etag}"`,
      ...(acl === undefined || to.secret === true ? {} : { ACL: acl as 'public-read' }),
    }
    if (to.size <= largestCopy) await copyWhole(calls, call, copy)
    else
      await copyInParts(calls, call, {
        copy,
        size: to.size,
        partSize: partSizeFor(to.size, Math.min(PART, largestCopy)),
      })
    return true
  } catch (error) {
    if (isPowerless(error)) return false
    throw error
  }
}

type Copy = CopyObjectCommandInput & { readonly Bucket: string; readonly Key: string; readonly CopySource: string }

/**
 * What a store answers that knows no copies, or may not make this one, or whose object was changed or deleted just now. Some say 400 to a header of a copy, in
 * words of their own: whatever else was wrong, sending will tell.
 */
function isPowerless(error: unknown): boolean {
  const refusal = refusalOf(error)
  if (refusal === undefined || refusal.foreign !== undefined || refusal.code === 'NoSuchBucket') return false
  if (refusal.status === 400) return !FINAL.has(refusal.code)
  return [403, 404, 405, 412, 501].includes(refusal.status)
}

/** Of 400, what sending would meet as well, after all its bytes (AWS S3 API, "Error responses"). */
const FINAL = new Set([
  'AccessControlListNotSupported',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'ExpiredTokenException',
  'IllegalLocationConstraintException',
  'InvalidBucketName',
  'InvalidToken',
  'RequestExpired',
  'RequestTimeout',
  'Throttling',
  'ThrottlingException',
  'TokenRefreshRequired',
])

async function copyWhole({ run, connection }: S3Calls, call: Call, copy: Copy): Promise<void> {
  const { sdk, client } = await connection.load()
  const command = new sdk.CopyObjectCommand({ ...copy, MetadataDirective: 'REPLACE' })
  await run(call, async () => client.send(command, abortedBy(call)))
}

interface Parts {
  readonly copy: Copy
  readonly size: number
  readonly partSize: number
}

async function copyInParts(calls: S3Calls, call: Call, { copy, size, partSize }: Parts): Promise<void> {
  const { sdk, client } = await calls.connection.load()
  const { Bucket, Key, ContentType, CacheControl, ACL, CopySource, CopySourceIfMatch } = copy
  const create = new sdk.CreateMultipartUploadCommand({ Bucket, Key, ContentType, CacheControl, ACL })
  const { UploadId } = await createUpload(calls, create, call)
  const about = { ...call, bucket: calls.bucket }
  if (UploadId === undefined) throw strangeAnswer(about, 'the answer has no UploadId')
  const ending = new AbortController()
  const signal = call.signal === undefined ? ending.signal : AbortSignal.any([call.signal, ending.signal])
  const limit = pLimit(PARTS_AT_ONCE)
  const copyPart = async (index: number): Promise<CompletedPart> => {
    const [first, last] = [index * partSize, Math.min(size, (index + 1) * partSize) - 1]
    const CopySourceRange = `bytes=${first}-${last}`
    const part = { Bucket, Key, UploadId, PartNumber: index + 1, CopySource, CopySourceIfMatch, CopySourceRange }
    const command = new sdk.UploadPartCopyCommand(part)
    const answer = await calls.run({ ...call, signal }, async () => client.send(command, { abortSignal: signal }))
    if (answer.CopyPartResult?.ETag === undefined) throw strangeAnswer(about, 'the answer has no ETag')
    return { PartNumber: index + 1, ETag: answer.CopyPartResult.ETag }
  }
  const copies = Array.from({ length: Math.ceil(size / partSize) }, async (_, index) => limit(() => copyPart(index)))
  try {
    const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts: await Promise.all(copies) } }
    const command = new sdk.CompleteMultipartUploadCommand(complete)
    await calls.run(call, async () => client.send(command, abortedBy(call)))
  } catch (error) {
    ending.abort()
    await Promise.allSettled(copies)
    await removeParts(client, new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    throw storeError(error, about)
  }
}

function abortedBy({ signal }: Call): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}
