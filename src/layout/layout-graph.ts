import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest, referrerDescriptor } from '../oci/manifest.ts'
import type { CallOptions } from '../oci/source.ts'
import { blobPath } from './blob-path.ts'
import { type ByteStore, readSmall } from './byte-store.ts'

/** What is known of a layout after all its manifests were read. */
export interface Graph {
  /** Every manifest that index.json reaches, by the digest that names it, as `resolve` gives it. */
  readonly manifests: ReadonlyMap<Digest, Descriptor>
  /** By subject: the manifests that refer to it, as a referrers list states them. */
  readonly referrers: ReadonlyMap<Digest, readonly Descriptor[]>
  /** Manifests that are a child of another one, or refer to one. */
  readonly parts: ReadonlySet<Digest>
}

/**
 * Reads all manifests that the entries of an index.json reach. A child that is absent (a sparse index) or is no manifest is passed over.
 * @throws RegistrishError `digest-mismatch` where a manifest is not what its name says.
 */
export async function walkLayout(
  store: ByteStore,
  entries: readonly { readonly descriptor: Descriptor }[],
  options: CallOptions,
): Promise<Graph> {
  const manifests = new Map<Digest, Descriptor>()
  const referrers = new Map<Digest, Descriptor[]>()
  const parts = new Set<Digest>()
  const seen = new Set<Digest>()
  const queue = entries.map(entry => entry.descriptor)
  // The queue grows while it is gone through.
  for (const next of queue) {
    if (seen.has(next.digest)) continue
    seen.add(next.digest)
    const bytes = await readManifest(store, next, options)
    const manifest = bytes === undefined ? undefined : tryManifest(bytes)
    if (bytes === undefined || manifest === undefined) continue
    const { digest } = next
    manifests.set(digest, { mediaType: manifest.mediaType, digest, size: bytes.length })
    if (manifest.subject !== undefined) {
      parts.add(digest)
      const known = referrers.get(manifest.subject.digest) ?? []
      known.push(referrerDescriptor(manifest, digest, bytes.length))
      referrers.set(manifest.subject.digest, known)
    }
    if (manifest.kind !== 'index') continue
    for (const child of manifest.manifests) {
      parts.add(child.digest)
      queue.push(child)
    }
  }
  return { manifests, referrers, parts }
}

/** The bytes at a descriptor that may be a manifest; undefined where they are absent or too many for one. */
async function readManifest(
  store: ByteStore,
  { digest }: Descriptor,
  options: CallOptions,
): Promise<Uint8Array | undefined> {
  const path = blobPath(digest)
  const size = await store.size(path)
  if (size === undefined || size > LARGEST_MANIFEST) return undefined
  const bytes = await readSmall(store, path, { ...options, most: LARGEST_MANIFEST })
  if (bytes === undefined || digestOf(bytes, algorithmOf(digest)) === digest) return bytes
  throw new RegistrishError('digest-mismatch', `${path} in ${store.title} does not hold the bytes that its name says`, {
    hint: 'the layout is damaged: write it again',
    side: 'source',
  })
}

/** An entry of an index may be a blob: what does not parse as a manifest is taken for one here, and judged by whoever copies it. */
function tryManifest(bytes: Uint8Array): Manifest | undefined {
  try {
    return parseManifest(bytes)
  } catch (error) {
    if (isRegistrishError(error, 'manifest-invalid', 'unsupported')) return undefined
    throw error
  }
}
