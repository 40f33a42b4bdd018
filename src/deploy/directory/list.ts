import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode, throwIfAborted } from '../../errors.ts'
import type { CallOptions } from '../../oci/source.ts'
import type { StoredObject, StoredPage } from '../store.ts'
import { headFile } from './read.ts'

/** Entries of a page. */
const PAGE = 1000

interface Listing extends CallOptions {
  readonly prefix: string
  readonly delimiter: '/' | undefined
}

/** All files whose key begins with a prefix, in the order of keys. Hidden files and folders are none of ours: temporary files, `.registrish`, somebody's `.git`. */
export async function* listFiles(folder: string, listing: Listing): AsyncGenerator<StoredPage> {
  throwIfAborted(listing.signal)
  let [objects, prefixes]: [StoredObject[], string[]] = [[], []]
  for (const entry of walk(folder, '', listing)) {
    if (entry.endsWith('/')) prefixes.push(entry)
    else {
      const head = headFile(folder, entry)
      if (head !== undefined) objects.push({ key: entry, size: head.size, etag: head.etag })
    }
    if (objects.length + prefixes.length < PAGE) continue
    yield { objects, prefixes }
    ;[objects, prefixes] = [[], []]
    await setImmediate()
    throwIfAborted(listing.signal)
  }
  yield { objects, prefixes }
}

/** The keys of files below a folder (its key, with "/" at the end, or ''), and folders that stand for all below them. */
function* walk(folder: string, below: string, listing: Listing): Generator<string> {
  const { prefix, delimiter } = listing
  for (const entry of readFolder(join(folder, below))) {
    const key = `${below}${entry}`
    if (!key.startsWith(prefix) && !(entry.endsWith('/') && prefix.startsWith(key))) continue
    if (!entry.endsWith('/')) yield key
    else if (delimiter === undefined || key.length <= prefix.length) yield* walk(folder, key, listing)
    else if (walk(folder, key, { prefix: key, delimiter: undefined }).next().done !== true) yield key
  }
}

/** The names in a folder, those of folders with "/" at the end, in the order of the keys that begin with them. */
function readFolder(path: string): readonly string[] {
  return list(path)
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap(entry => (entry.isDirectory() ? [`${entry.name}/`] : isFile(entry) ? [entry.name] : []))
    .sort((one, other) => (one < other ? -1 : 1))
}

/** A link counts where it leads to a file within v2/, which is seen when it is looked at. */
function isFile(entry: Dirent): boolean {
  return entry.isFile() || entry.isSymbolicLink()
}

function list(path: string): readonly Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', path)
  }
}
