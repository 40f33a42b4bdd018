import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type ErrorCode, isRegistrishError } from '../../src/errors.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { ReadonlyTree, Tree } from '../../src/tree/tree.ts'
import { type Graph, makeImage, rootBytes } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'

/** Opens the tree below a folder; called again for the same folder it stands for the next process. */
export type OpenTree = (root: string) => Tree

/** Puts a small image, blobs first, as the copy engine does. */
export async function putImage(tree: Tree, repository: string, tag: string, seed: string = repository): Promise<Graph> {
  const image = await makeImage({ seed: seed.slice(0, 20) })
  for (const [digest, bytes] of image.blobs) {
    await putBlob(tree, repository, { mediaType: OCTET_STREAM, digest, size: bytes.length }, bytes)
  }
  await tree.putManifest(repository, rootBytes(image), image.root.digest)
  await tree.tag(repository, tag, image.root.digest)
  return image
}

/** Writes a blob anew, whatever an earlier writer has left. */
export async function putBlob(
  tree: Tree,
  repository: string,
  descriptor: Descriptor,
  bytes: Uint8Array,
): Promise<void> {
  const writer = await tree.writeBlob(repository, descriptor)
  try {
    await writer.restart()
    await writer.write(bytes)
    await writer.commit()
  } finally {
    await writer.close()
  }
}

/** Writes the beginning of a blob and leaves it there. */
export async function abandon(tree: Tree, descriptor: Descriptor, part: Uint8Array): Promise<void> {
  const writer = await tree.writeBlob('app', descriptor)
  await writer.write(part)
  await writer.close()
}

/** A blob of `size` bytes: what names it, and the bytes. */
export function made(size: number): readonly [Descriptor, Uint8Array] {
  const bytes = makeBlob(size)
  return [{ mediaType: OCTET_STREAM, digest: digestOf(bytes), size }, bytes]
}

/** Reads a blob whole. */
export async function readBlob(tree: ReadonlyTree, repository: string, descriptor: Descriptor): Promise<Buffer> {
  const { body } = await tree.open(repository, descriptor, { kind: 'blob' })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Expects a promise to be refused with one of these codes; gives the error. */
export async function expectCode(promise: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<unknown> {
  const error: unknown = await promise.then(
    () => 'it was not refused',
    (cause: unknown) => cause,
  )
  expect(isRegistrishError(error, ...codes), `${codes.join(' or ')} expected: ${String(error)}`).toBe(true)
  return error
}

/** Paths of all files below a folder, sorted; none where it is absent. Locks come and go and are left out. */
export async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const paths = entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  return paths
    .map(path => path.slice(folder.length + 1))
    .filter(path => !path.includes('/locks/'))
    .sort()
}
