import { throwIfAborted } from '../errors.ts'
import { digestOf, hexOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST } from '../oci/manifest.ts'
import type { CallOptions } from '../oci/source.ts'
import { parseRequestPath, publicPrefix } from '../tree/layout.ts'
import { callOf } from './call-of.ts'
import { constantsFor } from './constants.ts'
import type { LocalRepository, WantedObject } from './content.ts'
import { hasHeaders } from './documents.ts'
import { forEach } from './for-each.ts'
import type { StoreListing } from './listing.ts'
import type { Condition, NewObject, ObjectStore, StoredObject } from './store.ts'

/** An object that is to be written. */
export interface PlannedWrite<T extends NewObject = WantedObject> {
  readonly object: T
  readonly change: 'new' | 'changed'
  /** The key of an object of the same bytes on the store, or one that is written before, which the store may copy. */
  readonly from?: string
  /** Of a tag: nobody has changed it since it was listed. */
  readonly condition?: Condition
}

/** What of the tree's own files a store lacks. */
export interface PlannedObjects {
  readonly writes: readonly PlannedWrite[]
  readonly constants: readonly PlannedWrite<NewObject>[]
  /** Objects that are there as they should be. */
  readonly unchanged: number
}

export interface ObjectSources extends CallOptions {
  readonly store: ObjectStore
  readonly repositories: readonly LocalRepository[]
  readonly listing: StoreListing
  /** Whether headers of what is there are looked at. */
  readonly checkHeaders: boolean
  /** Whether the store may copy what it holds. False where others have filled it. Default true. */
  readonly mayCopy?: boolean
  readonly jobs: number
}

/** Blobs of fewer bytes are sent, not copied: a request costs more than they do. */
const SMALLEST_COPY = 64 * 1024

/** Compares the files of a tree with a listing: blobs and manifests by size, tags by content. What a listing cannot tell is asked for; nothing is written. */
export async function planObjects(sources: ObjectSources): Promise<PlannedObjects> {
  const { store, repositories, listing, jobs, signal } = sources
  const writes: PlannedWrite[] = []
  const constants: PlannedWrite<NewObject>[] = []
  const doubtful: { readonly object: WantedObject; readonly listed: StoredObject }[] = []
  const present: NewObject[] = []
  for (const { objects } of repositories) {
    throwIfAborted(signal)
    for (const object of objects) {
      const listed = listing.get(object.key)
      if (listed === undefined)
        writes.push({ object, change: 'new', ...(object.kind === 'tag' ? { condition: 'absent' } : {}) })
      else if (listed.size !== object.size) writes.push(changed(object, listed))
      else if (object.kind === 'tag' && !isSame(listed, object)) doubtful.push({ object, listed })
      else present.push(object)
    }
  }
  for (const object of constantsFor(store)) {
    const listed = listing.get(object.key)
    if (listed?.size === object.size) present.push(object)
    else constants.push({ object, change: listed === undefined ? 'new' : 'changed' })
  }
  await forEach(doubtful, jobs, async ({ object, listed }) => {
    const found = await store.get(object.key, { limit: LARGEST_MANIFEST, ...callOf(signal) })
    if (found !== undefined && digestOf(found.bytes) === object.digest) present.push(object)
    else
      writes.push(
        found === undefined
          ? { object, change: 'new', condition: 'absent' }
          : changed(object, { ...listed, etag: found.etag }),
      )
  })
  const wrong = await findWrongHeaders(sources, present)
  for (const object of wrong) {
    if ('kind' in object) writes.push(changed(object as WantedObject, listing.get(object.key)))
    else constants.push({ object, change: 'changed' })
  }
  return { writes: planCopies(sources, writes), constants, unchanged: present.length - wrong.length }
}

/** Whether a listing tells that a tag names what it should; false says nothing. */
function isSame({ etag, md5: sum = etag }: StoredObject, { md5, digest }: WantedObject): boolean {
  return sum === md5 || sum === hexOf(digest)
}

function changed(object: WantedObject, listed: StoredObject | undefined): PlannedWrite {
  const condition = object.kind === 'tag' && listed !== undefined ? { condition: { etag: listed.etag } } : {}
  return { object, change: 'changed', ...condition }
}

/**
 * Objects that are there with headers of their own, as after a plain upload of files: clients refuse a manifest of another type. A listing does not tell, so
 * they are asked for one by one. Blobs may have any type.
 */
async function findWrongHeaders(
  { store, jobs, signal, checkHeaders }: ObjectSources,
  present: readonly NewObject[],
): Promise<readonly NewObject[]> {
  if (!checkHeaders) return []
  const wrong: NewObject[] = []
  const asked = present.filter(object => object.key !== publicPrefix && !('kind' in object && object.kind === 'blob'))
  await forEach(asked, jobs, async object => {
    const found = await store.head(object.key, callOf(signal))
    if (!hasHeaders(found, object)) wrong.push(object)
  })
  return wrong
}

/**
 * Blobs that are sent for another repository too, or that the store holds in one, need not be sent: what stands there is trusted by its size, as what stands
 * at the blob's own key is. Not where others have filled the store.
 */
function planCopies(
  { store, listing, mayCopy = true }: ObjectSources,
  writes: readonly PlannedWrite[],
): readonly PlannedWrite[] {
  if (store.copy === undefined || !mayCopy) return writes
  const lacking = new Map<string, number>()
  for (const { object } of writes)
    if (object.kind === 'blob' && object.size >= SMALLEST_COPY) lacking.set(object.digest, object.size)
  if (lacking.size === 0) return writes
  const places = new Map<string, string>()
  for (const { key, size } of listing.values()) {
    const digest = key.slice(key.lastIndexOf('/') + 1)
    if (lacking.get(digest) === size && parseRequestPath(`/${key}`)?.kind === 'blob') places.set(digest, key)
  }
  return writes.map(write => {
    const { object } = write
    if (object.kind !== 'blob' || !lacking.has(object.digest)) return write
    const from = places.get(object.digest)
    if (from === undefined) places.set(object.digest, object.key)
    return from === undefined || from === object.key ? write : { ...write, from }
  })
}
