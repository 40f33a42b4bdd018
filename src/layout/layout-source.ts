import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { CallOptions, Source } from '../oci/source.ts'

/** An image that stands at the top of a layout or archive. */
export interface LayoutImage {
  /** The tag, where it has one. */
  readonly reference?: string
  /** The repository in full, `registry/repository` (`docker.io/library/alpine`), where the layout says it. */
  readonly name?: string
  readonly descriptor: Descriptor
}

/**
 * An OCI layout or an archive as a {@link Source}. `repository` is ignored by all methods, except where the layout names several repositories: then a
 * tag is looked for in the one that is asked for, by its full name, its path or its name in a tree, and elsewhere only where there is no such repository.
 *
 * `resolve` takes a tag, a full image name, a digest, or `@N` (the Nth of `images()`, from 0).
 * @throws RegistrishError `usage` from `resolve` where several images answer to a reference.
 */
export interface LayoutSource extends Source {
  /** All images, in the layout's order; one with several tags appears once for each. Without what only refers to them or is a part of them. */
  images(options?: CallOptions): Promise<readonly LayoutImage[]>
  /** The tags there are. */
  tags(repository: string, options?: CallOptions): Promise<readonly string[]>
  referrers(repository: string, digest: Digest, options?: CallOptions): Promise<readonly Descriptor[]>
  close(): Promise<void>
}
