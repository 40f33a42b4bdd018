import { Buffer } from 'node:buffer'
import type { CallOptions } from '../../oci/source.ts'
import type { StoredContent, StoredHead } from '../store.ts'
import type { AzureCalls, Call } from './calls.ts'
import { strangeAnswer } from './errors.ts'
import { refusalOf } from './refusal.ts'

/** What the service says of a blob. */
interface Properties {
  readonly etag?: string | undefined
  readonly contentLength?: number | undefined
  readonly contentType?: string | undefined
  readonly cacheControl?: string | undefined
}

/** A blob's headers; undefined where there is none. */
export async function headBlob(
  calls: AzureCalls,
  key: string,
  { signal }: CallOptions = {},
): Promise<StoredHead | undefined> {
  const call: Call = { doing: `look at ${key}`, signal }
  return unlessMissing(async () => {
    const properties = await calls.run(call, async options => calls.blob(key).getProperties(options))
    return readHead(properties, call, calls)
  })
}

/** A small blob whole; undefined where there is none. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
export async function getBlob(
  calls: AzureCalls,
  key: string,
  { signal, limit }: CallOptions & { readonly limit: number },
): Promise<StoredContent | undefined> {
  const call: Call = { doing: `read ${key}`, signal }
  return unlessMissing(async () => {
    const answer = await calls.run(call, async options =>
      // The SDK would go on where an answer breaks off, by patience of its own.
      calls.blob(key).download(0, undefined, { ...options, maxRetryRequests: 0 }),
    )
    const head = readHead(answer, call, calls)
    if (head.size > limit) throw strangeAnswer({ ...call, place: calls.place }, `it has more than ${limit} bytes`)
    const chunks: Uint8Array[] = []
    for await (const chunk of answer.readableStreamBody ?? []) chunks.push(Buffer.from(chunk))
    return { ...head, bytes: Buffer.concat(chunks, head.size) }
  })
}

/** An entity tag without quotes: listings have none. */
export function bareEtag(etag: string): string {
  return etag.replace(/^W\/|"/g, '')
}

/** Runs what reads a blob: undefined where there is none. */
async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isMissingBlob(error)) return undefined
    throw error
  }
}

/** Whether the service says that there is no such blob, rather than no such container. */
export function isMissingBlob(error: unknown): boolean {
  const refusal = refusalOf(error)
  // An answer to HEAD has no body that could say more.
  return refusal?.status === 404 && refusal.foreign === undefined && ['', 'BlobNotFound'].includes(refusal.code)
}

function readHead(
  { etag, contentLength, contentType, cacheControl }: Properties,
  call: Call,
  calls: AzureCalls,
): StoredHead {
  if (etag === undefined || contentLength === undefined)
    throw strangeAnswer({ ...call, place: calls.place }, 'the answer has no ETag or no length')
  return {
    size: contentLength,
    etag: bareEtag(etag),
    ...(contentType === undefined ? {} : { contentType }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
  }
}
