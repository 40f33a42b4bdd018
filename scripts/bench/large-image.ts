import type { Digest } from '../../src/oci/digest.ts'
import { putImage, putRandomLayer, type RegistryData } from './registry-data.ts'

/** Layers of a large image, MB each: as unlike in size as those of a programming language's official image are. */
const LAYERS = [49, 24, 64, 211, 6, 22, 1]

/** What {@link putLargeImage} adds, in words. */
export const LARGE_IMAGE: string = `an image of ${LAYERS.reduce((sum, size) => sum + size)} MB in ${LAYERS.length} layers`

/** Adds an image of some hundred MB of random bytes; returns the digests of its manifest and its layers. */
export function putLargeImage(
  data: RegistryData,
  tag: string,
): { readonly manifest: Digest; readonly layers: readonly Digest[] } {
  const layers = LAYERS.map(size => putRandomLayer(data, size * 1_000_000))
  const { digest } = putImage(data, tag, layers)
  return { manifest: digest, layers: layers.map(({ descriptor }) => descriptor.digest) }
}
