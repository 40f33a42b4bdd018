import type { CopyRequest } from '../copy/context.ts'
import type { Source } from '../oci/source.ts'

/** How images get in: an opened source, and what to copy from it. */
export interface Way {
  readonly source: Source
  /** Repository as the source calls it; for listing its tags. */
  readonly repository: string
  /** Repository of the tree. */
  readonly target: string
  /** Where from, in full: `docker.io/library/alpine`. */
  readonly upstream: string
  /** The same by repository of the tree, where a layout holds images of several. */
  readonly upstreams?: ReadonlyMap<string, string>
  /** The images that were named, or the default ones. */
  readonly requests: readonly CopyRequest[]
  /** Whether they were named. */
  readonly named: boolean
}
