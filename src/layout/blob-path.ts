import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'

/** Where an OCI layout keeps the bytes of a digest (image spec, image-layout.md, "Blobs"): `blobs/<algorithm>/<hex>`. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}
