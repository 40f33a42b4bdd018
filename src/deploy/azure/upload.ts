import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { type FileObject, readPieces } from '../body.ts'
import { withSignal } from '../call-of.ts'
import type { PutOptions } from '../store.ts'
import type { AzureCalls, Call } from './calls.ts'
import { conditionsOf, etagOf, headersOf, md5BytesOf, whereItHolds } from './put.ts'
import { refusalOf } from './refusal.ts'

/** Most blocks of a blob (REST API, "Scalability and performance targets for Blob storage"), and the size that blocks have where it suffices, in bytes: above 4 MiB the service takes them faster. */
const MOST_BLOCKS = 50_000
const BLOCK = 5 * 1024 * 1024
/** Blocks under way at once: each is in memory. */
const BLOCKS_AT_ONCE = 4
/** How often an upload is begun anew because another one of the same blob has ended first. */
const MOST_TRIES = 5

/**
 * Writes a large file in blocks, reading it once. They become a blob, at one moment, only when all of it is known to be right; those of an upload that
 * failed are nothing but paid for, and the service drops them a week later.
 */
export async function putInBlocks(
  calls: AzureCalls,
  object: FileObject,
  options: PutOptions,
): Promise<string | undefined> {
  return whereItHolds(options.condition, async () => {
    for (let tried = 1; ; tried += 1) {
      try {
        return await uploadOnce(calls, object, options)
      } catch (error) {
        // Whoever writes a blob drops all other blocks that wait for it.
        if (refusalOf(error)?.code !== 'InvalidBlockList' || tried === MOST_TRIES) throw error
        options.onBytes?.(-object.size)
      }
    }
  })
}

async function uploadOnce(calls: AzureCalls, object: FileObject, options: PutOptions): Promise<string> {
  const { key, size, body, digest } = object
  const { signal, condition, onBytes } = options
  const call: Call = { doing: `write ${key}`, signal }
  const piece = blockSizeFor(size)
  // Names that no other upload has: else blocks of one could end up in the blob of another.
  const upload = randomUUID()
  const names: string[] = []
  await stageAll(readPieces(body.file, { size, digest, signal, piece }), async (bytes, number, stopped) => {
    const name = blockName(upload, number)
    names[number] = name
    await stage(calls, { key, name, bytes, onBytes }, { ...call, signal: withSignal(signal, stopped) })
  })
  const { etag } = await calls.run(call, async given =>
    calls.blob(key).commitBlockList(names, {
      ...given,
      blobHTTPHeaders: headersOf(object),
      conditions: conditionsOf(condition),
    }),
  )
  return etagOf(etag, call, calls)
}

/** @internal for the tests: the size of an upload's blocks, in bytes. */
export function blockSizeFor(size: number): number {
  const mebibyte = 1024 * 1024
  return Math.max(BLOCK, Math.ceil(size / MOST_BLOCKS / mebibyte) * mebibyte)
}

/** All names of a blob's blocks must have one length (REST API, "Put Block"). */
function blockName(upload: string, number: number): string {
  return Buffer.from(`${upload}-${String(number).padStart(6, '0')}`).toString('base64')
}

interface Block {
  readonly key: string
  readonly name: string
  readonly bytes: Uint8Array
  readonly onBytes: PutOptions['onBytes']
}

async function stage(calls: AzureCalls, { key, name, bytes, onBytes }: Block, call: Call): Promise<void> {
  const md5 = md5BytesOf(bytes)
  await calls.run(call, async options => {
    onBytes?.(bytes.length)
    try {
      await calls.blob(key).stageBlock(name, bytes, bytes.length, {
        ...options,
        ...(md5 === undefined ? {} : { transactionalContentMD5: md5 }),
      })
    } catch (error) {
      onBytes?.(-bytes.length)
      throw error
    }
  })
}

/** Takes pieces as they are read and stages some at a time. The first failure ends all, and is thrown when they have ended. */
async function stageAll(
  pieces: AsyncGenerator<Uint8Array, void>,
  action: (bytes: Uint8Array, number: number, stopped: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const failures: unknown[] = []
  let count = 0
  const work = async (): Promise<void> => {
    try {
      for (;;) {
        const next = await pieces.next()
        if (next.done === true || failures.length > 0) return
        const number = count
        count += 1
        await action(next.value, number, stop.signal)
      }
    } catch (error) {
      failures.push(error)
      stop.abort()
    }
  }
  await Promise.all(Array.from({ length: BLOCKS_AT_ONCE }, work))
  await pieces.return()
  if (failures.length > 0) throw failures[0]
}
