import pLimit from 'p-limit'
import { RegistrishError } from '../../errors.ts'
import { plain } from '../../oci/digest.ts'
import type { CallOptions } from '../../oci/source.ts'
import { Refused } from '../refusal.ts'
import type { Call, S3Calls } from './calls.ts'
import { EMPTY_SHA256 } from './list.ts'
import { refusalOf } from './refusal.ts'

/** Most keys of one request (AWS S3, DeleteObjects). */
const MOST_KEYS = 1000

/** What deletes objects of one bucket. */
export type Deleter = (keys: readonly string[], options?: CallOptions & { readonly jobs?: number }) => Promise<void>

/** Makes a {@link Deleter}. It finds out by itself whether the store can delete many at once, and remembers. */
export function createDeleter(calls: S3Calls): Deleter {
  let isMany = true
  return async (keys, { signal, jobs = 16 } = {}) => {
    const limit = pLimit(jobs)
    let rest = keys
    while (isMany && rest.length > 1) {
      if (!(await deleteMany(calls, rest.slice(0, MOST_KEYS), signal))) isMany = false
      else rest = rest.slice(MOST_KEYS)
    }
    await Promise.all(rest.map(async key => limit(async () => deleteOne(calls, key, signal))))
  }
}

/** False where the store has no such request, or wants it with checksums that it alone knows. */
async function deleteMany(calls: S3Calls, keys: readonly string[], signal: AbortSignal | undefined): Promise<boolean> {
  const { bucket, connection, run } = calls
  const call: Call = { doing: `delete ${keys.length} objects`, action: 's3:DeleteObject', signal }
  let left = keys
  try {
    const { sdk, client } = await connection.load()
    await run(call, async () => {
      const command = new sdk.DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Quiet: true, Objects: left.map(Key => ({ Key })) },
      })
      const { Errors: errors = [] } = await client.send(command, signal === undefined ? {} : { abortSignal: signal })
      const failed = errors.filter(({ Code: code }) => code !== 'NoSuchKey')
      const passing = failed.filter(({ Code: code = '' }) => PASSING.has(code))
      if (failed.length > passing.length) throw keysRefused(bucket, failed)
      left = passing.flatMap(({ Key: key }) => (key === undefined ? [] : [key]))
      // As if all of the request had failed so: what is left is tried again.
      if (left.length > 0) throw new Refused({ status: 503, code: 'SlowDown', text: `${left.length} keys are left` })
    })
    return true
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal !== undefined && refusal.code !== 'NoSuchBucket' && POWERLESS.has(refusal.status)) return false
    throw error
  }
}

const PASSING = new Set(['InternalError', 'SlowDown', 'ServiceUnavailable', 'OperationAborted'])
/** A request that a store does not know at all, or whose checksum header it does not. */
const POWERLESS = new Set([400, 404, 405, 411, 501])

function keysRefused(
  bucket: string,
  errors: readonly {
    readonly Key?: string | undefined
    readonly Code?: string | undefined
    readonly Message?: string | undefined
  }[],
): RegistrishError {
  const [{ Key: key = '', Code: code = '', Message: message = '' } = {}] = errors
  const more = errors.length === 1 ? '' : ` and ${errors.length - 1} more`
  const isDenied = code === 'AccessDenied'
  return new RegistrishError(
    isDenied ? 'unauthorized' : 'bad-answer',
    `cannot delete ${plain(key)}${more} in s3://${bucket}: ${plain(code)}: ${plain(message)}`,
    {
      side: 'target',
      hint: isDenied
        ? `the credentials need s3:DeleteObject, and no object lock may hold them: registrish setup --s3 ${bucket} prints a policy`
        : 'run the same command again: what was deleted is not asked for again',
    },
  )
}

async function deleteOne(calls: S3Calls, key: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await requestDeletion(calls, key, signal)
  } catch (error) {
    if (refusalOf(error)?.code !== 'NoSuchKey') throw error
  }
}

/** Asks for the deletion of one object. */
export async function requestDeletion(calls: S3Calls, key: string, signal: AbortSignal | undefined): Promise<void> {
  const headers = { 'x-amz-content-sha256': EMPTY_SHA256 }
  await calls.run({ doing: `delete ${key}`, action: 's3:DeleteObject', signal }, async () => {
    const response = await calls.small({ method: 'DELETE', key, headers, signal })
    await response.discard()
  })
}
