import { gunzipSync } from 'node:zlib'
import { type Answer, encodingOf } from './answer.ts'

/** Bytes that a small packed body may grow to. */
const LARGEST = 64 * 1024 * 1024

/** The bytes of an answer, unpacked as a client unpacks what is labelled gzip; as they came where that label is wrong, or another: x-gzip is nothing to Go programs (net/http). */
export function unpacked(answer: Answer): Uint8Array {
  if (encodingOf(answer) !== 'gzip') return answer.bytes
  try {
    return gunzipSync(answer.bytes, { maxOutputLength: LARGEST })
  } catch {
    return answer.bytes
  }
}
