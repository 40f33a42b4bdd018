import type { Descriptor } from '../oci/descriptor.ts'
import type { Manifest } from '../oci/manifest.ts'
import { blobPath } from '../tree/layout.ts'
import type { Ask } from './ask.ts'
import type { BlobSeen } from './observations.ts'
import { PACKED } from './observe-manifest.ts'

/** Bytes of the largest blob that is read whole. */
const LARGEST = 8 * 1024 * 1024
/** Bytes that are asked for from the middle of a blob. */
export const PIECE = 16

/** The blob to try: the smallest layer that has enough bytes for a range, else the config. */
export function chooseBlob(manifest: Manifest): Descriptor | undefined {
  if (manifest.kind === 'index') return undefined
  const bySize = (a: Descriptor, b: Descriptor): number => a.size - b.size
  const layers = manifest.layers.filter(({ size, urls }) => size > PIECE && urls === undefined).toSorted(bySize)
  return layers[0] ?? manifest.config
}

/** Asks for a blob in every way that clients do; a large one is not read to its end. */
export async function observeBlob(ask: Ask, repository: string, descriptor: Descriptor): Promise<BlobSeen> {
  const path = `/${blobPath(repository, descriptor.digest)}`
  const part = descriptor.size > LARGEST
  const limit = part ? PIECE : LARGEST
  const offset = Math.max(0, Math.floor(descriptor.size / 2) - PIECE)
  const [get, head, packed, range] = [
    await ask(path, { limit }),
    await ask(path, { method: 'HEAD' }),
    await ask(path, { headers: PACKED, limit }),
    await ask(path, { headers: { range: `bytes=${offset}-${offset + PIECE - 1}` }, limit: PIECE * 2 }),
  ]
  return { descriptor, get, head, packed, range, offset, part }
}
