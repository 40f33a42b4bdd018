import type { RegistrishError } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'
import type { Source } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import type { Tree } from '../tree/tree.ts'
import type { Budget } from './budget.ts'
import type { Shelf } from './shelf.ts'

/** One image to copy. */
export interface CopyRequest {
  /** Repository as the source calls it. */
  readonly repository: string
  /** Tag or digest. */
  readonly reference: string
  /** Repository of the tree. */
  readonly target: string
  /** Tag to set in the tree. Default: `reference` where that is a tag, else none. */
  readonly tag?: string
}

/** What became of one request. */
export interface CopyResult {
  readonly request: CopyRequest
  /** What the reference stands for at the source. */
  readonly digest?: Digest
  /** Whether anything became visible that was not there. */
  readonly changed: boolean
  readonly error?: RegistrishError
}

/** Totals of a copy; sizes in bytes. */
export interface CopyTotals {
  readonly manifestsFetched: number
  readonly blobsFetched: number
  readonly bytesFetched: number
  readonly blobsPresent: number
  readonly bytesPresent: number
  /** Layers with `urls` that the source does not hold: clients get them from there. */
  readonly foreignLayers: number
}

export interface CopyReport {
  readonly results: readonly CopyResult[]
  readonly totals: CopyTotals
}

export interface CopyOptions {
  /** Platforms of an index to copy; empty or absent: all. The index itself stays byte for byte (sparse). */
  readonly platforms?: readonly Platform[]
  /** Blobs, and manifests, at once. Default 4. */
  readonly jobs?: number
  /** How often a broken transfer is taken up again without any progress. Default 3. */
  readonly retryTimes?: number
  /** Take along what refers to each manifest, recursively. */
  readonly referrers?: boolean
  /** Take along the tags `sha256-<hex>.*` of each manifest. */
  readonly digestTags?: boolean
  /** Read manifests, count blobs, write nothing. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/** What the parts of one copy share. */
export interface CopyContext {
  readonly source: Source
  readonly tree: Tree
  readonly options: CopyOptions
  readonly signal: AbortSignal
  readonly totals: { -readonly [K in keyof CopyTotals]: CopyTotals[K] }
  readonly onProgress: OnProgress
  /** Where the bytes of manifests wait to become visible. */
  readonly shelf: Shelf
  /** What manifests that are being worked on may weigh together, in bytes. */
  readonly memory: Budget
  /** Work that may still run though what asked for it has failed; see `together`. */
  readonly leftovers: Promise<unknown>[]
}
