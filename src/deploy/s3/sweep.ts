import type { AbortMultipartUploadCommand, ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../oci/source.ts'
import { publicPrefix } from '../../tree/layout.ts'
import type { Call, S3Calls } from './calls.ts'
import { EMPTY_SHA256 } from './list.ts'
import { refusalOf } from './refusal.ts'

/** Uploads that were begun longer ago than this count as cut off, in ms. */
const LONG_AGO = 24 * 60 * 60 * 1000

/**
 * Removes the parts of uploads that nobody ended, as after `kill -9`; gives their number. Of those younger than a day nobody can tell whether they still run.
 * MinIO lists them by exact key alone, so that none are found there; it removes them by itself after a day.
 */
export async function sweepUploads(calls: S3Calls, { signal }: CallOptions = {}): Promise<number> {
  const { bucket, connection, transport } = calls
  const call: Call = { doing: 'look for uploads that were cut off', action: 's3:ListBucketMultipartUploads', signal }
  let swept = 0
  try {
    if (await hasNone(calls, call)) return 0
    const { sdk, client } = await connection.load()
    const options = signal === undefined ? {} : { abortSignal: signal }
    let [keyMarker, idMarker]: [string | undefined, string | undefined] = [undefined, undefined]
    for (;;) {
      const command = new sdk.ListMultipartUploadsCommand({
        Bucket: bucket,
        Prefix: publicPrefix,
        KeyMarker: keyMarker,
        UploadIdMarker: idMarker,
      })
      const answer: ListMultipartUploadsCommandOutput = await calls.run(call, async () => client.send(command, options))
      for (const { Key, UploadId, Initiated: begun } of answer.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || begun === undefined) continue
        if (transport.now() - begun.getTime() < LONG_AGO) continue
        if (await abort(calls, new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }), call)) swept += 1
      }
      const { NextKeyMarker: nextKey, NextUploadIdMarker: nextId, IsTruncated: isTruncated } = answer
      const isStuck = nextKey === keyMarker && nextId === idMarker
      if (isTruncated !== true || isStuck) return swept
      ;[keyMarker, idMarker] = [nextKey, nextId]
    }
  } catch (error) {
    // Whoever may not look, or has no such request, has nothing that could be swept.
    if (POWERLESS.has(refusalOf(error)?.status ?? 0)) return swept
    throw error
  }
}

/** By the small path: as a rule there is nothing, and that is told without the SDK. */
async function hasNone({ run, small }: S3Calls, call: Call): Promise<boolean> {
  const query = { uploads: '', prefix: publicPrefix }
  const headers = { 'x-amz-content-sha256': EMPTY_SHA256 }
  return run(call, async () => {
    const response = await small({ method: 'GET', query, headers, signal: call.signal })
    const xml = await response.text(LARGEST_ANSWER)
    return /<ListMultipartUploadsResult[\s>]/.test(xml) && !/<Upload[\s>]|<IsTruncated>\s*true/.test(xml)
  })
}

/** Of a listing of 1,000 uploads, in bytes: with keys of 1,024 bytes, each byte written as an entity, it is less. */
const LARGEST_ANSWER = 16 * 1024 * 1024

const POWERLESS = new Set([400, 403, 404, 405, 501])

/** False where it was gone by then. */
async function abort(
  { run, connection }: S3Calls,
  command: AbortMultipartUploadCommand,
  { signal }: Call,
): Promise<boolean> {
  const { client } = await connection.load()
  const call: Call = { doing: 'remove an upload that was cut off', action: 's3:AbortMultipartUpload', signal }
  try {
    await run(call, async () => client.send(command, signal === undefined ? {} : { abortSignal: signal }))
    return true
  } catch (error) {
    if (refusalOf(error)?.code === 'NoSuchUpload') return false
    throw error
  }
}
