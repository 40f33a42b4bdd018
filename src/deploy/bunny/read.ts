import { digestOf, hexOf } from '../../oci/digest.ts'
import type { CallOptions } from '../../oci/source.ts'
import { callOf } from '../call-of.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import { readBody } from '../rest/read-body.ts'
import type { StoredContent } from '../store.ts'
import type { BunnyCalls } from './calls.ts'
import { type BunnyEntry, headOf, parseEntry } from './entry.ts'

/** Largest description that is read, in bytes. */
const LARGEST_ENTRY = 65_536
/** Times that a file may be written anew between two requests. */
const MOST_TRIES = 10

/** What the zone says of a path; undefined where nothing is. */
export async function findEntry(
  calls: BunnyCalls,
  path: string,
  { signal, doing = `look at ${path}` }: CallOptions & { readonly doing?: string } = {},
): Promise<BunnyEntry | undefined> {
  return unlessMissing(async () =>
    calls.run({ doing, signal }, async () => {
      const headers = { accept: 'application/json' }
      const response = await calls.send({ method: 'DESCRIBE', url: calls.url(path), headers, signal })
      const entry = parseText(await response.text(LARGEST_ENTRY))
      if (entry === undefined) throw strangeAnswer(doing, calls.words, 'what answers says nothing of a file')
      return entry
    }),
  )
}

/** A small file whole; undefined where there is none. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
export async function getFile(
  calls: BunnyCalls,
  path: string,
  { signal, limit }: CallOptions & { readonly limit: number },
): Promise<StoredContent | undefined> {
  const call: RestCall = { doing: `read ${path}`, signal }
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    const entry = await findEntry(calls, path, { doing: call.doing, ...callOf(signal) })
    if (entry === undefined || entry.isFolder) return undefined
    if (entry.size > limit) throw strangeAnswer(call.doing, calls.words, `it has more than ${limit} bytes`)
    const bytes = await unlessMissing(async () =>
      calls.run(call, async () => readBody(await calls.send({ url: calls.url(path), signal }), entry.size)),
    )
    if (bytes !== undefined && isOf(entry, bytes)) return { ...headOf(entry), bytes }
  }
  throw strangeAnswer(call.doing, calls.words, 'what it says of the file and the bytes of it do not go together')
}

/** Whether bytes are those that were described: another writer may have come in between. */
function isOf({ size, etag }: BunnyEntry, bytes: Uint8Array): boolean {
  return bytes.length === size && (!/^[0-9a-f]{64}$/.test(etag) || etag === hexOf(digestOf(bytes)))
}

function parseText(text: string): BunnyEntry | undefined {
  try {
    return parseEntry(JSON.parse(text))
  } catch {
    return undefined
  }
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    const refusal = refusalBehind(error)
    if (refusal?.status === 404 && refusal.foreign === undefined) return undefined
    throw error
  }
}
