import type { Side } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'

/** How a tree is deployed. */
export interface DeployOptions extends CallOptions {
  /** Delete from the store what the tree does not hold. Default false: what others put there stays. */
  readonly prune?: boolean
  /** Milliseconds that something must have been unreferenced before `prune` deletes it. Default 24 h. */
  readonly grace?: number
  /** Let `prune` delete more than half of the store's objects. Default false. */
  readonly force?: boolean
  /** Look at the headers of every manifest that is there already, one request each. Default: only where the store was not filled by us. */
  readonly checkHeaders?: boolean
  /** Requests at once. Default 16. */
  readonly jobs?: number
  readonly onProgress?: OnProgress
}

/** Objects and their bytes. */
export interface Amount {
  readonly objects: number
  readonly bytes: number
}

/** A tag that a deploy changes. */
export interface PlannedTag {
  readonly repository: string
  readonly tag: string
  readonly change: 'new' | 'moved' | 'deleted'
  /** sha256 of what it names afterwards; of a deleted one none. */
  readonly digest?: Digest
}

/** One object that a deploy writes or deletes. `copy`: the store copies it within itself; `age`: nothing refers to it, and it is deleted by a later run. */
export interface PlannedObject {
  readonly key: string
  readonly action: 'send' | 'copy' | 'delete' | 'age'
  /** What it does to the object that is there. */
  readonly change: 'new' | 'changed' | 'deleted'
  /** Bytes. */
  readonly size: number
}

/** Something that keeps a deploy from happening (`refuse`), or that is to be known (`warn`). */
export interface PlanProblem {
  readonly level: 'refuse' | 'warn'
  readonly code: 'limit' | 'incomplete' | 'size-mismatch' | 'conflict'
  readonly text: string
  readonly hint?: string
  /** Whose it is. Default: the tree's, but of a `limit` the store's. */
  readonly side?: Side
}

/** What a deploy would do. */
export interface DeployPlan {
  /** The store's title. */
  readonly target: string
  /** Sorted by repository and tag. */
  readonly tags: readonly PlannedTag[]
  /** In the order in which they are written: what is pointed to before what points to it; deletions last. */
  readonly objects: readonly PlannedObject[]
  readonly send: Amount
  readonly copy: Amount
  readonly delete: Amount
  readonly age: Amount
  /** Objects of the tree that are there already as they should be. */
  readonly unchanged: number
  readonly problems: readonly PlanProblem[]
}

/** What a deploy did. */
export interface DeployReport {
  readonly plan: DeployPlan
  readonly sent: Amount
  readonly copied: Amount
  readonly deleted: Amount
  /** Tags as they are now, those of the plan that were changed by this run. Sorted by repository and tag. */
  readonly tags: readonly PlannedTag[]
  /**
   * Request paths of answers that this run changed or deleted and that a cache may still hold, sorted: `/v2/alpine/manifests/latest`. What a run that was cut off
   * has changed is not among them.
   */
  readonly stale: readonly string[]
}
