import type { HttpResponse } from '../../http/client.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { GcsCalls } from './calls.ts'
import type { Chunk } from './chunks.ts'
import { readJson } from './object.ts'

/** One chunk of an upload. */
export interface ChunkCall extends RestCall {
  readonly session: URL
  readonly chunk: Chunk
  /** Bytes of the whole file. */
  readonly size: number
  readonly headers: Readonly<Record<string, string>>
}

/** What a session says of itself: how many bytes it keeps, or what was written in the end. */
type State = { readonly kept: number } | { readonly written: unknown }

/** "Resume Incomplete". */
const INCOMPLETE = 308
const LARGEST_RESOURCE = 65_536
/** Times that a session may keep nothing of what it is sent. */
const MOST_IDLE = 5

/**
 * Sends a chunk, again from where the service has it where a try was cut off (Cloud Storage, "Resumable uploads"). Gives what the service says of the object
 * after the last one, else undefined. The URL of the session is a secret by itself: nothing else says who asks, wherever it leads.
 */
export async function sendChunk(calls: GcsCalls, call: ChunkCall): Promise<unknown> {
  const { chunk, doing } = call
  const end = chunk.offset + chunk.bytes.length
  let offset = chunk.offset
  for (let idle = 0; idle < MOST_IDLE; idle += 1) {
    const state = await calls.run(call, async tried => {
      const known = tried === 0 && offset < end ? { kept: offset } : await askState(calls, call)
      if ('written' in known) return known
      offset = checkOffset(calls, call, known.kept)
      return offset === end ? known : sendFrom(calls, call, offset)
    })
    if ('written' in state) return state.written
    if (checkOffset(calls, call, state.kept) === end && !chunk.isLast) return undefined
    if (state.kept > offset) idle = 0
    offset = state.kept
  }
  throw strangeAnswer(doing, calls.words, `the service keeps ${offset} bytes, and no more of what it is sent`)
}

/** What was kept before cannot be gone, and no more than was sent can be there. */
function checkOffset(calls: GcsCalls, { chunk, doing }: ChunkCall, kept: number): number {
  if (kept >= chunk.offset && kept <= chunk.offset + chunk.bytes.length) return kept
  throw strangeAnswer(doing, calls.words, `the service keeps ${kept} bytes, and was sent others`)
}

async function askState(calls: GcsCalls, call: ChunkCall): Promise<State> {
  return put(calls, call, { range: `bytes */${call.size}`, body: new Uint8Array(), headers: {} })
}

async function sendFrom(calls: GcsCalls, call: ChunkCall, offset: number): Promise<State> {
  const { chunk, size, headers } = call
  const body = chunk.bytes.subarray(offset - chunk.offset)
  return put(calls, call, { range: `bytes ${offset}-${offset + body.length - 1}/${size}`, body, headers })
}

interface Sent {
  readonly range: string
  readonly body: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

async function put(calls: GcsCalls, call: ChunkCall, { range, body, headers }: Sent): Promise<State> {
  const { session, signal, doing } = call
  const response = await calls.send({
    method: 'PUT',
    url: session,
    headers: { ...headers, 'content-range': range, 'content-length': `${body.length}` },
    body,
    signal,
    anonymous: true,
    accept: [INCOMPLETE],
  })
  if (response.status === INCOMPLETE) return { kept: await readKept(response) }
  return { written: await readJson(response, { doing, words: calls.words, limit: LARGEST_RESOURCE }) }
}

/** Without the header nothing is kept. */
async function readKept(response: HttpResponse): Promise<number> {
  await response.discard()
  const last = /^bytes=0-(\d+)$/.exec(response.header('range') ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}
