import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode } from '../errors.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { attestedDigest, type Manifest, parseManifest, references } from '../oci/manifest.ts'
import { isManifestType } from '../oci/media-types.ts'
import { formatPlatform } from '../oci/platform.ts'
import { type ManifestEntry, type RepositorySnapshot, readRepository } from './snapshot.ts'

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

/** Manifests that are read before the event loop gets a turn. */
const BATCH = 128

/** Reads the graph of a repository; blobs are not touched. A manifest that vanishes or changes meanwhile is left out. */
export async function readGraph(root: string, repository: string): Promise<RepositoryGraph> {
  const snapshot = await readRepository(root, repository)
  const nodes = new Map<Digest, GraphNode>()
  const names = new Map<string, Digest>()
  let turn = 0
  for (const entry of snapshot.manifests.values()) {
    if (++turn % BATCH === 0) await setImmediate()
    const manifest = readEntry(root, entry)
    if (manifest !== undefined) nodes.set(entry.digest, createNode(entry, manifest, names))
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

function readEntry(root: string, { file, digest }: ManifestEntry): Manifest | undefined {
  try {
    const bytes = readFileSync(join(root, file))
    return digestOf(bytes) === digest ? parseManifest(bytes) : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, 'read', file, 'source')
  }
}

/** `names` keeps one string per digest, however many manifests name it. */
function createNode(entry: ManifestEntry, manifest: Manifest, names: Map<string, Digest>): GraphNode {
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
    entry,
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
