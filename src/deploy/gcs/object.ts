import type { HttpResponse } from '../../http/client.ts'
import { isRecord } from '../../oci/descriptor.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer, type Words } from '../rest/errors.ts'
import type { StoredHead } from '../store.ts'

/** An object as the JSON API states it (Cloud Storage, "Objects: resource representations"). */
export interface GcsObject extends StoredHead {
  readonly key: string
  /** Another one each time something is written under the key. */
  readonly generation: string
}

/** What is asked for of an object; the rest of what could be told is ten times as long. */
export const OBJECT_FIELDS: string = 'name,size,md5Hash,generation,contentType,cacheControl'

/** Reads the JSON of an answer. @throws RegistrishError `bad-answer`. */
export async function readJson(
  response: HttpResponse,
  { doing, words, limit }: Pick<RestCall, 'doing'> & { readonly words: Words; readonly limit: number },
): Promise<unknown> {
  const text = await response.text(limit)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw strangeAnswer(doing, words, 'what answers is not JSON', error)
  }
}

/** Reads an object's resource; undefined for anything else. */
export function parseObject(value: unknown): GcsObject | undefined {
  if (!isRecord(value)) return undefined
  const { name, size, generation, md5Hash, contentType, cacheControl } = value
  if (typeof name !== 'string' || typeof generation !== 'string' || !/^\d+$/.test(String(size))) return undefined
  return {
    key: name,
    size: Number(size),
    generation,
    etag: etagOf(md5Hash, generation),
    ...(typeof contentType === 'string' ? { contentType } : {}),
    ...(typeof cacheControl === 'string' && cacheControl !== '' ? { cacheControl } : {}),
  }
}

/**
 * What stands for an object in conditions and comparisons: the MD5 of its bytes, as in listings of S3, so that what is the same is known without being read.
 * Objects that others have composed have none.
 */
function etagOf(md5Hash: unknown, generation: string): string {
  return typeof md5Hash === 'string' ? Buffer.from(md5Hash, 'base64').toString('hex') : `generation-${generation}`
}
