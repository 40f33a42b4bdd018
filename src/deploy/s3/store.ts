import pLimit from 'p-limit'
import { isRegistrishError, RegistrishError, throwIfAborted } from '../../errors.ts'
import { isFile } from '../body.ts'
import { type ConnectionOptions, retryOptionsOf } from '../connection.ts'
import type { ObjectStore } from '../store.ts'
import { openS3Calls, type S3Calls } from './calls.ts'
import { copyObject } from './copy.ts'
import { createDeleter } from './delete.ts'
import { storeError } from './errors.ts'
import { listObjects } from './list.ts'
import type { Base, S3Place } from './place.ts'
import { checksHashes, putSmall, type S3PutOptions } from './put.ts'
import { getObject, headObject } from './read.ts'
import { sweepUploads } from './sweep.ts'
import { createTransport } from './transport.ts'
import { putLarge } from './upload.ts'

/** Which bucket, where, and how it is written to. Credentials are found as the AWS SDK finds them. */
export interface S3Options extends S3Place, ConnectionOptions {
  /** An access list for every object that is not secret: `public-read`. Default: none is sent, since new buckets refuse them. */
  readonly acl?: string
  /** Deletions at once where the store cannot delete many with one request. Default 16. */
  readonly jobs?: number
  /** Files of more bytes are sent in parts. Default 16 MiB. */
  readonly largestPut?: number
  /** Objects of more bytes are copied in parts. Default 5 GiB. */
  readonly largestCopy?: number
}

/** AWS S3, "Amazon S3 multipart upload limits"; compatible stores have the same or more. */
const LARGEST_OBJECT = 5 * 1024 ** 4
const LONGEST_KEY = 1024
const LARGEST_PUT = 16 * 1024 * 1024
/** Files sent in parts at once: each has some parts in memory. */
const UPLOADS_AT_ONCE = 3

/**
 * Opens a bucket of S3 or a compatible store. Nothing is sent to it yet, but credentials are looked for.
 * @throws RegistrishError `unauthorized` where there are none, `usage` for an endpoint that is no URL.
 */
export async function openS3Store(options: S3Options): Promise<ObjectStore> {
  const { bucket } = options
  checkEndpoint(options.endpoint)
  const calls = await open(options)
  const uploads = pLimit(UPLOADS_AT_ONCE)
  const deleteKeys = createDeleter(calls)
  const isChecked = createHashCheck(calls)
  const { acl, largestPut = LARGEST_PUT, largestCopy, jobs } = options
  const store: ObjectStore = {
    title: `s3://${bucket}`,
    limits: { largestObject: LARGEST_OBJECT, longestKey: LONGEST_KEY },
    now: () => calls.transport.now(),
    list: (prefix, given) => listObjects(calls, prefix, given),
    head: async (key, given) => headObject(calls, key, given),
    get: async (key, given) => getObject(calls, key, given),
    async put(object, given = {}) {
      const put: S3PutOptions = { ...given, acl, isChecked: async () => isChecked(given.signal) }
      if (object.size <= largestPut || !isFile(object)) return putSmall(calls, object, put)
      return uploads(async () => {
        throwIfAborted(given.signal)
        return putLarge(calls, object, put)
      })
    },
    copy: async (from, to, given) => copyObject(calls, { from, to }, { ...given, acl, largestCopy }),
    delete: async (keys, given) => deleteKeys(keys, { ...given, ...(jobs === undefined ? {} : { jobs }) }),
    sweep: async given => sweepUploads(calls, given),
    async close() {
      calls.connection.close()
      await calls.transport.close()
    },
  }
  const host = publicHost(bucket, calls.connection.base())
  if (host === undefined) return store
  // The region may turn out to be another.
  const get = (): string => publicHost(bucket, calls.connection.base()) ?? host
  return Object.defineProperty(store, 'publicHost', { get, enumerable: true })
}

async function open(options: S3Options): Promise<S3Calls> {
  const { bucket } = options
  const transport = createTransport(options)
  try {
    return await openS3Calls(options, transport, retryOptionsOf(options))
  } catch (error) {
    await transport.close()
    throw storeError(error, { bucket, doing: 'log in', action: 's3:ListBucket' })
  }
}

function checkEndpoint(endpoint: string | undefined): void {
  if (endpoint === undefined) return
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.password === '' && url.search === '')
    return
  throw new RegistrishError('usage', 'the endpoint of the store is not a URL that begins with https:// or http://', {
    side: 'target',
    hint: 'write it as --s3-endpoint https://host or http://host:port, without credentials',
  })
}

/** Asks the store once; what one asked for is then known to all. */
function createHashCheck(calls: S3Calls): (signal: AbortSignal | undefined) => Promise<boolean> {
  let answer: Promise<boolean> | undefined
  return async signal => {
    for (;;) {
      try {
        answer ??= checksHashes(calls, signal)
        return await answer
      } catch (error) {
        answer = undefined
        throwIfAborted(signal)
        // Whoever asked first may have been interrupted; nobody else was.
        if (!isRegistrishError(error, 'aborted')) throw error
      }
    }
  }
}

/** The host that stands for the bucket. A name with dots has none that a certificate fits. */
function publicHost(bucket: string, { url, isHost }: Base): string | undefined {
  if (isHost) return url.host
  return /\.amazonaws\.com(?:\.cn)?$/.test(url.hostname) && !bucket.includes('.') ? `${bucket}.${url.host}` : undefined
}
