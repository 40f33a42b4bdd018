import type { HttpResponse } from '../../http/client.ts'
import type { CallOptions } from '../../oci/source.ts'
import { Refused } from '../refusal.ts'
import type { StoredContent, StoredHead } from '../store.ts'
import type { Call, S3Calls } from './calls.ts'
import { strangeAnswer } from './errors.ts'
import { EMPTY_SHA256 } from './list.ts'
import { bareEtag } from './list-xml.ts'
import { refusalOf } from './refusal.ts'

/** An object's headers; undefined where there is none. */
export async function headObject(
  calls: S3Calls,
  key: string,
  { signal }: CallOptions = {},
): Promise<StoredHead | undefined> {
  const call: Call = { doing: `look at ${key}`, action: 's3:GetObject', signal }
  return unlessMissing(async () =>
    calls.run(call, async () => {
      const response = await askHead(calls, key, signal)
      await response.discard()
      return readHead(response, call, calls)
    }),
  )
}

/** Answers to HEAD have no body, so none that says why. Where that decides on what is to be done, the same is asked by GET. */
async function askHead(calls: S3Calls, key: string, signal: AbortSignal | undefined): Promise<HttpResponse> {
  const request = { key, headers: UNSIGNED, signal }
  try {
    return await calls.small({ ...request, method: 'HEAD' })
  } catch (error) {
    if (!UNCLEAR.has(refusalOf(error)?.status ?? 0)) throw error
    const response = await calls.small({ ...request, method: 'GET' })
    await response.discard()
    throw new Refused({ status: 503, code: '', text: 'HEAD is refused where GET is not' })
  }
}

const UNCLEAR = new Set([400, 403, 409])

/** A small object whole; undefined where there is none. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
export async function getObject(
  calls: S3Calls,
  key: string,
  { signal, limit }: CallOptions & { readonly limit: number },
): Promise<StoredContent | undefined> {
  const call: Call = { doing: `read ${key}`, action: 's3:GetObject', signal }
  return unlessMissing(async () =>
    calls.run(call, async () => {
      const response = await calls.small({ method: 'GET', key, headers: UNSIGNED, signal })
      const chunks: Uint8Array[] = []
      let size = 0
      for await (const chunk of response.body) {
        size += chunk.length
        if (size > limit) throw strangeAnswer({ ...call, bucket: calls.bucket }, `it has more than ${limit} bytes`)
        chunks.push(chunk)
      }
      return { ...readHead(response, call, calls), size, bytes: Buffer.concat(chunks, size) }
    }),
  )
}

const UNSIGNED = { 'x-amz-content-sha256': EMPTY_SHA256 }

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    const refusal = refusalOf(error)
    // The answer to HEAD has no body that could tell an object from a bucket.
    const isMissing = refusal?.status === 404 && refusal.foreign === undefined
    if (isMissing && (refusal.code === '' || refusal.code === 'NoSuchKey')) return undefined
    throw error
  }
}

function readHead(response: HttpResponse, call: Call, { bucket }: S3Calls): StoredHead {
  const [etag, length] = [response.header('etag'), response.header('content-length')]
  if (etag === undefined) throw strangeAnswer({ ...call, bucket }, 'the answer has no ETag')
  const [contentType, cacheControl] = [response.header('content-type'), response.header('cache-control')]
  return {
    size: Number(length ?? 0),
    etag: bareEtag(etag),
    ...(contentType === undefined ? {} : { contentType }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
  }
}
