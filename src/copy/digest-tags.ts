import type { Digest } from '../oci/digest.ts'
import { fallbackTag } from '../oci/referrers.ts'
import type { CopyContext } from './context.ts'
import type { GraphCopier } from './graph.ts'

/** Finds the tags `sha256-<hex>.*` at which cosign keeps signatures, attestations and SBOMs. */
export interface DigestTags {
  /** The source's tags of that form of any of these digests. Empty where the source cannot list its tags. */
  find(repository: string, digests: Iterable<Digest>): Promise<readonly string[]>
}

/** Makes the one {@link DigestTags} of a copy: the tags of a repository are listed once. */
export function createDigestTags({ source, signal }: CopyContext, graph: GraphCopier): DigestTags {
  const lists = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>()
  return {
    async find(repository, digests) {
      const known = lists.get(repository) ?? list(repository)
      lists.set(repository, known)
      const byPrefix = await known
      return [...digests].flatMap(digest => byPrefix.get(fallbackTag(digest)) ?? [])
    },
  }

  async function list(repository: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const tags = (await graph.limit(async () => source.tags?.(repository, { signal }))) ?? []
    const byPrefix = new Map<string, string[]>()
    for (const tag of tags) {
      const prefix = /^([a-z0-9]+-[0-9a-f]+)\./.exec(tag)?.[1]
      if (prefix === undefined) continue
      const known = byPrefix.get(prefix)
      if (known === undefined) byPrefix.set(prefix, [tag])
      else known.push(tag)
    }
    return byPrefix
  }
}
