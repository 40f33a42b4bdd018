import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { Answer } from './answer.ts'

/** A manifest as it was seen under one reference. */
export interface ManifestSeen {
  /** Tag or digest. */
  readonly reference: string
  readonly get: Answer
  readonly head: Answer
  /** Asked for as Go programs do: gzip is welcome. */
  readonly packed: Answer
  /** The manifest that the bytes are; undefined where they are none. */
  readonly manifest?: Manifest
  /** Digest of the bytes, where they are all there: by the algorithm of the reference, or of a header that names them, else sha256. */
  readonly actual?: Digest
}

/** A blob as it was seen. */
export interface BlobSeen {
  readonly descriptor: Descriptor
  readonly get: Answer
  readonly head: Answer
  readonly packed: Answer
  /** The beginning of it asked for, and from `offset` on. */
  readonly range: Answer
  readonly offset: number
  /** Its beginning alone was read, since it is large. */
  readonly part: boolean
}

/** One of the other blobs of an image: asked for by HEAD, or for its beginning. */
export interface BlobGlimpse {
  readonly descriptor: Descriptor
  readonly answer: Answer
}

/** The manifest of one entry of an index. */
export type ChildSeen = ManifestSeen & { readonly descriptor: Descriptor }

/** What was seen of an image. */
export interface ImageSeen {
  readonly repository: string
  readonly tag: ManifestSeen
  /** By the digest of the bytes that the tag gave. */
  readonly digest?: ManifestSeen
  /** By the digest that a header named, where it is another. */
  readonly claimed?: Answer
  readonly child?: ChildSeen
  /** The child of the child, where that is an index too. */
  readonly nested?: ChildSeen
  /** Platforms of the index whose manifests were asked for in vain before `child` was found. */
  readonly absent: readonly string[]
  readonly blob?: BlobSeen
  /** The configuration and the layers beside that one. */
  readonly blobs: readonly BlobGlimpse[]
  /** Tags that look like names of files. */
  readonly dotted: readonly { readonly tag: string; readonly get: Answer; readonly packed: Answer }[]
  /** The tag in the other case, where the list has no such tag. */
  readonly flipped?: { readonly tag: string; readonly get: Answer }
  readonly namespaced: Answer
  readonly escaped?: Answer
  readonly referrers?: { readonly get: Answer; readonly fallback: Answer }
  readonly missing: Readonly<Record<'tag' | 'digest' | 'blob', Answer>>
  readonly tagsList: Answer
  readonly write: Answer
}

/** All that was seen of a host: plain data, which the checks judge. */
export interface Observations {
  readonly origin: URL
  /** Plain HTTP was asked for by who runs this. */
  readonly plainAsked?: boolean
  /** Why no connection, or no TLS, came about. */
  readonly failure?: { readonly of: 'connection' | 'tls'; readonly text: string; readonly hint?: string }
  readonly version?: Answer
  readonly image?: ImageSeen
  /** Why there is no image to try. */
  readonly noImage?: string
}
