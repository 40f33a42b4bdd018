import { Buffer } from 'node:buffer'
import type { BlobHTTPHeaders, BlobRequestConditions } from '@azure/storage-blob'
import { preparePayload, readPieces } from '../body.ts'
import { md5Of } from '../content.ts'
import type { Condition, NewObject, ObjectHead, PutOptions } from '../store.ts'
import type { AzureCalls, Call } from './calls.ts'
import { strangeAnswer } from './errors.ts'
import { bareEtag } from './read.ts'
import { refusalOf } from './refusal.ts'

/** Writes an object in one request (Put Blob). Its bytes are known to be right before the first is sent; the service checks their MD5. */
export async function putWhole(
  calls: AzureCalls,
  object: NewObject,
  { signal, condition, onBytes }: PutOptions,
): Promise<string | undefined> {
  const call: Call = { doing: `write ${object.key}`, signal }
  const bytes = await readWhole(object, signal)
  const md5 = md5BytesOf(bytes)
  const blobHTTPHeaders = { ...headersOf(object), ...(md5 === undefined ? {} : { blobContentMD5: md5 }) }
  return whereItHolds(condition, async () => {
    const { etag } = await calls.run(call, async options => {
      onBytes?.(bytes.length)
      try {
        const given = { ...options, blobHTTPHeaders, conditions: conditionsOf(condition) }
        return await calls.blob(object.key).upload(bytes, bytes.length, given)
      } catch (error) {
        onBytes?.(-bytes.length)
        throw error
      }
    })
    return etagOf(etag, call, calls)
  })
}

/** Runs a conditional write: undefined where the condition does not hold (412, but 409 where there is a blob already, and 404 where there is none to match). */
export async function whereItHolds<T>(
  condition: Condition | undefined,
  write: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await write()
  } catch (error) {
    const code = condition === undefined ? undefined : refusalOf(error)?.code
    if (code !== undefined && UNMET.has(code)) return undefined
    throw error
  }
}

/** A lease gives 412 too, but that is no condition of ours. */
const UNMET = new Set(['ConditionNotMet', 'TargetConditionNotMet', 'BlobAlreadyExists', 'BlobNotFound'])

/** What a blob is served with. */
export function headersOf({ contentType, cacheControl }: ObjectHead): BlobHTTPHeaders {
  return { blobContentType: contentType, blobCacheControl: cacheControl }
}

export function conditionsOf(condition: Condition | undefined): BlobRequestConditions {
  if (condition === undefined) return {}
  return condition === 'absent' ? { ifNoneMatch: '*' } : { ifMatch: `"${condition.etag}"` }
}

/** The MD5 of some bytes as the service takes it; undefined where MD5 is forbidden (FIPS). */
export function md5BytesOf(bytes: Uint8Array): Uint8Array | undefined {
  const md5 = md5Of(bytes)
  return md5 === undefined ? undefined : Buffer.from(md5, 'hex')
}

/** The etag of an answer to a write. */
export function etagOf(etag: string | undefined, call: Call, { place }: AzureCalls): string {
  if (etag !== undefined) return bareEtag(etag)
  throw strangeAnswer({ ...call, place }, 'the answer has no ETag')
}

async function readWhole(object: NewObject, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const { body, size, digest } = object
  const pieces: Uint8Array[] = []
  const payload = 'bytes' in body ? (await preparePayload(object, { isChecked: async () => false })).open() : undefined
  if (payload instanceof Uint8Array) return payload
  if ('file' in body) for await (const piece of readPieces(body.file, { size, digest, signal })) pieces.push(piece)
  return Buffer.concat(pieces)
}
