import { manifestPath } from '../tree/layout.ts'
import type { LocalRepository } from './content.ts'
import type { StoreListing } from './listing.ts'
import type { StoreDigest } from './prune-reach.ts'

/**
 * Children of a repository's indexes that a store holds and the tree does not: it was fetched with some platforms only. What they need in turn is known to the
 * store alone.
 */
export function* sparseChildren({ name, graph }: LocalRepository, listing: StoreListing): Generator<StoreDigest> {
  for (const { entry, edges } of graph.nodes.values()) {
    if (entry.kind !== 'index') continue
    for (const { digest } of edges)
      if (graph.find(digest) === undefined && listing.has(manifestPath(name, digest)))
        yield { repository: name, digest }
  }
}
