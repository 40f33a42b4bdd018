import { setTimeout as delayFor } from 'node:timers/promises'
import { throwIfAborted } from '../../errors.ts'
import type { Sleep } from '../../http/retry.ts'
import type { CallOptions } from '../../oci/source.ts'
import type { ObjectHead, StoredHead } from '../store.ts'
import type { AzureCalls, Call } from './calls.ts'
import { headersOf } from './put.ts'
import { headBlob } from './read.ts'
import { refusalOf } from './refusal.ts'

export interface AzureCopyOptions extends CallOptions {
  /** How pauses between looks are waited for. Default: a timer. */
  readonly sleep?: Sleep | undefined
}

/** Milliseconds between two looks at a copy that takes its time; within an account few do. */
const PAUSE = 1000

/**
 * Has the service copy a blob within its account (Copy Blob), false where it cannot. A copy has the headers of what was copied: others are given to it after
 * that. It is not on this machine to end a copy that was begun: the service does.
 */
export async function copyBlob(
  calls: AzureCalls,
  { from, to }: { readonly from: string; readonly to: ObjectHead },
  options: AzureCopyOptions = {},
): Promise<boolean> {
  const { signal } = options
  const call: Call = { doing: `copy ${from} to ${to.key}`, signal }
  try {
    const head = await headBlob(calls, from, signal === undefined ? {} : { signal })
    if (head === undefined || head.size !== to.size) return false
    if (from !== to.key && !(await copy(calls, { from, to: to.key, etag: head.etag }, { call, ...options })))
      return false
    if (!hasHeaders(head, to))
      await calls.run(call, async given => calls.blob(to.key).setHTTPHeaders(headersOf(to), given))
    return true
  } catch (error) {
    if (isPowerless(error)) return false
    throw error
  }
}

function hasHeaders(head: StoredHead, { contentType, cacheControl }: ObjectHead): boolean {
  return head.contentType === contentType && head.cacheControl === cacheControl
}

interface Copy {
  readonly from: string
  readonly to: string
  readonly etag: string
}

/** False where the service began and gave up: what stands there then has no bytes. */
async function copy(
  calls: AzureCalls,
  { from, to, etag }: Copy,
  { call, sleep = pause }: AzureCopyOptions & { readonly call: Call },
): Promise<boolean> {
  const { signal } = call
  const target = calls.blob(to)
  try {
    await calls.run(call, async options =>
      // Only begun by it: the SDK would look after it by patience of its own.
      target.beginCopyFromURL(calls.blob(from).url, { ...options, sourceConditions: { ifMatch: `"${etag}"` } }),
    )
  } catch (error) {
    // Begun by a try whose answer was lost, or by another deploy of the same bytes: until it ends, nothing else can be written there.
    if (refusalOf(error)?.code !== 'PendingCopyOperation') throw error
  }
  for (;;) {
    const { copyStatus } = await calls.run(call, async options => target.getProperties(options))
    if (copyStatus !== 'pending') return copyStatus === 'success'
    await sleep(PAUSE, signal)
    throwIfAborted(signal)
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<unknown> {
  return delayFor(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
}

/**
 * What is answered where a copy may not be made, or its source was changed or deleted just now, or its URL is too long: whatever else was wrong, sending
 * will tell.
 */
function isPowerless(error: unknown): boolean {
  const refusal = refusalOf(error)
  if (refusal === undefined || refusal.foreign !== undefined || refusal.code === 'ContainerNotFound') return false
  return [400, 403, 404, 405, 409, 412, 501].includes(refusal.status)
}
