import { throwIfAborted } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { compileGlob } from '../oci/glob.ts'
import type { CallOptions } from '../oci/source.ts'
import { isFallbackDocument } from './documents.ts'
import { type RepositoryGraph, reach, readGraph } from './graph.ts'
import { kindOf, type ListedKind, type ListedPlatform, platformsOf, readPlatform } from './listed-platforms.ts'
import { readOrigin } from './origin.ts'
import { readBlobs, type SnapshotProblem } from './snapshot.ts'
import type { ReadonlyTree } from './tree.ts'

/** What stands at a tag or digest. */
export interface ListedImage {
  /** sha256. */
  readonly digest: Digest
  readonly kind: ListedKind
  readonly mediaType: string
  readonly artifactType?: string
  /** Attestations and artifacts are no platforms. */
  readonly platforms: readonly ListedPlatform[]
  /** Bytes of the manifests and blobs below it that are present, each counted once; compressed as they are. */
  readonly size: number
  /** Number of manifests that refer to it. */
  readonly referrers: number
}

/** A tag and what stands there. */
export interface ListedTag extends ListedImage {
  readonly tag: string
  /** Whether it is a referrers fallback document of ours (`sha256-<hex>`), which is regenerated. */
  readonly document: boolean
}

/** A manifest that no tag leads to. */
export interface ListedUntagged extends ListedImage {
  /** Whether it was fetched by that digest, and so is kept by prune. */
  readonly pinned: boolean
}

/** A repository and what is in it. */
export interface RepositoryListing {
  readonly repository: string
  /** Where it was fetched from, as far as that is remembered. */
  readonly upstream?: string
  /** Sorted by code unit. */
  readonly tags: readonly ListedTag[]
  /** Sorted by digest; what is below another of them is not listed by itself. Empty where a pattern asks for tags. */
  readonly untagged: readonly ListedUntagged[]
  /** Bytes of all that is listed here, what several share counted once. */
  readonly size: number
  /** The part of `size` that no repository listed before has: these sum up to the size of all. */
  readonly newSize: number
  /** Files that are not what their names say, and so are not listed. */
  readonly problems: readonly SnapshotProblem[]
}

/** What is asked for. */
export interface ListOptions extends CallOptions {
  /** A glob on `repository` or `repository:tag`: `*` does not cross "/", `**` does. Default: all. */
  readonly pattern?: string
}

/** Lists what is in a tree, repository by repository in the order of their names. Nothing is verified and nothing is written. */
export async function* listImages(tree: ReadonlyTree, options: ListOptions = {}): AsyncGenerator<RepositoryListing> {
  const { repository: wanted, tag } = parsePattern(options.pattern)
  const counted = new Set<Digest>()
  for (const repository of await tree.repositories()) {
    throwIfAborted(options.signal)
    if (!wanted(repository)) continue
    const listing = await listRepository(tree.root, repository, { tag, counted })
    if (tag === undefined || listing.tags.length > 0) yield listing
  }
}

interface Pattern {
  readonly repository: (name: string) => boolean
  readonly tag: ((tag: string) => boolean) | undefined
}

function parsePattern(pattern = '**'): Pattern {
  const colon = pattern.indexOf(':', pattern.lastIndexOf('/') + 1)
  if (colon < 0) return { repository: compileGlob(pattern), tag: undefined }
  return { repository: compileGlob(pattern.slice(0, colon)), tag: compileGlob(pattern.slice(colon + 1)) }
}

interface Listing {
  readonly tag: Pattern['tag']
  /** Digests that were counted for an earlier repository, or this one. */
  readonly counted: Set<Digest>
}

