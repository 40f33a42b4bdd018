/** An answer of a store that is a refusal, in its own words. */
export interface Refusal {
  readonly status: number
  /** What the store calls it: `NoSuchKey`, `BlobNotFound`…; what an SDK makes up where it says none; empty where that is not known, or it is not the store that spoke. */
  readonly code: string
  /** The store's message, fit to be printed. */
  readonly text: string
  readonly retryAfter?: string
  /** The region that the store wants to be spoken to in. */
  readonly region?: string
  /** Its Content-Type, where it is not the store that spoke. */
  readonly foreign?: string
}

/** A request that was refused, as what we send ourselves throws it; SDKs throw errors of their own. */
export class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`${refusal.status} ${refusal.code}`)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

/** The refusal behind an error, also as the `cause` of ours; undefined for all others. `read` knows the errors of an SDK. */
export function refusalBehind(
  error: unknown,
  read: (error: Error) => Refusal | undefined = () => undefined,
): Refusal | undefined {
  if (error instanceof Refused) return error.refusal
  if (!(error instanceof Error)) return undefined
  return read(error) ?? (error.cause === undefined ? undefined : refusalBehind(error.cause, read))
}
