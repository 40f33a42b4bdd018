import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'

/** Options that every asynchronous call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal
}

/** How bytes are asked for. */
export interface OpenOptions extends CallOptions {
  /** Which kind of content the descriptor names: registries keep manifests and blobs apart. */
  readonly kind: ContentKind
  /** First byte wanted, to resume a blob. Default 0. A source may begin earlier; {@link Content.offset} says where it did. */
  readonly offset?: number
  /** Whether a chunk may be overwritten once the next one is asked for, for speed. Default: chunks are the reader's for good. */
  readonly reuse?: boolean
}

/** Registries keep manifests and blobs in separate places; every descriptor names one or the other. */
export type ContentKind = 'manifest' | 'blob'

/** An open stream of bytes. Leaving the loop early releases it. */
export interface Content {
  /** Where `body` begins, in bytes: the offset asked for, or 0 where the source could not skip. */
  readonly offset: number
  /** Chunks in order. Fails with a RegistrishError of side `source` where the stream breaks; nothing is verified here. */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * A place that images are read from: a registry, an OCI layout, an archive, a tree. One interface for all (design, "one read interface").
 * An absent power is an absent method. Nothing a source says is trusted: whoever copies verifies digests and sizes.
 */
export interface Source {
  /** What it is, for messages: `ghcr.io`, `oci:dir`. */
  readonly title: string
  /**
   * What a tag or digest of a repository stands for now.
   * @throws RegistrishError `not-found` of side `source` where there is no such thing.
   */
  resolve(repository: string, reference: string, options?: CallOptions): Promise<Descriptor>
  /** Opens the bytes that a descriptor names. @throws RegistrishError `not-found`. */
  open(repository: string, descriptor: Descriptor, options: OpenOptions): Promise<Content>
  /** The tags of a repository, in the source's order; whole, whatever pages the source has. */
  tags?(repository: string, options?: CallOptions): Promise<readonly string[]>
  /**
   * Descriptors of the manifests whose subject is `digest`, whole, whatever pages the source has. Empty where there are none;
   * a registry without the referrers API answers from the fallback tag (distribution spec, "Referrers Tag Schema").
   */
  referrers?(repository: string, digest: Digest, options?: CallOptions): Promise<readonly Descriptor[]>
  /** Releases connections and temporary files. */
  close?(): Promise<void>
}
