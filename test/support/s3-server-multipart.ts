import { createHash, randomUUID } from 'node:crypto'
import { type Answer, element, emptyAnswer, S3Error, textsOf, unescapeXml, xmlAnswer } from './s3-server-answer.ts'
import { listParts } from './s3-server-listing.ts'
import { aclOf, copyAnswer, findSource, tooLargeToCopy } from './s3-server-objects.ts'
import type { S3Request, WholeRequest } from './s3-server-request.ts'
import {
  checkCondition,
  etagOf,
  keptHeaders,
  type S3Bucket,
  type S3Part,
  type S3State,
  type S3Upload,
  unquote,
} from './s3-server-state.ts'

/* Uploads in parts. */

/** Answers the operations on uploads; undefined where a request is of another kind. */
export function answerUpload(state: S3State, bucket: S3Bucket, request: WholeRequest): Answer | undefined {
  switch (request.operation) {
    case 'CreateMultipartUpload':
      return create(state, bucket, request)
    case 'UploadPart':
      return keepPart(state, bucket, { request, bytes: Buffer.from(request.body) })
    case 'UploadPartCopy':
      return copyPart(state, bucket, request)
    case 'CompleteMultipartUpload':
      return complete(state, bucket, request)
    case 'AbortMultipartUpload':
      bucket.uploads.delete(uploadOf(bucket, request).id)
      return emptyAnswer(204)
    case 'ListParts':
      return listParts(bucket, uploadOf(bucket, request))
    default:
      return undefined
  }
}

function create(state: S3State, bucket: S3Bucket, { key, headers }: S3Request): Answer {
  const id = `${randomUUID().replaceAll('-', '')}.`
  const upload = { id, key, headers: keptHeaders(headers), ...aclOf(headers), initiated: state.now(), parts: new Map() }
  bucket.uploads.set(id, upload)
  const parts = [element('Bucket', bucket.name), element('Key', key), element('UploadId', id)]
  return xmlAnswer(`<InitiateMultipartUploadResult>${parts.join('')}</InitiateMultipartUploadResult>`)
}

function uploadOf(bucket: S3Bucket, { query, key }: S3Request): S3Upload {
  const id = query.get('uploadId') ?? ''
  const upload = bucket.uploads.get(id)
  if (upload === undefined || upload.key !== key) throw new S3Error(404, 'NoSuchUpload', { details: { UploadId: id } })
  return upload
}

function keepPart(
  state: S3State,
  bucket: S3Bucket,
  { request, bytes }: { readonly request: S3Request; readonly bytes: Buffer },
): Answer {
  const upload = uploadOf(bucket, request)
  const number = Number(request.query.get('partNumber'))
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new S3Error(400, 'InvalidArgument', { details: { ArgumentName: 'partNumber' } })
  }
  const etag = etagOf(state, bytes)
  upload.parts.set(number, { bytes, etag })
  return emptyAnswer(200, { etag: `"${etag}"` })
}

function copyPart(state: S3State, bucket: S3Bucket, request: S3Request): Answer {
  const { bytes } = findSource(state, request.headers).object
  const range = request.headers['x-amz-copy-source-range']
  const match = range === undefined ? undefined : /^bytes=(\d+)-(\d+)$/.exec(range)
  const [start = 0, last = bytes.length - 1] = match?.slice(1).map(Number) ?? []
  if (match === null || start > last || last >= bytes.length) {
    throw new S3Error(400, 'InvalidArgument', { details: { ArgumentName: 'x-amz-copy-source-range' } })
  }
  if (last + 1 - start > state.strict.copyLimit) throw tooLargeToCopy(state)
  const kept = keepPart(state, bucket, { request, bytes: bytes.subarray(start, last + 1) })
  return copyAnswer('CopyPartResult', state, unquote(kept.headers['etag'] ?? ''))
}

function complete(state: S3State, bucket: S3Bucket, request: WholeRequest): Answer {
  const upload = uploadOf(bucket, request)
  const parts = chosenParts(upload, Buffer.from(request.body).toString())
  const small = parts.slice(0, -1).find(({ bytes }) => bytes.length < state.strict.smallestPart)
  if (small !== undefined) {
    throw new S3Error(400, 'EntityTooSmall', { details: { ProposedSize: String(small.bytes.length) } })
  }
  checkCondition(state, request.headers, bucket.objects.get(request.key))
  const bytes = Buffer.concat(parts.map(part => part.bytes))
  const etag = state.strict.etags === 'opaque' ? etagOf(state, bytes) : etagOfParts(parts)
  const { key, headers, acl } = upload
  bucket.objects.set(key, { bytes, etag, headers, ...(acl === undefined ? {} : { acl }), modified: state.now() })
  bucket.uploads.delete(upload.id)
  const result = [element('Bucket', bucket.name), element('Key', key), element('ETag', `"${etag}"`)]
  return xmlAnswer(`<CompleteMultipartUploadResult>${result.join('')}</CompleteMultipartUploadResult>`)
}

function chosenParts(upload: S3Upload, xml: string): readonly S3Part[] {
  const chosen = textsOf(xml, 'Part').map(part => ({
    number: Number(textsOf(part, 'PartNumber')[0]),
    etag: unquote(unescapeXml(textsOf(part, 'ETag')[0] ?? '')),
  }))
  if (chosen.length === 0) throw new S3Error(400, 'MalformedXML')
  return chosen.map(({ number, etag }, index) => {
    if (number <= (chosen[index - 1]?.number ?? 0)) throw new S3Error(400, 'InvalidPartOrder')
    const part = upload.parts.get(number)
    if (part === undefined || part.etag !== etag) {
      throw new S3Error(400, 'InvalidPart', {
        details: { UploadId: upload.id, PartNumber: String(number), ETag: etag },
      })
    }
    return part
  })
}

function etagOfParts(parts: readonly S3Part[]): string {
  const whole = createHash('md5')
  for (const { etag } of parts) whole.update(Buffer.from(etag, 'hex'))
  return `${whole.digest('hex')}-${parts.length}`
}
