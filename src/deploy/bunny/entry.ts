import { isRecord } from '../../oci/descriptor.ts'
import type { StoredHead } from '../store.ts'

/** A file or folder as a storage zone states it (bunny.net, Edge Storage API: "List Files", and DESCRIBE of its own SDK). */
export interface BunnyEntry {
  /** Its own name, without those of the folders that it is in. */
  readonly name: string
  readonly isFolder: boolean
  /** Bytes. */
  readonly size: number
  /** The SHA-256 of the bytes in hex, as a rule; opaque where the zone has none. */
  readonly etag: string
  readonly contentType?: string
}

/** Reads an entry; undefined for anything else. */
export function parseEntry(value: unknown): BunnyEntry | undefined {
  if (!isRecord(value)) return undefined
  const { ObjectName: name, IsDirectory: isFolder, Length: size, Checksum: sum, ContentType: type, LastChanged } = value
  if (typeof name !== 'string' || name === '' || typeof isFolder !== 'boolean') return undefined
  if (typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined
  const etag = typeof sum === 'string' && sum !== '' ? sum.toLowerCase() : `${size}-${String(LastChanged)}`
  return { name, isFolder, size, etag, ...(typeof type === 'string' && type !== '' ? { contentType: type } : {}) }
}

/** What a store tells of an entry. A zone keeps no cache life: the pull zone before it does. */
export function headOf({ size, etag, contentType }: BunnyEntry): StoredHead {
  return { size, etag, keepsNoCacheControl: true, ...(contentType === undefined ? {} : { contentType }) }
}
