import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../../src/tree/documents.ts'
import { blobPath, manifestPath } from '../../../src/tree/layout.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import type { Graph } from '../../support/made-images.ts'
import { type Images, makeTree } from './trees.ts'

/** Keys of all that a graph consists of, its tag apart. */
export function keysOfGraph(repository: string, { manifests, blobs }: Graph): readonly string[] {
  return [
    ...[...manifests.keys()].map(digest => manifestPath(repository, digest)),
    ...[...blobs.keys()].map(digest => blobPath(repository, digest)),
  ]
}

/** A tree that lacks some files. */
export async function makeTreeWithout(images: Images, keys: readonly string[]): Promise<Tree> {
  const { root } = await makeTree(images)
  for (const key of keys) await rm(join(root, key))
  await rebuildDocuments(root)
  return openTree(root)
}
