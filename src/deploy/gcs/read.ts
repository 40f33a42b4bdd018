import type { CallOptions } from '../../oci/source.ts'
import { callOf } from '../call-of.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import { readBody } from '../rest/read-body.ts'
import type { StoredContent, StoredHead } from '../store.ts'
import type { GcsCalls } from './calls.ts'
import { isMissing } from './errors.ts'
import { type GcsObject, OBJECT_FIELDS, parseObject, readJson } from './object.ts'

/** Largest resource that is read, in bytes. */
const LARGEST_RESOURCE = 65_536
/** Times that an object may be written anew between two requests. */
const MOST_TRIES = 10

/** What the service says of an object; undefined where there is none. */
export async function findObject(
  calls: GcsCalls,
  key: string,
  { signal, doing = `look at ${key}` }: CallOptions & { readonly doing?: string } = {},
): Promise<GcsObject | undefined> {
  const call: RestCall = { doing, signal }
  return unlessMissing(async () =>
    calls.run(call, async () => {
      const url = calls.url(key, { fields: OBJECT_FIELDS, prettyPrint: 'false' })
      const response = await calls.send({ url, signal })
      const answer = await readJson(response, { doing, words: calls.words, limit: LARGEST_RESOURCE })
      const object = parseObject(answer)
      if (object === undefined) throw strangeAnswer(doing, calls.words, 'what answers says nothing of an object')
      return object
    }),
  )
}

/** What of an object a store tells. */
export function headOf({ size, etag, contentType, cacheControl }: GcsObject): StoredHead {
  return {
    size,
    etag,
    ...(contentType === undefined ? {} : { contentType }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
  }
}

/**
 * A small object whole; undefined where there is none. Its headers first, then the bytes of that generation: an answer with bytes does not tell the cache life of
 * the object, but that of the answer. @throws RegistrishError `bad-answer` beyond `limit` bytes.
 */
export async function getObject(
  calls: GcsCalls,
  key: string,
  { signal, limit }: CallOptions & { readonly limit: number },
): Promise<StoredContent | undefined> {
  const call: RestCall = { doing: `read ${key}`, signal }
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    const object = await findObject(calls, key, { doing: call.doing, ...callOf(signal) })
    if (object === undefined) return undefined
    if (object.size > limit) throw strangeAnswer(call.doing, calls.words, `it has more than ${limit} bytes`)
    const bytes = await readGeneration(calls, object, call)
    if (bytes !== undefined) return { ...headOf(object), bytes }
  }
  throw strangeAnswer(call.doing, calls.words, 'others write it all the time')
}

/** The bytes of one generation; undefined where it is gone, since another was written. */
async function readGeneration(
  calls: GcsCalls,
  { key, generation, size }: GcsObject,
  call: RestCall,
): Promise<Uint8Array | undefined> {
  const { signal, doing } = call
  try {
    return await calls.run(call, async () => {
      const response = await calls.send({ url: calls.url(key, { alt: 'media', generation }), signal })
      const bytes = await readBody(response, size)
      if (bytes?.length !== size) throw strangeAnswer(doing, calls.words, `it is not of ${size} bytes`)
      return bytes
    })
  } catch (error) {
    // This one refusal is in plain text.
    if (refusalBehind(error)?.status === 404) return undefined
    throw error
  }
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    const refusal = refusalBehind(error)
    if (refusal !== undefined && isMissing(refusal)) return undefined
    throw error
  }
}
