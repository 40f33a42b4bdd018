import type { CallOptions } from '../oci/source.ts'

/** The options of a call, where there may be no signal. */
export function callOf(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal }
}
