import { createHash, type Hash } from 'node:crypto'
import { type FileObject, readPieces } from '../body.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { PutOptions } from '../store.ts'
import type { GcsCalls } from './calls.ts'
import { chunksOf } from './chunks.ts'
import { type GcsObject, OBJECT_FIELDS, parseObject } from './object.ts'
import { metadataOf, whereItHolds } from './put.ts'
import { sendChunk } from './send-chunk.ts'

/** Milliseconds that ending an upload that failed may take: a session that is left ends by itself after a week. */
const CLEANING = 10_000
/** Times that an upload is begun: the service may lose a session (Cloud Storage, "Resumable uploads": 404 and 410). */
const MOST_SESSIONS = 3

export interface UploadOptions extends PutOptions {
  /** Bytes sent at once, and held in memory: a multiple of 256 KiB. */
  readonly chunk: number
}

/** Writes a large file in chunks; the last one, which makes it appear, is sent only when all are known to be right. */
export async function putLarge(
  calls: GcsCalls,
  object: FileObject,
  options: UploadOptions,
): Promise<string | undefined> {
  const { signal, condition } = options
  const call: RestCall = { doing: `write ${object.key}`, signal }
  return whereItHolds(calls, { object, condition, signal }, async generation => {
    for (let begun = 1; ; begun += 1) {
      const session = await beginSession(calls, object, { call, generation })
      try {
        return await sendFile(calls, object, { ...options, call, session })
      } catch (error) {
        await endSession(calls, session)
        const { status = 0, foreign } = refusalBehind(error) ?? {}
        const isLost = (status === 404 || status === 410) && foreign === undefined
        if (!isLost || begun === MOST_SESSIONS) throw error
      }
    }
  })
}

async function beginSession(
  calls: GcsCalls,
  object: FileObject,
  { call, generation }: { readonly call: RestCall; readonly generation: string | undefined },
): Promise<URL> {
  const { key: name, size, contentType } = object
  const query = { uploadType: 'resumable', name, ifGenerationMatch: generation, fields: OBJECT_FIELDS }
  return calls.run(call, async () => {
    const response = await calls.send({
      method: 'POST',
      url: calls.uploadUrl(query),
      signal: call.signal,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'x-upload-content-type': contentType,
        'x-upload-content-length': `${size}`,
      },
      body: JSON.stringify(metadataOf(object)),
    })
    await response.discard()
    const location = response.header('location') ?? ''
    if (!URL.canParse(location)) throw strangeAnswer(call.doing, calls.words, 'the answer names no session')
    return new URL(location)
  })
}

interface Sending extends UploadOptions {
  readonly call: RestCall
  readonly session: URL
}

async function sendFile(calls: GcsCalls, object: FileObject, sending: Sending): Promise<string> {
  const { call, session, signal, onBytes } = sending
  const { size, digest, body, key } = object
  const pieces = readPieces(body.file, { size, digest, signal, piece: Math.min(sending.chunk, PIECE) })
  const md5 = createMd5()
  let told = 0
  try {
    for await (const chunk of chunksOf(pieces, { size, chunk: sending.chunk })) {
      md5?.update(chunk.bytes)
      const sum = chunk.isLast ? md5?.digest('base64') : undefined
      const written = await sendChunk(calls, { ...call, session, size, chunk, headers: hashHeader(sum) })
      told += chunk.bytes.length
      onBytes?.(chunk.bytes.length)
      if (chunk.isLast) return await settle(calls, parseObject(written), { call, size, sum })
      if (written !== undefined) throw strangeAnswer(call.doing, calls.words, 'the upload was ended before its end')
    }
    throw strangeAnswer(call.doing, calls.words, `${key} was sent whole and is not there`)
  } catch (error) {
    if (told > 0) onBytes?.(-told)
    throw error
  }
}

/** Bytes read from a file at once. */
const PIECE = 1024 * 1024

/** The MD5 of what is sent; undefined where MD5 is forbidden (FIPS). */
function createMd5(): Hash | undefined {
  try {
    return createHash('md5')
  } catch {
    return undefined
  }
}

/** What the service compares before the object appears, with the last chunk: it is not known before. */
function hashHeader(sum: string | undefined): Readonly<Record<string, string>> {
  return sum === undefined ? {} : { 'x-goog-hash': `md5=${sum}` }
}

interface Settling {
  readonly call: RestCall
  readonly size: number
  /** MD5 of what was sent, in base64. */
  readonly sum: string | undefined
}

/** The etag of what was written. What does not compare checks nothing: what stands there then is taken away. */
async function settle(calls: GcsCalls, written: GcsObject | undefined, { call, size, sum }: Settling): Promise<string> {
  const { doing, words } = { ...call, words: calls.words }
  if (written === undefined) throw strangeAnswer(doing, words, 'the answer says nothing of what was written')
  const { key, generation, etag } = written
  const isOther =
    sum !== undefined && /^[0-9a-f]{32}$/.test(etag) && etag !== Buffer.from(sum, 'base64').toString('hex')
  if (written.size === size && !isOther) return etag
  const url = calls.url(key, { generation, ifGenerationMatch: generation })
  await calls.run(call, async () => {
    const response = await calls.send({ method: 'DELETE', url, signal: call.signal, accept: [404, 412] })
    await response.discard()
  })
  throw strangeAnswer(doing, words, 'the bytes were changed on the way, and what came was deleted again')
}

/** Tells the service that no more will come; does not throw. Its good answer is 499. */
async function endSession(calls: GcsCalls, session: URL): Promise<void> {
  try {
    const signal = AbortSignal.timeout(CLEANING)
    const response = await calls.send({ method: 'DELETE', url: session, anonymous: true, accept: [499], signal })
    await response.discard()
  } catch {
    // It ends by itself.
  }
}
