import { Readable } from 'node:stream'
import type {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  CreateMultipartUploadCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import { isRegistrishError, throwIfAborted } from '../../errors.ts'
import { readPieces } from '../body.ts'
import type { NewObject } from '../store.ts'
import type { Call, S3Calls } from './calls.ts'
import { storeError, strangeAnswer } from './errors.ts'
import { bareEtag } from './list-xml.ts'
import { type S3PutOptions, whereItHolds } from './put.ts'
import { headObject } from './read.ts'
import { refusalOf } from './refusal.ts'

/** Most parts of an upload (AWS S3, "Amazon S3 multipart upload limits"), and the size that parts have where it suffices, in bytes. */
const MOST_PARTS = 10_000
const PART = 8 * 1024 * 1024
/** Parts under way at once, and bytes of them: each is in memory. */
const PARTS_AT_ONCE = 4
const BYTES_AT_ONCE = 64 * 1024 * 1024
/** How long the parts of a failed upload are tried to be removed, in ms, and how often. */
const CLEANING = 10_000
/** How long the beginning of an upload is waited for by those who were interrupted, in ms. */
const ANSWERING = 5000
const CLEANINGS = 3

/** The size of the parts of an upload, in bytes; all but the last have it. */
export function partSizeFor(size: number, part: number = PART): number {
  const mebibyte = 1024 * 1024
  return Math.max(part, Math.ceil(size / MOST_PARTS / mebibyte) * mebibyte)
}

/** Writes a large file in parts, reading it once; the object appears only when all of it is known to be right. */
export async function putLarge(
  calls: S3Calls,
  object: NewObject & { readonly body: { readonly file: string } },
  options: S3PutOptions,
): Promise<string | undefined> {
  const { Upload } = await import('@aws-sdk/lib-storage')
  const { key, size, body, contentType, cacheControl, digest, secret = false } = object
  const { acl, condition, signal } = options
  const partSize = partSizeFor(size)
  const pieces = readPieces(body.file, { size, digest, signal, piece: 1024 * 1024 })
  const upload = new Upload({
    client: await clientFor(calls, object, options),
    partSize,
    queueSize: Math.max(1, Math.min(PARTS_AT_ONCE, Math.floor(BYTES_AT_ONCE / partSize))),
    params: {
      Bucket: calls.bucket,
      Key: key,
      ContentType: contentType,
      CacheControl: cacheControl,
      Body: Readable.from(countPieces(pieces, options.onBytes), { highWaterMark: 1 }),
      ...(acl === undefined || secret ? {} : { ACL: acl as 'public-read' }),
      ...(condition === 'absent' ? { IfNoneMatch: '*' } : {}),
      ...(typeof condition === 'object' ? { IfMatch: `"${condition.etag}"` } : {}),
    },
  })
  const about = { doing: `write ${key}`, action: 's3:PutObject', bucket: calls.bucket }
  return whereItHolds(condition, async () => {
    try {
      const { ETag: etag } = await upload.done()
      if (etag === undefined) throw strangeAnswer(about, 'the answer has no ETag')
      return bareEtag(etag)
    } catch (error) {
      throw storeError(error, about)
    }
  })
}

/**
 * A client for one upload: its requests are repeated and end with the signal as all others do, but for the one that removes the parts of an upload
 * that failed. That one must neither wait long nor hide what failed; what it leaves behind is swept later.
 */
async function clientFor(calls: S3Calls, object: NewObject, { signal, condition }: S3PutOptions): Promise<S3Client> {
  const { client, sdk } = await calls.connection.load()
  const call: Call = { doing: `write ${object.key}`, action: 's3:PutObject', signal }
  const send = async (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    if (command instanceof sdk.AbortMultipartUploadCommand) return removeParts(client, command)
    if (command instanceof sdk.CreateMultipartUploadCommand) return createUpload(calls, command, call)
    let tries = 0
    return calls.run(call, async () => {
      tries += 1
      try {
        return await client.send(command, signal === undefined ? {} : { abortSignal: signal })
      } catch (error) {
        const isRepeated = tries > 1 && command instanceof sdk.CompleteMultipartUploadCommand
        const etag = isRepeated && isGone(error) && condition === undefined ? await written(calls, object) : undefined
        if (etag === undefined) throw error
        return { ETag: etag }
      }
    })
  }
  return Object.create(client, { send: { value: send } }) as S3Client
}

/** Begins an upload. Its answer is waited for even by those who are interrupted: without it the upload could not be ended. */
export async function createUpload(
  { run, connection }: S3Calls,
  command: CreateMultipartUploadCommand,
  call: Call,
): Promise<CreateMultipartUploadCommandOutput> {
  const { client } = await connection.load()
  throwIfAborted(call.signal)
  const patience = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const wait = (): void => {
    timer = setTimeout(() => patience.abort(call.signal?.reason), ANSWERING)
  }
  call.signal?.addEventListener('abort', wait, { once: true })
  try {
    const { signal } = patience
    return await run({ ...call, signal }, async () => client.send(command, { abortSignal: signal }))
  } finally {
    call.signal?.removeEventListener('abort', wait)
    clearTimeout(timer)
  }
}

function isGone(error: unknown): boolean {
  return refusalOf(error)?.code === 'NoSuchUpload'
}

/** The etag of an object that an upload wrote although its answer was lost: only uploads in parts give etags with a number of parts. */
async function written(calls: S3Calls, { key, size }: NewObject): Promise<string | undefined> {
  const head = await headObject(calls, key)
  return head !== undefined && head.size === size && /-\d+$/.test(head.etag) ? head.etag : undefined
}

/** Removes the parts of an upload that failed; does not throw. */
export async function removeParts(client: S3Client, command: AbortMultipartUploadCommand): Promise<void> {
  const abortSignal = AbortSignal.timeout(CLEANING)
  for (let tried = 0; tried < CLEANINGS; tried += 1) {
    try {
      await client.send(command, { abortSignal })
      return
    } catch (error) {
      if (isRegistrishError(error, 'aborted') || isGone(error)) return
    }
  }
}

async function* countPieces(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: ((bytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    onBytes?.(piece.length)
    yield piece
  }
}
