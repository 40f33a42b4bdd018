import type { CallOptions } from '../oci/source.ts'

/** The options of a call, where there may be no signal. */
export function callOf(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal }
}

/** A signal that aborts with either, where there may be only the second. */
export function withSignal(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal === undefined ? other : AbortSignal.any([signal, other])
}
