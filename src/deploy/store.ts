import type { Digest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'

/*
 * A place that keeps objects under keys and serves each at the URL of its key: S3 and its relatives, Azure, a folder. What a registry is, an ObjectStore
 * does not know: the engine gives it keys, bytes and headers. Keys are relative, with "/", as paths in a tree are: `v2/alpine/manifests/latest`.
 */

/** An object as a listing states it. */
export interface StoredObject {
  readonly key: string
  /** Bytes. */
  readonly size: number
  /** Equal for equal objects of a key, another for any other; without quotes, else opaque. As a rule, but not for sure, the MD5 or SHA-256 of the bytes in hex. */
  readonly etag: string
  /** MD5 of the bytes in hex, where a listing states it beside an etag that is no sum. */
  readonly md5?: string
}

/** One answer of a listing. */
export interface StoredPage {
  readonly objects: readonly StoredObject[]
  /** With a delimiter: beginnings of keys, up to and with the delimiter, that stand for all keys below them. */
  readonly prefixes: readonly string[]
}

/** What an object is served with. */
export interface StoredHead extends Omit<StoredObject, 'key'> {
  readonly contentType?: string
  readonly cacheControl?: string
  /** Whether it is another's part to say how long it may be cached: then no cache life is missed. Default false. */
  readonly keepsNoCacheControl?: boolean
  /** Whether all of that is another's part: a folder holds bytes, a server in front of it knows what they are. Default false. */
  readonly keepsNoHeaders?: boolean
}

/** A small object, whole. */
export interface StoredContent extends StoredHead {
  readonly bytes: Uint8Array
}

/** Where an object's bytes are: in memory, or a file (absolute path). */
export type ObjectBody = { readonly bytes: Uint8Array } | { readonly file: string }

/** What an object is to be, all but its bytes. */
export interface ObjectHead {
  readonly key: string
  /** Bytes. */
  readonly size: number
  readonly contentType: string
  readonly cacheControl: string
  /** Not for the public: never with an access list that was asked for. Default false. */
  readonly secret?: boolean
}

/** An object to be written. */
export interface NewObject extends ObjectHead {
  readonly body: ObjectBody
  /** What the bytes must be: other bytes must not come to stand under the key. Without it they are what they are. */
  readonly digest?: Digest
}

/** What must hold for a write to happen: there is no such object, or it is the one of that etag still. */
export type Condition = 'absent' | { readonly etag: string }

export interface PutOptions extends CallOptions {
  readonly condition?: Condition
  /** Told of bytes on their way, as they go; of a repeated try with negative numbers first, so that the sum is right. */
  readonly onBytes?: (bytes: number) => void
}

/** What a store can hold. */
export interface StoreLimits {
  /** Bytes. */
  readonly largestObject: number
  /** Bytes of UTF-8. */
  readonly longestKey: number
  /** Why a key cannot be held whatever its length, as after "cannot hold it: "; undefined where it can. Default: all can. */
  readonly forbidden?: (key: string) => string | undefined
}

/**
 * A store of objects. Failures that another try may mend are tried again inside, with growing pauses, and told as `retry` events; what is thrown is final:
 * RegistrishError of side `target` (`unauthorized`, `not-found` for the bucket, `unreachable`, `rate-limited`, `bad-answer`, `aborted`…).
 */
export interface ObjectStore {
  /** What it is, for messages: `s3://bucket`. */
  readonly title: string
  readonly limits: StoreLimits
  /** Host that clients pull from, where the store itself serves them and that can be told: `bucket.s3.eu-west-1.amazonaws.com`. */
  readonly publicHost?: string
  /** Whether its keys are files in folders: then it holds no object whose key ends in "/", and none that only a store's own web server asks for. Default false. */
  readonly hasFolders?: boolean
  /** Milliseconds since the epoch by the store's own clock, as its last answer told it: the only clock that two machines share. */
  now(): number
  /** All objects whose key begins with `prefix`, in the order of keys, page by page. */
  list(prefix: string, options?: CallOptions & { readonly delimiter?: '/' }): AsyncIterable<StoredPage>
  /** An object's headers; undefined where there is none. */
  head(key: string, options?: CallOptions): Promise<StoredHead | undefined>
  /** A small object whole, as it is now; undefined where there is none. @throws RegistrishError `bad-answer` beyond `limit` bytes. */
  get(key: string, options: CallOptions & { readonly limit: number }): Promise<StoredContent | undefined>
  /**
   * Writes an object, whole or not at all, whatever its size. Gives its etag, or undefined where the condition does not hold: then nothing was written.
   * A write that was repeated after a broken connection may have succeeded the first time: then too a condition does not hold.
   * @throws RegistrishError `digest-mismatch` of side `source` where the bytes are not those of `digest`, `size-mismatch` where the file has another size.
   */
  put(object: NewObject, options?: PutOptions): Promise<string | undefined>
  /**
   * Has the store copy an object that it holds, giving it the headers of `to`. False where it cannot: no such object, another size, no such power.
   * Absent where no store of this kind can.
   */
  copy?(from: string, to: ObjectHead, options?: CallOptions): Promise<boolean>
  /** Deletes objects; those that are not there are fine. */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>
  /** Removes what uploads that were cut off long ago have left, invisible but paid for; gives their number. Absent where nothing is ever left. */
  sweep?(options?: CallOptions): Promise<number>
  /** Breaks all connections. */
  close(): Promise<void>
}
