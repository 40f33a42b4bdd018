import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { abortedError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { compileGlob } from '../oci/glob.ts'
import { OCI_CONFIG } from '../oci/media-types.ts'
import { formatPlatform } from '../oci/platform.ts'
import type { CallOptions } from '../oci/source.ts'
import { isFallbackDocument } from './documents.ts'
import { type GraphNode, type RepositoryGraph, reach, readGraph } from './graph.ts'
import { blobPath } from './layout.ts'
import { readOrigin } from './origin.ts'
import { readBlobs, type SnapshotProblem } from './snapshot.ts'
import type { ReadonlyTree } from './tree.ts'

/** `artifact`: a manifest that is no image: of an artifact type, or with a config that is none of an image's. */
export type ListedKind = 'image' | 'index' | 'artifact'

/** A platform of an image; one of an index may be absent. */
export interface ListedPlatform {
  /** `os/arch[/variant][:osversion]`, or `unknown`. */
  readonly platform: string
  readonly digest: Digest
  readonly present: boolean
}

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
    if (options.signal?.aborted) throw abortedError(options.signal.reason)
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

const IMAGE_CONFIGS = new Set([OCI_CONFIG, 'application/vnd.docker.container.image.v1+json'])

function kindOf({ entry, artifactType, config }: GraphNode): ListedKind {
  if (entry.kind === 'index') return 'index'
  return artifactType === undefined && config !== undefined && IMAGE_CONFIGS.has(config.mediaType)
    ? 'image'
    : 'artifact'
}

/** The platforms below a manifest; those of nested indexes are its own. */
function platformsOf(
  graph: RepositoryGraph,
  top: GraphNode,
  platformOf: (config: Digest) => string | undefined,
): readonly ListedPlatform[] {
  const found = new Map<Digest, ListedPlatform>()
  const seen = new Set<GraphNode>()
  const visit = (node: GraphNode, stated?: string): void => {
    if (seen.has(node)) return
    seen.add(node)
    const { digest, kind } = node.entry
    if (kind === 'image') {
      if (kindOf(node) !== 'image' && stated === undefined) return
      const platform = stated ?? (node.config === undefined ? undefined : platformOf(node.config.digest))
      found.set(digest, { platform: platform ?? 'unknown', digest, present: true })
      return
    }
    for (const edge of node.edges) {
      if (edge.attestation || edge.platform === 'unknown/unknown') continue
      const child = graph.find(edge.digest)
      if (child !== undefined) visit(child, edge.platform)
      else if (edge.manifestType) {
        found.set(edge.digest, { platform: edge.platform ?? 'unknown', digest: edge.digest, present: false })
      }
    }
  }
  visit(top)
  return [...found.values()]
}

/** Largest config that is read for its platform, in bytes. */
const LARGEST_CONFIG = 4 * 1024 * 1024

/** The platform that an image's config states (image spec, config.md); undefined where that cannot be read. `size`: of the config, undefined where it is absent. */
function readPlatform(
  root: string,
  { snapshot }: RepositoryGraph,
  { config, size }: { readonly config: Digest; readonly size: number | undefined },
): string | undefined {
  if (size === undefined || size > LARGEST_CONFIG) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(join(root, blobPath(snapshot.repository, config)), 'utf8'))
    if (!isRecord(value)) return undefined
    const { os, architecture, variant } = value as Record<string, unknown>
    if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '') return undefined
    return formatPlatform({ os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) })
  } catch {
    return undefined // A listing says what it can; verify says what is wrong with a config.
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
