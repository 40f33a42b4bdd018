import pLimit from 'p-limit'
import { throwIfAborted } from '../../errors.ts'
import type { Environment } from '../../http/proxy.ts'
import { isFile } from '../body.ts'
import { type ConnectionOptions, retryOptionsOf } from '../connection.ts'
import type { ObjectStore } from '../store.ts'
import { type AzureCalls, createAzureCalls } from './calls.ts'
import { openBlobService } from './client.ts'
import { copyBlob } from './copy.ts'
import { findAccess, type LoadLogin } from './credentials.ts'
import { deleteBlobs } from './delete.ts'
import { azureError } from './errors.ts'
import { listBlobs } from './list.ts'
import { type AzurePlace, titleOf } from './place.ts'
import { putWhole } from './put.ts'
import { getBlob, headBlob } from './read.ts'
import { createTransport } from './transport.ts'
import { putInBlocks } from './upload.ts'

/** Which container, where, and how it is written to. Credentials are found as the `az` command names them. */
export interface AzureOptions extends AzurePlace, ConnectionOptions {
  /** Deletions at once. Default 16. */
  readonly jobs?: number
  /** Where credentials and the proxy variables are read. Default `process.env`. */
  readonly env?: Environment
  /** Files of more bytes are sent in blocks. Default 4 MiB: as much is held in memory for each that is sent. */
  readonly largestPut?: number
  /** Blobs of one answer of a listing. Default 5,000, the most that there is. */
  readonly pageSize?: number
  /** Where a login comes from. Default: `@azure/identity`, if it is installed. */
  readonly loadLogin?: LoadLogin
}

/** https://learn.microsoft.com/azure/storage/blobs/scalability-targets: 50,000 blocks of 4,000 MiB; a name has 1,024 characters. */
const LARGEST_BLOB = 50_000 * 4000 * 1024 * 1024
const LONGEST_NAME = 1024
const LARGEST_PUT = 4 * 1024 * 1024
const PAGE_SIZE = 5000
/** Files sent in blocks at once: each has some blocks in memory. */
const UPLOADS_AT_ONCE = 2

/**
 * Opens a container of Azure Blob Storage. Nothing is sent to it yet, but credentials are looked for.
 * @throws RegistrishError `unauthorized` where there are none, `usage` for those that make no sense.
 */
export async function openAzureStore(options: AzureOptions): Promise<ObjectStore> {
  const calls = await openAzureCalls(options)
  const uploads = pLimit(UPLOADS_AT_ONCE)
  const { jobs = 16, largestPut = LARGEST_PUT, pageSize = PAGE_SIZE, sleep } = options
  return {
    title: titleOf(options),
    limits: { largestObject: LARGEST_BLOB, longestKey: LONGEST_NAME },
    now: () => calls.transport.now(),
    list: (prefix, given) => listBlobs(calls, prefix, { ...given, pageSize }),
    head: async (key, given) => headBlob(calls, key, given),
    get: async (key, given) => getBlob(calls, key, given),
    async put(object, given = {}) {
      if (object.size <= largestPut || !isFile(object)) return putWhole(calls, object, given)
      return uploads(async () => {
        throwIfAborted(given.signal)
        return putInBlocks(calls, object, given)
      })
    },
    copy: async (from, to, given) => copyBlob(calls, { from, to }, { ...given, sleep }),
    delete: async (keys, given) => deleteBlobs(calls, keys, { ...given, jobs }),
    close: async () => calls.transport.close(),
  }
}

/** Opens the way to a container. Nothing is sent. @throws RegistrishError as {@link openAzureStore}. */
export async function openAzureCalls(options: AzureOptions): Promise<AzureCalls> {
  const { account, container, endpoint, env = process.env } = options
  const place: AzurePlace = { account, container, ...(endpoint === undefined ? {} : { endpoint }) }
  const access = await findAccess(place, env, options.loadLogin)
  const transport = createTransport(options)
  try {
    const service = await openBlobService(place, access, transport)
    return createAzureCalls({ place, service, transport }, retryOptionsOf(options))
  } catch (error) {
    await transport.close()
    throw azureError(error, { place, doing: 'log in' })
  }
}
