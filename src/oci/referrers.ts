import type { Descriptor } from './descriptor.ts'
import { algorithmOf, type Digest, hexOf, parseDigest } from './digest.ts'
import { OCI_INDEX } from './media-types.ts'

/** The referrers fallback tag of a digest, `sha256-<hex>` (distribution spec, "Referrers Tag Schema": algorithm cut at 32 characters, hex at 64). */
export function fallbackTag(digest: Digest): string {
  return `${algorithmOf(digest).slice(0, 32)}-${hexOf(digest).slice(0, 64)}`
}

/** Whether a tag has the form of a fallback tag of a sha256 or sha512 digest. */
export function isFallbackTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{64}$/.test(tag)
}

/** The sha256 digest that a fallback tag or a digest tag (`sha256-<hex>`, `sha256-<hex>.sig`) is about, or undefined. */
export function taggedDigest(tag: string): Digest | undefined {
  const hex = /^sha256-([0-9a-f]{64})(?:$|\.)/.exec(tag)?.[1]
  return hex === undefined ? undefined : parseDigest(`sha256:${hex}`)
}

/** The bytes of a referrers list: an OCI image index without white space, entries sorted by digest, so that equal sets give equal bytes. */
export function formatReferrers(referrers: Iterable<Descriptor>): Uint8Array {
  const manifests = [...new Map([...referrers].map(entry => [entry.digest as string, entry])).values()]
  manifests.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
}
