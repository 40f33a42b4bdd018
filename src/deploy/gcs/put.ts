import { randomUUID } from 'node:crypto'
import { type Payload, preparePayload } from '../body.ts'
import { callOf } from '../call-of.ts'
import { md5Of } from '../content.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { createCounter } from '../rest/count.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { Condition, NewObject, PutOptions } from '../store.ts'
import type { GcsCalls } from './calls.ts'
import { OBJECT_FIELDS, parseObject, readJson } from './object.ts'
import { findObject } from './read.ts'

/** Largest resource that is read, in bytes. */
const LARGEST_RESOURCE = 65_536
/** What a policy of the organisation forbids is refused with the same status. */
const POLICY = 'orgPolicyConstraintFailed'

/** Writes an object in one request, with its headers and the MD5 that the service compares (Cloud Storage, "Uploads: multipart"). */
export async function putSmall(
  calls: GcsCalls,
  object: NewObject,
  { signal, condition, onBytes }: PutOptions,
): Promise<string | undefined> {
  const call: RestCall = { doing: `write ${object.key}`, signal }
  const payload = await preparePayload(object, {
    isChecked: async () => false,
    ...callOf(signal),
  })
  const bytes = await gather(payload)
  return whereItHolds(calls, { object, condition, signal }, async generation => {
    const url = calls.uploadUrl({ uploadType: 'multipart', ifGenerationMatch: generation, fields: OBJECT_FIELDS })
    const md5 = md5Of(bytes)
    const metadata = { ...metadataOf(object), ...(md5 === undefined ? {} : { md5Hash: base64(md5) }) }
    const { type, body } = joinParts(metadata, bytes)
    return calls.run(call, async () => {
      const counter = createCounter(onBytes)
      try {
        counter.count(bytes)
        const response = await calls.send({ method: 'POST', url, headers: { 'content-type': type }, body, signal })
        return await readEtag(
          calls,
          await readJson(response, { ...call, words: calls.words, limit: LARGEST_RESOURCE }),
          call,
        )
      } catch (error) {
        counter.takeBack()
        throw error
      }
    })
  })
}

/** What an object is to be served with, as a resource. */
export function metadataOf({
  key,
  contentType,
  cacheControl,
}: Omit<NewObject, 'body' | 'size'>): Readonly<Record<string, string>> {
  return { name: key, contentType, cacheControl }
}

/** The etag of the object that was written, as the answer states it. @throws RegistrishError `bad-answer`. */
async function readEtag(calls: GcsCalls, answer: unknown, { doing }: RestCall): Promise<string> {
  const written = parseObject(answer)
  if (written === undefined) throw strangeAnswer(doing, calls.words, 'the answer says nothing of what was written')
  return written.etag
}

/** A hash in hex as the service writes it. */
function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

interface Held {
  readonly object: Pick<NewObject, 'key'>
  readonly condition: Condition | undefined
  readonly signal: AbortSignal | undefined
}

/**
 * Runs a write that happens only if a condition holds: undefined where it does not. The service compares generations, we know the MD5 of bytes: so the object that
 * is there is looked at, and the write is for its generation, lest another comes in between (Cloud Storage, "Request preconditions").
 */
export async function whereItHolds<T>(
  calls: GcsCalls,
  { object, condition, signal }: Held,
  write: (generation: string | undefined) => Promise<T>,
): Promise<T | undefined> {
  if (condition === undefined) return write(undefined)
  const there =
    condition === 'absent'
      ? undefined
      : await findObject(calls, object.key, {
          doing: `write ${object.key}`,
          ...callOf(signal),
        })
  if (condition !== 'absent' && there?.etag !== condition.etag) return undefined
  try {
    return await write(there?.generation ?? '0')
  } catch (error) {
    const refusal = refusalBehind(error)
    const isHeld = refusal?.status === 412 && refusal.foreign === undefined
    if (isHeld && refusal.code !== POLICY) return undefined
    throw error
  }
}

async function gather(payload: Payload): Promise<Uint8Array> {
  const body = payload.open()
  if (body instanceof Uint8Array) return body
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A body of type multipart/related (RFC 2387): the resource, then the bytes. */
function joinParts(
  metadata: Readonly<Record<string, string>>,
  bytes: Uint8Array,
): { readonly type: string; readonly body: Uint8Array } {
  const boundary = `registrish-${randomUUID()}`
  const { contentType } = metadata
  const head = [
    `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${JSON.stringify(metadata)}\r\n`,
    `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`,
  ].join('')
  const body = Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)])
  return { type: `multipart/related; boundary=${boundary}`, body }
}
