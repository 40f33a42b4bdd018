import pLimit from 'p-limit'
import { throwIfAborted } from '../../errors.ts'
import { isFile } from '../body.ts'
import type { ConnectionOptions } from '../connection.ts'
import { forEach } from '../for-each.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import type { ObjectStore } from '../store.ts'
import { type GcsCalls, type GcsPlace, openGcsCalls } from './calls.ts'
import { copyObject } from './copy.ts'
import { isMissing } from './errors.ts'
import { listObjects } from './list.ts'
import { putSmall } from './put.ts'
import { findObject, getObject, headOf } from './read.ts'
import { publicHostOf } from './target.ts'
import type { Authorize } from './token.ts'
import { putLarge } from './upload.ts'

/** Which bucket, where, and how it is written to. */
export interface GcsOptions extends GcsPlace, ConnectionOptions {
  /** Deletions at once. Default 16. */
  readonly jobs?: number
  /** Who asks. Default: nobody where it is anonymous, else Application Default Credentials. */
  readonly authorize?: Authorize
  /** Files of more bytes are sent in chunks. Default 4 MiB. */
  readonly largestPut?: number
  /** Bytes of a chunk, a multiple of 256 KiB. Default 8 MiB. */
  readonly chunk?: number
}

/** Cloud Storage, "Quotas & limits". */
const LARGEST_OBJECT = 5 * 1024 ** 4
const LONGEST_KEY = 1024
const LARGEST_PUT = 4 * 1024 * 1024
const CHUNK = 8 * 1024 * 1024
/** Files sent in chunks at once: each has one in memory. */
const UPLOADS_AT_ONCE = 3

/**
 * Opens a bucket of Google Cloud Storage by its JSON API; nothing is sent yet. Conditions hold: each is a generation of an object. What uploads that were cut off
 * leave, the service removes after a week.
 */
export function openGcsStore(options: GcsOptions): ObjectStore {
  const { largestPut = LARGEST_PUT, chunk = CHUNK, jobs = 16 } = options
  const calls = openGcsCalls(options, options)
  const uploads = pLimit(UPLOADS_AT_ONCE)
  const host = publicHostOf(options)
  return {
    title: calls.words.title,
    limits: { largestObject: LARGEST_OBJECT, longestKey: LONGEST_KEY },
    ...(host === undefined ? {} : { publicHost: host }),
    now: () => calls.now(),
    list: (prefix, given) => listObjects(calls, prefix, given),
    async head(key, given) {
      const object = await findObject(calls, key, given)
      return object === undefined ? undefined : headOf(object)
    },
    get: async (key, given) => getObject(calls, key, given),
    async put(object, given = {}) {
      if (object.size <= largestPut || !isFile(object)) return putSmall(calls, object, given)
      return uploads(async () => {
        throwIfAborted(given.signal)
        return putLarge(calls, object, { ...given, chunk })
      })
    },
    copy: async (from, to, given) => copyObject(calls, { from, to }, given),
    delete: async (keys, { signal } = {}) => forEach(keys, jobs, async key => deleteObject(calls, key, signal)),
    close: async () => calls.close(),
  }
}

async function deleteObject(calls: GcsCalls, key: string, signal: AbortSignal | undefined): Promise<void> {
  const call: RestCall = { doing: `delete ${key}`, signal }
  try {
    await calls.run(call, async () => {
      const response = await calls.send({ method: 'DELETE', url: calls.url(key), signal })
      await response.discard()
    })
  } catch (error) {
    const refusal = refusalBehind(error)
    if (refusal === undefined || !isMissing(refusal)) throw error
  }
}
