import { setTimeout as delay } from 'node:timers/promises'
import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Content } from '../oci/source.ts'
import type { BlobWriter } from '../tree/tree.ts'
import type { CopyContext, CopyRequest } from './context.ts'

/** A blob on its way: who asked for it, and where it is written to. */
export interface Transfer {
  readonly request: CopyRequest
  readonly descriptor: Descriptor
  readonly writer: BlobWriter
}

/** First and longest pause before a broken transfer is taken up again, in ms; each is twice the one before. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000

/**
 * Transfers a blob in as many pieces as the connection breaks it into, and verifies it. What an earlier run left is fetched anew where the
 * whole does not match.
 * @throws RegistrishError `size-mismatch`, `digest-mismatch`, `bad-answer`, and what the source throws.
 */
export async function transferBlob(context: CopyContext, transfer: Transfer): Promise<void> {
  const { descriptor, writer } = transfer
  let resumed = writer.offset > 0
  let failures = 0
  for (;;) {
    const before = writer.offset
    try {
      if (writer.offset < descriptor.size || descriptor.size === 0) await transferRest(context, transfer)
      await writer.stage()
      return
    } catch (error) {
      if (resumed && isRegistrishError(error, 'digest-mismatch')) {
        resumed = false
        context.onProgress({ type: 'blob-bytes', digest: descriptor.digest, bytes: -descriptor.size })
        await writer.restart()
        continue
      }
      if (!isRegistrishError(error, 'unreachable', 'timeout') || context.signal.aborted) throw error
      failures = writer.offset > before ? 1 : failures + 1
      if (failures > (context.options.retryTimes ?? 3)) throw error
      const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
      context.onProgress({ type: 'retry', what: `blob ${descriptor.digest}`, reason: error.message, delay: pause })
      await delay(pause, undefined, { signal: context.signal })
    }
  }
}

async function transferRest(context: CopyContext, transfer: Transfer): Promise<void> {
  const { source, totals, onProgress } = context
  const { descriptor, writer } = transfer
  const { digest, size } = descriptor
  const body = await openRest(context, transfer)
  const start = writer.offset
  for await (const chunk of body) {
    if (writer.offset + chunk.length > size) throw await sizeMismatch(transfer, `${source.title} sends more`)
    totals.bytesFetched += chunk.length
    await writer.write(chunk)
    onProgress({ type: 'blob-bytes', digest, bytes: chunk.length })
  }
  if (writer.offset === size) return
  if (writer.offset === start) throw await sizeMismatch(transfer, `${source.title} holds ${start} only`)
  throw new RegistrishError(
    'unreachable',
    `${source.title} ended blob ${digest} after ${writer.offset} of ${size} bytes`,
    {
      side: 'source',
      hint: 'run the same command again: what was downloaded is kept and resumed',
    },
  )
}

/** Opens what is missing; where the source begins elsewhere, all of it. */
async function openRest(context: CopyContext, transfer: Transfer): Promise<Content['body']> {
  const { descriptor, writer } = transfer
  const wanted = writer.offset
  const first = await openAt(context, transfer)
  if (first.offset === wanted) return first.body
  context.onProgress({ type: 'blob-bytes', digest: descriptor.digest, bytes: -wanted })
  await writer.restart()
  if (first.offset === 0) return first.body
  await leave(first)
  const second = wanted === 0 ? first : await openAt(context, transfer)
  if (second.offset === 0) return second.body
  if (second !== first) await leave(second)
  throw new RegistrishError(
    'bad-answer',
    `${context.source.title} sends blob ${descriptor.digest} from byte ${second.offset} on, where it was asked for all of it`,
    { side: 'source', hint: 'the source, or a proxy in between, mishandles Range requests' },
  )
}

function openAt({ source, signal }: CopyContext, { request, descriptor, writer }: Transfer): Promise<Content> {
  return source.open(request.repository, descriptor, { kind: 'blob', offset: writer.offset, reuse: true, signal })
}

/** Releases a body that nobody wants. */
async function leave({ body }: Content): Promise<void> {
  for await (const _ of body) return
}

/** Drops what was written, which cannot be the beginning of that blob. */
async function sizeMismatch({ descriptor, writer }: Transfer, but: string): Promise<RegistrishError> {
  await writer.restart()
  return new RegistrishError(
    'size-mismatch',
    `blob ${descriptor.digest} should have ${descriptor.size} bytes, but ${but}`,
    {
      side: 'source',
      hint: 'the source is damaged or something on the way changes its answers; nothing of it was kept',
    },
  )
}
