import { algorithmOf, asDigest, digestOf } from '../oci/digest.ts'
import type { Answer } from './answer.ts'

/** The digest that an answer names; of a header that came twice the first value, as Go programs read it. A page for what is not there may bear the header of a rule for all pages: it names nothing. */
export function namedDigest({ status, headers }: Answer): string | undefined {
  return status === 200 ? headers['docker-content-digest']?.split(',')[0]?.trim() : undefined
}

/** Whether a digest is that of the bytes, by its own algorithm. */
export function isDigestOf(digest: string, bytes: Uint8Array): boolean {
  const known = asDigest(digest)
  return known !== undefined && digestOf(bytes, algorithmOf(known)) === known
}
