import { isRegistrishError, throwIfAborted } from '../../errors.ts'
import { PRIVATE } from '../../tree/layout.ts'
import { preparePayload } from '../body.ts'
import type { Condition, NewObject, PutOptions } from '../store.ts'
import type { Call, S3Calls } from './calls.ts'
import { requestDeletion } from './delete.ts'
import { strangeAnswer } from './errors.ts'
import { EMPTY_SHA256 } from './list.ts'
import { bareEtag } from './list-xml.ts'
import { refusalOf } from './refusal.ts'

export interface S3PutOptions extends PutOptions {
  /** The access list that was asked for. */
  readonly acl?: string | undefined
  /** See {@link checksHashes}. */
  readonly isChecked: () => Promise<boolean>
}

/** Writes an object in one request. */
export async function putSmall(calls: S3Calls, object: NewObject, options: S3PutOptions): Promise<string | undefined> {
  const { key, size } = object
  const { signal, condition, isChecked, onBytes } = options
  const call: Call = { doing: `write ${key}`, action: 's3:PutObject', signal }
  const payload = await preparePayload(object, { isChecked, ...(signal === undefined ? {} : { signal }) })
  const headers = { ...headersOf(object, options), 'x-amz-content-sha256': payload.sha256, 'content-length': `${size}` }
  return whereItHolds(condition, async () =>
    calls.run(call, async () => {
      let [sent, isOver] = [0, false]
      const count = (bytes: number): void => {
        // A body may be read on for a moment after its request has failed.
        if (isOver) return
        sent += bytes
        onBytes?.(bytes)
      }
      try {
        const body = counted(payload.open(), count)
        const response = await calls.small({ method: 'PUT', key, headers, body, signal })
        await response.discard()
        const etag = bareEtag(response.header('etag') ?? '')
        if (etag === '') throw strangeAnswer({ ...call, bucket: calls.bucket }, 'the answer has no ETag')
        return etag
      } catch (error) {
        isOver = true
        if (sent > 0) onBytes?.(-sent)
        throw error
      }
    }),
  )
}

/** Runs a conditional write: undefined where the condition does not hold (AWS S3, "Conditional writes": 412, or 404 where there is no object to match). */
export async function whereItHolds<T>(
  condition: Condition | undefined,
  write: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await write()
  } catch (error) {
    const refusal = condition === undefined ? undefined : refusalOf(error)
    if (refusal?.status === 412) return undefined
    if (refusal?.status === 404 && refusal.code === 'NoSuchKey' && condition !== 'absent') return undefined
    throw error
  }
}

/**
 * Whether a store refuses a body that is not what was signed, as AWS does: found out with a wrong one. Then files need not be hashed before or while they are
 * sent. In doubt they are.
 */
export async function checksHashes(calls: S3Calls, signal: AbortSignal | undefined): Promise<boolean> {
  const key = `${PRIVATE}/hash-check`
  const headers = { 'x-amz-content-sha256': EMPTY_SHA256, 'content-type': 'text/plain', 'content-length': '1' }
  try {
    await calls.run({ doing: `write ${key}`, action: 's3:PutObject', signal }, async () => {
      const response = await calls.small({ method: 'PUT', key, headers, body: new Uint8Array(1), signal })
      await response.discard()
    })
  } catch (error) {
    throwIfAborted(signal)
    if (!isRegistrishError(error)) throw error
    return HASH_REFUSALS.has(refusalOf(error)?.code ?? '')
  }
  await deleteProbe(calls, key, signal)
  return false
}

/** A deploy that deletes nothing needs no right to: where it is refused one byte stays. */
async function deleteProbe(calls: S3Calls, key: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await requestDeletion(calls, key, signal)
  } catch (error) {
    throwIfAborted(signal)
    if (refusalOf(error) === undefined) throw error
  }
}

const HASH_REFUSALS = new Set(['XAmzContentSHA256Mismatch', 'BadDigest', 'InvalidDigest'])

function headersOf(object: NewObject, { acl, condition }: S3PutOptions): Record<string, string> {
  const { contentType, cacheControl, secret = false } = object
  return {
    'content-type': contentType,
    'cache-control': cacheControl,
    ...(acl === undefined || secret ? {} : { 'x-amz-acl': acl }),
    ...(condition === 'absent' ? { 'if-none-match': '*' } : {}),
    ...(typeof condition === 'object' ? { 'if-match': `"${condition.etag}"` } : {}),
  }
}

function counted(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): Uint8Array | AsyncIterable<Uint8Array> {
  if (!(body instanceof Uint8Array)) return countPieces(body, count)
  count(body.length)
  return body
}

async function* countPieces(
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    count(piece.length)
    yield piece
  }
}