async function listRepository(
  root: string,
  repository: string,
  { tag: wanted, counted }: Listing,
): Promise<RepositoryListing> {
  const graph = await readGraph(root, repository)
  const blobs = new Map((await readBlobs(root, repository)).map(({ digest, size }) => [digest, size]))
  const { upstream, pins } = await readOrigin(root, repository)
  const describe = createDescriber(root, graph, blobs)
  const tags: ListedTag[] = []
  for (const [tag, digest] of graph.snapshot.tags) {
    const image = wanted === undefined || wanted(tag) ? describe(digest) : undefined
    if (image !== undefined) tags.push({ tag, ...image, document: isFallbackDocument(root, graph.snapshot, tag) })
  }
  const pinned = new Set(pins.map(digest => graph.find(digest)?.entry.digest ?? digest))
  const untagged = wanted === undefined ? findUntagged(graph, pinned) : []
  const listed = [...new Set([...tags.map(({ digest }) => digest), ...untagged])]
  const sizes = sizesBelow(graph, blobs, listed)
  return {
    repository,
    ...(upstream === undefined ? {} : { upstream }),
    tags,
    untagged: untagged.flatMap(digest => {
      const image = describe(digest)
      return image === undefined ? [] : [{ ...image, pinned: pinned.has(digest) }]
    }),
    size: sum(sizes.values()),
    newSize: countNew(sizes, counted),
    problems: graph.snapshot.problems,
  }
}

/** Manifests that no tag leads to and that are not below or about another of them; and what was fetched by digest and has no tag of its own. */
function findUntagged(graph: RepositoryGraph, pinned: ReadonlySet<Digest>): readonly Digest[] {
  const tagged = new Set(graph.snapshot.tags.values())
  const { manifests } = reach(graph, tagged, { referrers: true })
  const loose = [...graph.nodes.values()].filter(({ entry }) => !manifests.has(entry.digest))
  const covered = new Set<Digest>()
  for (const { entry, edges } of loose) {
    for (const referrer of graph.referrersOf(entry.digest)) covered.add(referrer.entry.digest)
    for (const edge of edges) covered.add(graph.find(edge.digest)?.entry.digest ?? edge.digest)
  }
  const tops = loose.map(({ entry }) => entry.digest).filter(digest => !covered.has(digest))
  const pins = [...pinned].filter(digest => graph.nodes.has(digest) && !tagged.has(digest))
  return [...new Set([...tops, ...pins])].sort()
}

type Describer = (digest: Digest) => ListedImage | undefined

/** Describes manifests of a repository, each once, however many tags it has. */
function createDescriber(root: string, graph: RepositoryGraph, blobs: ReadonlyMap<Digest, number>): Describer {
  const known = new Map<Digest, ListedImage>()
  return digest => {
    const node = graph.nodes.get(digest)
    const before = known.get(digest)
    if (node === undefined || before !== undefined) return before
    const { mediaType } = node.entry
    const image: ListedImage = {
      digest,
      kind: kindOf(node),
      mediaType,
      ...(node.artifactType === undefined ? {} : { artifactType: node.artifactType }),
      platforms: platformsOf(graph, node, config => readPlatform(root, graph, { config, size: blobs.get(config) })),
      size: sum(sizesBelow(graph, blobs, [digest]).values()),
      referrers: graph.referrersOf(digest).length,
    }
    known.set(digest, image)
    return image
  }
}

/** Bytes of every manifest and blob below some manifests that is present. */
function sizesBelow(
  graph: RepositoryGraph,
  blobs: ReadonlyMap<Digest, number>,
  digests: Iterable<Digest>,
): ReadonlyMap<Digest, number> {
  const { manifests, others } = reach(graph, digests, { referrers: false })
  const sizes = new Map<Digest, number>()
  for (const digest of manifests) sizes.set(digest, graph.nodes.get(digest)?.entry.size ?? 0)
  for (const digest of others) {
    const size = blobs.get(digest)
    if (size !== undefined) sizes.set(digest, size)
  }
  return sizes
}

function countNew(sizes: ReadonlyMap<Digest, number>, counted: Set<Digest>): number {
  let size = 0
  for (const [digest, bytes] of sizes) {
    if (!counted.has(digest)) size += bytes
    counted.add(digest)
  }
  return size
}

function sum(sizes: Iterable<number>): number {
  let total = 0
  for (const size of sizes) total += size
  return total
}
