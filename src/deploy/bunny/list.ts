import type { CallOptions } from '../../oci/source.ts'
import { refusalBehind } from '../refusal.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { StoredObject, StoredPage } from '../store.ts'
import type { BunnyCalls } from './calls.ts'
import { type BunnyEntry, parseEntry } from './entry.ts'
import { keyOf } from './path.ts'

/** Largest answer that is read, in bytes: a folder is listed whole. 100,000 tags take 50 MB. */
const LARGEST_ANSWER = 256 * 1024 * 1024
/** Objects of a page. */
const PAGE = 1000

/**
 * Lists objects in the order of keys. A zone lists one folder at a time: each folder is a request, and those that cannot hold the prefix are not asked for.
 * A folder that is empty by now is a prefix all the same.
 */
export async function* listObjects(
  calls: BunnyCalls,
  prefix: string,
  { delimiter, signal }: CallOptions & { readonly delimiter?: '/' } = {},
): AsyncGenerator<StoredPage, void> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  for (const page of pagesOf(await listFolder(calls, folder, signal), { folder, prefix })) {
    if (delimiter !== undefined) {
      yield page
      continue
    }
    yield* below(calls, page, signal)
  }
}

/** A page with all that its folders hold in their places. */
async function* below(
  calls: BunnyCalls,
  { objects, prefixes }: StoredPage,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredPage, void> {
  const rest = [...objects]
  for (const folder of prefixes) {
    const index = rest.findIndex(({ key }) => isBefore(folder, key))
    const first = rest.splice(0, index < 0 ? rest.length : index)
    if (first.length > 0) yield { objects: first, prefixes: [] }
    yield* listObjects(calls, folder, signal === undefined ? {} : { signal })
  }
  if (rest.length > 0) yield { objects: rest, prefixes: [] }
}

/** The entries of one folder as pages, in the order of keys: a folder stands where the keys in it do. */
function* pagesOf(
  entries: readonly BunnyEntry[],
  { folder, prefix }: { readonly folder: string; readonly prefix: string },
): Generator<StoredPage, void> {
  const found = entries
    .map(entry => ({ key: keyOf(`${folder}${entry.name}${entry.isFolder ? '/' : ''}`), entry }))
    .filter(({ key }) => key.startsWith(prefix))
    .sort((one, other) => (isBefore(one.key, other.key) ? -1 : 1))
  for (let at = 0; at < found.length; at += PAGE) {
    const some = found.slice(at, at + PAGE)
    yield {
      objects: some.flatMap(({ key, entry }) => (entry.isFolder ? [] : [objectOf(key, entry)])),
      prefixes: some.flatMap(({ key, entry }) => (entry.isFolder ? [key] : [])),
    }
  }
}

function objectOf(key: string, { size, etag }: BunnyEntry): StoredObject {
  return { key, size, etag }
}

/** The order of keys is that of their bytes. */
function isBefore(one: string, other: string): boolean {
  return Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0
}

/** What one folder holds; nothing where there is no such folder. */
async function listFolder(
  calls: BunnyCalls,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<readonly BunnyEntry[]> {
  const call: RestCall = { doing: folder === '' ? 'list files' : `list ${folder}`, signal }
  try {
    return await calls.run(call, async () => {
      const headers = { accept: 'application/json' }
      const response = await calls.send({ url: calls.url(folder), headers, signal })
      const entries = parseEntries(await response.text(LARGEST_ANSWER))
      if (entries === undefined) throw strangeAnswer(call.doing, calls.words, 'what answers is no listing')
      return entries
    })
  } catch (error) {
    const refusal = refusalBehind(error)
    if (folder !== '' && refusal?.status === 404 && refusal.foreign === undefined) return []
    throw error
  }
}

function parseEntries(text: string): readonly BunnyEntry[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  const entries = (value as readonly unknown[]).map(parseEntry)
  return entries.every(entry => entry !== undefined) ? entries : undefined
}
