import type { Digest } from '../oci/digest.ts'
import type { RouteTable } from '../tree/route.ts'
import { anyPattern, asPattern, type DigestGroup, groupByDigest } from './digest-groups.ts'

/** Characters of a route's expression (Vercel, "Project configuration"; the schema of its routing-utils). */
const LONGEST = 4096

/** A route that tells what some tags name. */
export interface TagRoute {
  /** Without anchors, of what stands behind `/v2/` or `/tags/`. */
  readonly pattern: string
  readonly digest: Digest
}

/** The fewest routes that tell what every tag names: one for a digest, unless its expression gets too long. In the order in which a table first names the digests. */
export async function collectTags(table: RouteTable): Promise<readonly TagRoute[]> {
  return (await groupByDigest(table, ['tag'])).flatMap(formatGroup)
}

function formatGroup({ digest, references }: DigestGroup): readonly TagRoute[] {
  const pieces = [...references].flatMap(([name, tags]) =>
    fill(tags.map(asPattern), LONGEST / 2).map(some => `${asPattern(name)}/manifests/${anyPattern(some)}`),
  )
  return fill(pieces, LONGEST - ROOM).map(some => ({ pattern: anyPattern(some), digest }))
}

/** For what stands around a pattern in a route. */
const ROOM = 64

/** Patterns in as few groups as their order allows, none longer than `most` characters when they are joined. */
function fill(patterns: readonly string[], most: number): readonly (readonly string[])[] {
  const groups: string[][] = []
  let length = Number.POSITIVE_INFINITY
  for (const pattern of patterns) {
    if (length + pattern.length + 1 > most) {
      groups.push([])
      length = 0
    }
    groups.at(-1)?.push(pattern)
    length += pattern.length + 1
  }
  return groups
}
