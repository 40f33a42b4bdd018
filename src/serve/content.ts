import type { RouteKind } from '../tree/route.ts'
import type { MaybePromise, ServeResponse } from './handler.ts'
import type { OpenFile } from './open-inside.ts'

/** What stands at one path now: the answer to a plain GET, and what conditions, ranges and queries need to know of it. */
export interface Found {
  readonly kind: RouteKind
  /** Status 200, headers as the route table has them, Content-Length, the whole body. */
  readonly whole: ServeResponse
  readonly etag?: string
  readonly mediaType: string
  /** A blob's open file: the body of `whole`. */
  readonly file?: OpenFile
  /** The bytes of a document: the body of `whole`. */
  readonly bytes?: Uint8Array
}

/**
 * What a registry answers from. A tree on disk is one (tree-content.ts); anything that can say what stands at a path may take its place.
 * Every call says what is so now.
 */
export interface RegistryContent {
  /** What stands at a decoded request path below /v2, or undefined. A file in it belongs to the caller. */
  find(path: string): MaybePromise<Found | undefined>
  /** Whether there is a repository of that name. */
  hasRepository(repository: string): boolean
}
