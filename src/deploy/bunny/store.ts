import { RegistrishError } from '../../errors.ts'
import { preparePayload } from '../body.ts'
import { callOf } from '../call-of.ts'
import type { ConnectionOptions } from '../connection.ts'
import { forEach } from '../for-each.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { createCounter } from '../rest/count.ts'
import type { NewObject, ObjectStore, PutOptions } from '../store.ts'
import { type BunnyCalls, type BunnyPlace, openBunnyCalls } from './calls.ts'
import { headOf } from './entry.ts'
import { listObjects } from './list.ts'
import { pathOf, whyNoFile } from './path.ts'
import { findEntry, getFile } from './read.ts'

/** Which storage zone, where, and how it is written to. */
export interface BunnyOptions extends BunnyPlace, ConnectionOptions {
  /** Password of the storage zone. */
  readonly password: string
  /** Deletions at once. Default 16. */
  readonly jobs?: number
}

/** No limit is published; what S3 and its relatives hold. */
const LARGEST_OBJECT = 5 * 1024 ** 4
/** No limit is published; what a file system's path has. */
const LONGEST_KEY = 1024

/**
 * Opens a storage zone of bunny.net; nothing is sent yet. It keeps no conditions, no cache life and makes no copies; it compares what it is sent with the digest
 * that comes along. Nothing is left of a write that was cut off.
 */
export function openBunnyStore(options: BunnyOptions): ObjectStore {
  const calls = openBunnyCalls(options, options)
  const { jobs = 16 } = options
  return {
    title: calls.words.title,
    limits: { largestObject: LARGEST_OBJECT, longestKey: LONGEST_KEY, forbidden: whyNoFile },
    now: () => calls.now(),
    list: (prefix, given) => listObjects(calls, prefix, given),
    async head(key, given) {
      const entry = await findEntry(calls, pathOf(key), given)
      return entry === undefined || entry.isFolder ? undefined : headOf(entry)
    },
    get: async (key, given) => getFile(calls, pathOf(key), given),
    put: async (object, given) => put(calls, object, given),
    delete: async (keys, { signal } = {}) => forEach(keys, jobs, async key => deleteFile(calls, pathOf(key), signal)),
    close: async () => calls.close(),
  }
}

/** Writes a file in one request, whatever its size, with the SHA-256 that the zone compares (bunny.net, Edge Storage API: "Upload File"). */
async function put(
  calls: BunnyCalls,
  object: NewObject,
  { signal, condition, onBytes }: PutOptions = {},
): Promise<string> {
  const { key, size, contentType } = object
  if (condition !== undefined) throw noConditions(calls, key)
  const call: RestCall = { doing: `write ${key}`, signal }
  const url = calls.url(pathOf(key))
  const payload = await preparePayload(object, { isChecked: async () => false, ...callOf(signal) })
  const headers = {
    checksum: payload.sha256.toUpperCase(),
    'content-type': 'application/octet-stream',
    'override-content-type': contentType,
    'content-length': `${size}`,
  }
  return calls.run(call, async () => {
    const counter = createCounter(onBytes)
    try {
      const body = counter.count(payload.open())
      const response = await calls.send({ method: 'PUT', url, headers, body, signal })
      await response.discard()
      return payload.sha256
    } catch (error) {
      counter.takeBack()
      throw error
    }
  })
}

function noConditions({ words }: BunnyCalls, key: string): RegistrishError {
  return new RegistrishError(
    'unsupported',
    `${words.title} keeps no conditions, so ${key} cannot be written under one`,
    {
      side: 'target',
      hint: 'let one deploy run at a time',
    },
  )
}

/** Deletes a file, never a folder: what is in one would go with it, unasked. */
async function deleteFile(calls: BunnyCalls, path: string, signal: AbortSignal | undefined): Promise<void> {
  const call: RestCall = { doing: `delete ${path}`, signal }
  const entry = await findEntry(calls, path, { doing: call.doing, ...callOf(signal) })
  if (entry === undefined || entry.isFolder) return
  try {
    await calls.run(call, async () => {
      const response = await calls.send({ method: 'DELETE', url: calls.url(path), signal })
      await response.discard()
    })
  } catch (error) {
    const refusal = refusalBehind(error)
    if (refusal?.status !== 404 || refusal.foreign !== undefined) throw error
  }
}
