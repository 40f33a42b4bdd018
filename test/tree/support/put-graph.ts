import { digestOf } from '../../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../../src/oci/media-types.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import { putBlob } from '../../contract/tree-support.ts'
import { type Graph, withAllReferrers } from '../../support/made-images.ts'

/** Puts a graph with all that refers to it as the copy engine does, links and all; `leave` names digests that stay absent. Documents are not rebuilt. */
export async function putGraph(
  tree: Tree,
  repository: string,
  graph: Graph,
  { tag, leave = [] }: { readonly tag?: string; readonly leave?: readonly string[] } = {},
): Promise<void> {
  for (const { manifests, blobs } of withAllReferrers(graph)) {
    for (const [digest, bytes] of blobs) {
      const descriptor = { mediaType: OCTET_STREAM, digest, size: bytes.length }
      if (leave.includes(digest) || (await tree.linkBlob(repository, descriptor))) continue
      await putBlob(tree, repository, descriptor, bytes)
    }
    for (const [digest, bytes] of manifests)
      if (!leave.includes(digest)) await tree.putManifest(repository, bytes, digest)
  }
  if (tag !== undefined) await tree.tag(repository, tag, graph.root.digest)
}

/** Bytes of manifests and blobs, each digest once. */
export function bytesOf(...graphs: readonly Graph[]): number {
  const all = new Map(graphs.flatMap(({ manifests, blobs }) => [...manifests, ...blobs]))
  const distinct = new Map([...all.values()].map(bytes => [digestOf(bytes), bytes.length]))
  return [...distinct.values()].reduce((sum, size) => sum + size, 0)
}
