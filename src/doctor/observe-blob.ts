import type { Descriptor } from '../oci/descriptor.ts'
import type { ImageManifest, Manifest } from '../oci/manifest.ts'
import { blobPath } from '../tree/layout.ts'
import { type Answer, encodingOf, lengthOf } from './answer.ts'
import type { Ask } from './ask.ts'
import type { BlobGlimpse, BlobSeen } from './observations.ts'
import { PACKED } from './observe-manifest.ts'

/** Bytes of the largest blob that is read whole. */
const LARGEST = 8 * 1024 * 1024
/** Blobs that are looked for beside the one that is read. */
const MOST_BLOBS = 100
/** Requests for them at a time. */
const AT_ONCE = 4
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

/** Looks whether the other blobs of an image are there; those that a client gets elsewhere are left out. */
export async function observeBlobs(ask: Ask, repository: string, image: BlobsOf): Promise<readonly BlobGlimpse[]> {
  const { manifest, seen } = image
  const layers = manifest.layers.filter(({ urls }) => urls === undefined)
  const all = [...(manifest.config === undefined ? [] : [manifest.config]), ...layers]
  const others = new Map(all.map(descriptor => [descriptor.digest, descriptor]))
  others.delete(seen.descriptor.digest)
  const wanted = [...others.values()].slice(0, MOST_BLOBS)
  const isHeadGood = isAnswered(seen.head, seen.descriptor)
  const glimpses: BlobGlimpse[] = []
  for (let from = 0; from < wanted.length; from += AT_ONCE) {
    const some = wanted.slice(from, from + AT_ONCE)
    glimpses.push(...(await Promise.all(some.map(async each => glimpse(ask, repository, { blob: each, isHeadGood })))))
  }
  return glimpses
}

interface BlobsOf {
  readonly manifest: ImageManifest
  /** The blob that was asked for in every way. */
  readonly seen: BlobSeen
}

/** Clients pull by GET: what HEAD says is taken only where it is good. */
async function glimpse(
  ask: Ask,
  repository: string,
  { blob, isHeadGood }: { readonly blob: Descriptor; readonly isHeadGood: boolean },
): Promise<BlobGlimpse> {
  const path = `/${blobPath(repository, blob.digest)}`
  const head = isHeadGood ? await ask(path, { method: 'HEAD' }) : undefined
  if (head !== undefined && isAnswered(head, blob)) return { descriptor: blob, answer: head }
  return { descriptor: blob, answer: await ask(path, { limit: PIECE }) }
}

/** Whether an answer is one for a blob, as far as its status and its length tell. */
export function isAnswered(answer: Answer, { size }: Descriptor): boolean {
  const stated = encodingOf(answer) === undefined ? lengthOf(answer) : undefined
  return answer.status === 200 && (stated === undefined || stated === size)
}
