import { RegistrishError } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import type { LocalRepository } from './content.ts'
import type { StoreListing } from './listing.ts'
import type { Condition, NewObject, ObjectHead, ObjectStore, StoredContent, StoredHead } from './store.ts'

/** Bytes of a document, at most: a list of a million tags. */
export const LARGEST_DOCUMENT: number = 64 * 1024 * 1024

/** A document of a store, made of what the tree and the store hold together, so that writers at once never lose each other's entries. */
export interface StoreDocument {
  readonly head: Omit<ObjectHead, 'size'>
  readonly kind: 'referrers' | 'fallback' | 'tags' | 'catalog'
  readonly repository?: string
  readonly change: 'new' | 'changed'
  /** What it is to be, as far as the plan knows. */
  readonly expected: Uint8Array
  /** Where this holds, nothing has happened since that `expected` should know. Without it the store is looked at first. */
  readonly condition?: Condition
  /**
   * Makes it of what stands there now and what the store holds now: the listing must be taken after `current` was read, so that whoever adds something later
   * than that also writes the document later. undefined: what stands there is someone's own, and stays.
   */
  make(current: StoredContent | undefined): Promise<Uint8Array | undefined>
  /** Done before the document is written. */
  before?(bytes: Uint8Array): Promise<void>
}

/** What documents are made from. */
export interface DocumentSources extends CallOptions {
  readonly store: ObjectStore
  readonly repositories: readonly LocalRepository[]
  readonly listing: StoreListing
  /** The catalogue as it was before the store was listed. */
  readonly catalog: StoredContent | undefined
  /** Whether a key will be gone, or stands unused until it is: no document may name it. */
  readonly isGoing: (key: string) => boolean
  /** Whether the headers of what is there are looked at too. */
  readonly checkHeaders: boolean
  /** Requests at once. */
  readonly jobs: number
}

export interface WriteDocumentOptions extends CallOptions {
  /** Between two tries, so that two writers do not meet for ever. */
  readonly pause: (tried: number) => Promise<unknown>
}

/** Tries of one document: others write it as well, and each of them once or twice. */
const MOST_TRIES = 30

/** Writes a document by compare and swap. True where that changed something. @throws RegistrishError `conflict` where others write it all the time. */
export async function writeDocument(
  store: ObjectStore,
  document: StoreDocument,
  { pause, ...call }: WriteDocumentOptions,
): Promise<boolean> {
  const { head, expected, condition } = document
  const put = async (bytes: Uint8Array, when: Condition): Promise<boolean> => {
    await document.before?.(bytes)
    return (await store.put(documentObject(head, bytes), { ...call, condition: when })) !== undefined
  }
  if (condition !== undefined && (await put(expected, condition))) return true
  let wanted = condition === undefined ? undefined : expected
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    if (tried > 0) await pause(tried)
    const current = await store.get(head.key, { ...call, limit: LARGEST_DOCUMENT })
    const bytes = await document.make(current)
    if (bytes === undefined) return false
    // Where that was written by us, and the answer was lost, it counts.
    if (current !== undefined && isEqual(current.bytes, bytes)) return wanted !== undefined && isEqual(wanted, bytes)
    wanted = bytes
    if (await put(bytes, current === undefined ? 'absent' : { etag: current.etag })) return true
  }
  throw new RegistrishError('conflict', `${head.key} in ${store.title} is being changed by others all the time`, {
    hint: 'run the same command again when fewer deploys run at once: what was sent stays',
    side: 'target',
  })
}

/** Whether an object is served with what it should be. */
export function hasHeaders(found: StoredHead | undefined, wanted: Omit<ObjectHead, 'size'>): boolean {
  if (found?.keepsNoHeaders === true) return true
  if (found?.contentType !== wanted.contentType) return false
  return found.keepsNoCacheControl === true || found.cacheControl === wanted.cacheControl
}

/** Whether two runs of bytes are the same. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

/** A document as an object. */
export function documentObject(head: Omit<ObjectHead, 'size'>, bytes: Uint8Array): NewObject {
  return { ...head, size: bytes.length, body: { bytes } }
}
