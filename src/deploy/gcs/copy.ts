import { isRecord } from '../../oci/descriptor.ts'
import type { CallOptions } from '../../oci/source.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { ObjectHead } from '../store.ts'
import type { GcsCalls } from './calls.ts'
import { readJson } from './object.ts'
import { metadataOf } from './put.ts'
import { findObject } from './read.ts'

const LARGEST_RESOURCE = 65_536
/** Requests that one copy may take: each moves at least a mebibyte, and most move all. */
const MOST_STEPS = 10_000

/** Has the service copy an object within the bucket, with the headers of `to` (Cloud Storage, "Objects: rewrite"); false where it cannot. */
export async function copyObject(
  calls: GcsCalls,
  { from, to }: { readonly from: string; readonly to: ObjectHead },
  options: CallOptions = {},
): Promise<boolean> {
  const { signal } = options
  const call: RestCall = { doing: `copy ${from} to ${to.key}`, signal }
  const source = await findObject(calls, from, { ...options, doing: call.doing })
  if (source === undefined || source.size !== to.size) return false
  let rewriteToken: string | undefined
  try {
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const url = calls.rewriteUrl(from, to.key, { ifSourceGenerationMatch: source.generation, rewriteToken })
      const answer = await rewrite(calls, call, { url, to })
      if (answer.done) return true
      rewriteToken = answer.rewriteToken
    }
  } catch (error) {
    if (isPowerless(error)) return false
    throw error
  }
  throw strangeAnswer(call.doing, calls.words, 'the copy does not end')
}

type Answer = { readonly done: true } | { readonly done: false; readonly rewriteToken: string }

async function rewrite(
  calls: GcsCalls,
  call: RestCall,
  { url, to }: { readonly url: URL; readonly to: ObjectHead },
): Promise<Answer> {
  return calls.run(call, async () => {
    const response = await calls.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(metadataOf(to)),
      signal: call.signal,
    })
    const answer = await readJson(response, { doing: call.doing, words: calls.words, limit: LARGEST_RESOURCE })
    const { done, rewriteToken } = isRecord(answer) ? answer : {}
    if (done === true) return { done }
    if (done === false && typeof rewriteToken === 'string') return { done, rewriteToken }
    throw strangeAnswer(call.doing, calls.words, 'the answer does not say how far the copy is')
  })
}

/** What is answered where the source has changed or gone just now, or may not be read: sending will tell. */
function isPowerless(error: unknown): boolean {
  const refusal = refusalBehind(error)
  return refusal !== undefined && refusal.foreign === undefined && [403, 404, 412].includes(refusal.status)
}
