import type { Platform } from '../oci/platform.ts'
import type { OnProgress } from '../progress.ts'

/** What a fetch may be told. */
export interface FetchOptions {
  /** Folder of the tree. Default: the current folder. */
  readonly root?: string
  /** Name of the repository in the tree. Default: the source's path without its host and without `library/`. */
  readonly as?: string
  /** Platforms of an index to take; the index stays byte for byte. Default: all. */
  readonly platforms?: readonly Platform[]
  /** Transfers at once. Default 4. */
  readonly jobs?: number
  /** Default 3. */
  readonly retryTimes?: number
  /** Credentials file, before all others. */
  readonly authfile?: string
  /** Speak plain HTTP to a registry that is not on this machine. */
  readonly plainHttp?: boolean
  /** Certificate authorities (PEM) beside the system's. */
  readonly caFile?: string
  /** Say what would be fetched; write nothing. */
  readonly dryRun?: boolean
  /** Read through skopeo instead of the built-in client. */
  readonly via?: 'skopeo'
  /** Refuse what skopeo cannot hand over with its digest. */
  readonly requireDigest?: boolean
  readonly referrers?: boolean
  readonly digestTags?: boolean
  /** Every tag of the repository. */
  readonly allTags?: boolean
  /** Globs of tags to take. */
  readonly tagGlobs?: readonly string[]
  /** Mix two upstreams in one repository. */
  readonly force?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}
