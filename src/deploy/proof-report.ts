/** What is wrong with one answer of the public host. */
export interface ProofProblem {
  readonly url: string
  /** What was seen and what was needed: `403 Forbidden (AccessDenied), not 200`. */
  readonly text: string
  /** The way out. */
  readonly hint: string
}

/** What came of fetching images back. */
export interface ProofReport {
  /** Where from: `https://registry.example.com`. */
  readonly origin: string
  readonly images: number
  /** Manifests whose bytes and type were compared. */
  readonly manifests: number
  /** Blobs that were read and hashed. */
  readonly blobsRead: number
  readonly bytesRead: number
  /** Blobs of which only the size was asked for. */
  readonly blobsSeen: number
  /** What will pass, or concerns some clients only. */
  readonly warnings: readonly ProofProblem[]
  /** What keeps clients from pulling. There may be more than {@link MOST_FAILURES}: then the rest was not looked at. */
  readonly failures: readonly ProofProblem[]
}

/** Failures after which nothing more is looked at: one cause, as a rule, has many. */
export const MOST_FAILURES = 20
