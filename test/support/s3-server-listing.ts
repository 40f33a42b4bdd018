import { randomUUID } from 'node:crypto'
import { type ListedKey, listKeys } from './listed-keys.ts'
import { type Answer, element, S3Error, xmlAnswer } from './s3-server-answer.ts'
import type { S3Request } from './s3-server-request.ts'
import type { S3Bucket, S3Object, S3State, S3Upload } from './s3-server-state.ts'

/* The operations that list. */

/** ListObjectsV2. */
export function listObjects(state: S3State, bucket: S3Bucket, { query }: S3Request): Answer {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter')
  const token = query.get('continuation-token')
  const after = token === undefined ? query.get('start-after') : state.tokens.get(token)
  if (token !== undefined && after === undefined) throw new S3Error(400, 'InvalidArgument', WRONG_TOKEN)
  const most = Math.min(Number(query.get('max-keys') ?? 1000), state.strict.pageSize)
  const entries = listKeys(bucket.objects, { prefix, delimiter: delimiter === '' ? undefined : delimiter }, after)
  const page = entries.slice(0, most)
  const last = entries.length > most ? page.at(-1)?.key : undefined
  const coded = codedBy(query)
  const next = last === undefined ? '' : element('NextContinuationToken', makeToken(state, last))
  const parts = [
    element('Name', bucket.name),
    element('Prefix', coded(prefix)),
    ...(delimiter === undefined ? [] : [element('Delimiter', coded(delimiter))]),
    element('KeyCount', page.length),
    element('MaxKeys', most),
    ...(query.has('encoding-type') ? [element('EncodingType', 'url')] : []),
    element('IsTruncated', last !== undefined),
    ...(token === undefined ? [] : [element('ContinuationToken', token)]),
    next,
    ...page.map(entry => formatEntry(entry, coded)),
  ]
  return xmlAnswer(`<ListBucketResult>${parts.join('')}</ListBucketResult>`)
}

const WRONG_TOKEN = { details: { ArgumentName: 'continuation-token' } }

/** Tokens say nothing of where they lead, so that nobody can make one up. */
function makeToken(state: S3State, after: string): string {
  const token = Buffer.from(`1${randomUUID()}/+=`).toString('base64')
  state.tokens.set(token, after)
  return token
}

function codedBy(query: ReadonlyMap<string, string>): (text: string) => string {
  if (query.get('encoding-type') !== 'url') return text => text
  return text => encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+')
}

function formatEntry({ key, value }: ListedKey<S3Object>, coded: (text: string) => string): string {
  if (value === undefined) return `<CommonPrefixes>${element('Prefix', coded(key))}</CommonPrefixes>`
  const parts = [
    element('Key', coded(key)),
    element('LastModified', new Date(value.modified).toISOString()),
    element('ETag', `"${value.etag}"`),
    element('Size', value.bytes.length),
    element('StorageClass', 'STANDARD'),
  ]
  return `<Contents>${parts.join('')}</Contents>`
}

/** ListMultipartUploads: by key, then by age. */
export function listUploads(state: S3State, bucket: S3Bucket, { query }: S3Request): Answer {
  const prefix = query.get('prefix') ?? ''
  const most = Math.min(Number(query.get('max-uploads') ?? 1000), state.strict.pageSize)
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = query.get('upload-id-marker') ?? ''
  const all = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : one.initiated - other.initiated))
  const marker = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker)
  const rest = marker >= 0 ? all.slice(marker + 1) : all.filter(({ key }) => key > keyMarker)
  const page = rest.slice(0, most)
  const last = rest.length > most ? page.at(-1) : undefined
  const coded = codedBy(query)
  const next =
    last === undefined ? '' : `${element('NextKeyMarker', coded(last.key))}${element('NextUploadIdMarker', last.id)}`
  const head = `${element('Bucket', bucket.name)}${element('Prefix', coded(prefix))}${next}${element('MaxUploads', most)}`
  const uploads = page.map(upload => formatUpload(upload, coded)).join('')
  return xmlAnswer(
    `<ListMultipartUploadsResult>${head}${element('IsTruncated', last !== undefined)}${uploads}</ListMultipartUploadsResult>`,
  )
}

function formatUpload({ key, id, initiated }: S3Upload, coded: (text: string) => string): string {
  const when = element('Initiated', new Date(initiated).toISOString())
  return `<Upload>${element('Key', coded(key))}${element('UploadId', id)}${when}</Upload>`
}

/** ListParts. */
export function listParts(bucket: S3Bucket, upload: S3Upload): Answer {
  const parts = [...upload.parts]
    .sort(([one], [other]) => one - other)
    .map(
      ([number, { bytes, etag }]) =>
        `<Part>${element('PartNumber', number)}${element('ETag', `"${etag}"`)}${element('Size', bytes.length)}</Part>`,
    )
  const head = `${element('Bucket', bucket.name)}${element('Key', upload.key)}${element('UploadId', upload.id)}`
  return xmlAnswer(`<ListPartsResult>${head}${element('IsTruncated', false)}${parts.join('')}</ListPartsResult>`)
}
