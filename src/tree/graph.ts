import type { Digest } from '../oci/digest.ts'
import { attestedDigest, type Manifest, references } from '../oci/manifest.ts'
import { isManifestType } from '../oci/media-types.ts'
import { formatPlatform } from '../oci/platform.ts'
import { type ManifestEntry, type ReadOptions, type RepositorySnapshot, readRepository } from './snapshot.ts'

/** What a manifest says of something it points to. */
export interface Edge {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** `os/arch…` where an index states it. */
  readonly platform?: string
  /** An attestation beside an image, no platform of its own. */
  readonly attestation: boolean
  /** May lie elsewhere: a foreign layer. */
  readonly foreign: boolean
  /** Its media type is one of the manifest types. */
  readonly manifestType: boolean
}

/** A manifest and what it points to: children of an index, or config and layers. The subject is in `entry`. */
export interface GraphNode {
  readonly entry: ManifestEntry
  readonly artifactType?: string
  /** Digest and media type of an image's config. */
  readonly config?: { readonly digest: Digest; readonly mediaType: string }
  readonly edges: readonly Edge[]
}

/** The manifests of a repository, and how they hang together. */
export interface RepositoryGraph {
  readonly snapshot: RepositorySnapshot
  /** By sha256 digest. */
  readonly nodes: ReadonlyMap<Digest, GraphNode>
  /** The manifest that a sha256 or sha512 digest names. */
  find(digest: Digest): GraphNode | undefined
  /** Manifests whose subject is that digest, by the digest's own name or another of the same manifest. */
  referrersOf(digest: Digest): readonly GraphNode[]
}

/** Digests that can be reached from some manifests. */
export interface Reach {
  /** sha256 digests of manifests that are present. */
  readonly manifests: ReadonlySet<Digest>
  /** Digests of blobs, as manifests name them, and children that are absent. */
  readonly others: ReadonlySet<Digest>
}

/** Reads the graph of a repository, each manifest once; blobs are not touched. */
export async function readGraph(
  root: string,
  repository: string,
  { onManifest }: ReadOptions = {},
): Promise<RepositoryGraph> {
  const outlines = new Map<Digest, Outline>()
  const names = new Map<string, Digest>()
  const snapshot = await readRepository(root, repository, undefined, {
    onManifest: (digest, manifest, bytes) => {
      outlines.set(digest, outlineOf(manifest, names))
      onManifest?.(digest, manifest, bytes)
    },
  })
  const nodes = new Map<Digest, GraphNode>()
  for (const entry of snapshot.manifests.values()) {
    const outline = outlines.get(entry.digest)
    if (outline !== undefined) nodes.set(entry.digest, { entry, ...outline })
  }
  return connect(snapshot, nodes)
}

/** Everything that the roots lead to; with `referrers` also what refers to any of it, and so on. Roots that are absent lead to their referrers. */
export function reach(
  graph: RepositoryGraph,
  roots: Iterable<Digest>,
  options: { readonly referrers: boolean },
): Reach {
  const manifests = new Set<Digest>()
  const others = new Set<Digest>()
  const pending = [...roots]
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    const node = graph.find(digest)
    if (node === undefined ? others.has(digest) : manifests.has(node.entry.digest)) continue
    if (node === undefined) others.add(digest)
    else manifests.add(node.entry.digest)
    if (options.referrers) for (const referrer of graph.referrersOf(digest)) pending.push(referrer.entry.digest)
    for (const edge of node?.edges ?? []) {
      if (node?.entry.kind === 'index') pending.push(edge.digest)
      else others.add(edge.digest)
    }
  }
  return { manifests, others }
}

/** The manifests given, those that point to others before those they point to. */
export function parentsFirst(graph: RepositoryGraph, digests: Iterable<Digest>): readonly Digest[] {
  const wanted = new Set(digests)
  const childrenFirst: Digest[] = []
  const seen = new Set<Digest>()
  for (const start of wanted) {
    const stack: { readonly digest: Digest; readonly leave: boolean }[] = [{ digest: start, leave: false }]
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      if (step.leave) {
        if (wanted.has(step.digest)) childrenFirst.push(step.digest)
        continue
      }
      if (seen.has(step.digest)) continue
      seen.add(step.digest)
      stack.push({ digest: step.digest, leave: true })
      const node = graph.find(step.digest)
      if (node?.entry.kind !== 'index') continue
      for (const edge of node.edges) {
        const child = graph.find(edge.digest)
        if (child !== undefined) stack.push({ digest: child.entry.digest, leave: false })
      }
    }
  }
  return childrenFirst.reverse()
}

/** What is kept of a manifest: most of it is text that nobody asks for. */
type Outline = Omit<GraphNode, 'entry'>

/** `names` keeps one string per digest, however many manifests name it. */
function outlineOf(manifest: Manifest, names: Map<string, Digest>): Outline {
  const intern = (digest: Digest): Digest => {
    const known = names.get(digest)
    if (known === undefined) names.set(digest, digest)
    return known ?? digest
  }
  const config = manifest.kind === 'image' ? manifest.config : undefined
  const edges = [...references(manifest)].map(descriptor => ({
    digest: intern(descriptor.digest),
    size: descriptor.size,
    attestation: attestedDigest(descriptor) !== undefined,
    foreign: descriptor.urls !== undefined,
    manifestType: isManifestType(descriptor.mediaType),
    ...(descriptor.platform === undefined ? {} : { platform: formatPlatform(descriptor.platform) }),
  }))
  return {
    edges,
    ...(manifest.artifactType === undefined ? {} : { artifactType: manifest.artifactType }),
    ...(config === undefined ? {} : { config: { digest: intern(config.digest), mediaType: config.mediaType } }),
  }
}

function connect(snapshot: RepositorySnapshot, nodes: ReadonlyMap<Digest, GraphNode>): RepositoryGraph {
  const aliases = new Map<Digest, GraphNode>()
  const bySubject = new Map<Digest, GraphNode[]>()
  for (const node of nodes.values()) {
    for (const alias of node.entry.aliases) aliases.set(alias, node)
    const { subject } = node.entry
    if (subject === undefined) continue
    const known = bySubject.get(subject)
    if (known === undefined) bySubject.set(subject, [node])
    else known.push(node)
  }
  const find = (digest: Digest): GraphNode | undefined => nodes.get(digest) ?? aliases.get(digest)
  return {
    snapshot,
    nodes,
    find,
    referrersOf(digest) {
      const entry = find(digest)?.entry
      const names = new Set([digest, ...(entry === undefined ? [] : [entry.digest, ...entry.aliases])])
      return [...names].flatMap(name => bySubject.get(name) ?? [])
    },
  }
}
