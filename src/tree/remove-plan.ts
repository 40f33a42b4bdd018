import { RegistrishError } from '../errors.ts'
import { asDigest, type Digest, quote } from '../oci/digest.ts'
import { isRealFolder } from './deletion.ts'
import { isFallbackDocument } from './documents.ts'
import type { RepositoryGraph } from './graph.ts'
import { blobPath, blobsFolder, manifestPath, manifestsFolder, repositoryFolder } from './layout.ts'
import { nearNames } from './near-names.ts'
import { readOrigin } from './origin.ts'
import { readBlobs } from './snapshot.ts'
import { type Doomed, findLists } from './sweep-documents.ts'
import type { ReadonlyTree } from './tree.ts'

/** @throws RegistrishError `not-found` for a repository that is not there. */
export async function checkRepositories(
  tree: ReadonlyTree,
  targets: readonly { readonly repository: string }[],
): Promise<void> {
  const all = await tree.repositories()
  const known = new Set(all)
  for (const { repository } of targets) {
    if (!known.has(repository)) throw notFound(tree.root, repository, nearNames(repository, all))
  }
}

/** What leaves a repository, and what of that was asked for. */
export interface Removal extends Doomed {
  readonly whole: boolean
  /** The manifests that were asked for: all that leave but former lists of referrers. */
  readonly asked: ReadonlySet<Digest>
}

/**
 * Says what leaves a repository by tags and digests, or undefined for all of it; changes nothing.
 * @throws RegistrishError `not-found`, `conflict`.
 */
export async function planRemoval(
  root: string,
  graph: RepositoryGraph,
  references: readonly (string | undefined)[],
): Promise<Removal> {
  const { snapshot, nodes } = graph
  if (references.includes(undefined)) {
    const real = isRealFolder(root, blobsFolder(snapshot.repository))
    const blobs = real ? await readBlobs(root, snapshot.repository) : []
    const manifests = new Set(nodes.keys())
    const tags = new Set(snapshot.tags.keys())
    return { graph, whole: true, tags, manifests, asked: manifests, blobs: blobs.map(({ digest }) => digest) }
  }
  const tags = new Set<string>()
  const asked = new Set<Digest>()
  for (const reference of references.filter(text => text !== undefined)) {
    const digest = asDigest(reference)
    if (digest === undefined) tags.add(checkTag(root, graph, reference))
    else asked.add(checkDigest(root, graph, digest))
  }
  for (const [tag, digest] of snapshot.tags) if (asked.has(digest)) tags.add(tag)
  return { graph, whole: false, tags, manifests: await withLists(root, graph, asked), asked, blobs: [] }
}

/**
 * The manifests asked for, and former lists of referrers that name them.
 * @throws RegistrishError `conflict` where another index names them: it must not lose a child while it stays.
 */
async function withLists(
  root: string,
  graph: RepositoryGraph,
  asked: ReadonlySet<Digest>,
): Promise<ReadonlySet<Digest>> {
  const { snapshot, nodes, find } = graph
  const manifests = new Set(asked)
  if (asked.size === 0) return manifests
  const lists = findLists(graph)
  const { pins } = await readOrigin(root, snapshot.repository)
  const pinned = new Set(pins.map(digest => find(digest)?.entry.digest))
  const tagged = new Set(snapshot.tags.values())
  for (const { entry, edges } of nodes.values()) {
    if (entry.kind !== 'index' || asked.has(entry.digest)) continue
    const child = edges
      .map(edge => find(edge.digest)?.entry.digest)
      .find(digest => digest !== undefined && asked.has(digest))
    if (child === undefined) continue
    if (!lists.has(entry.digest) || pinned.has(entry.digest)) throw neededBy(snapshot.repository, child, entry.digest)
    if (!tagged.has(entry.digest)) manifests.add(entry.digest)
  }
  return manifests
}

function neededBy(repository: string, digest: Digest, index: Digest): RegistrishError {
  return new RegistrishError('conflict', `cannot remove ${repository}@${digest}: it is part of the index ${index}`, {
    hint: `remove the whole: registrish remove ${repository}@${index}, then registrish prune`,
    side: 'target',
  })
}

/**
 * Refuses to remove what a symbolic link that stays leads to; `links` as {@link findLinkTargets} gives them.
 * @throws RegistrishError `conflict`.
 */
export function checkLinks(removals: readonly Removal[], links: ReadonlyMap<string, string>): void {
  if (links.size === 0) return
  const leaving = new Set(removals.flatMap(removal => [...pathsOf(removal)]))
  for (const [target, link] of links) {
    if (!leaving.has(target) || leaving.has(link)) continue
    throw new RegistrishError('conflict', `cannot remove ${target}: ${link} is a symbolic link to it`, {
      hint: `replace ${link} by a hard link or a copy, or remove what it stands for as well`,
      side: 'target',
    })
  }
}

function* pathsOf({ graph, whole, tags, manifests, blobs }: Removal): Generator<string> {
  const { repository } = graph.snapshot
  for (const tag of tags) yield manifestPath(repository, tag)
  for (const digest of manifests) {
    for (const name of [digest, ...(graph.nodes.get(digest)?.entry.aliases ?? [])]) yield manifestPath(repository, name)
  }
  for (const digest of blobs) yield blobPath(repository, digest)
  if (!whole) return
  for (const folder of [repositoryFolder, manifestsFolder, blobsFolder]) yield folder(repository)
}

function checkTag(root: string, { snapshot }: RepositoryGraph, tag: string): string {
  const { repository, tags } = snapshot
  const damaged = snapshot.problems.find(({ file }) => file === manifestPath(repository, tag))
  if (!tags.has(tag) && damaged === undefined) throw notFound(root, `${repository}:${tag}`, nearTags(snapshot, tag))
  if (!isFallbackDocument(root, snapshot, tag)) return tag
  throw new RegistrishError(
    'conflict',
    `${repository}:${tag} is a document that registrish makes from what refers to that digest`,
    {
      hint: 'remove the manifests that refer to it, or the image itself and then prune: the document goes with them',
      side: 'target',
    },
  )
}

function checkDigest(root: string, graph: RepositoryGraph, digest: Digest): Digest {
  const { snapshot } = graph
  const node = graph.find(digest)
  if (node === undefined) throw notFound(root, `${snapshot.repository}@${digest}`, [])
  for (const [tag, named] of snapshot.tags) if (named === node.entry.digest) checkTag(root, graph, tag)
  return node.entry.digest
}

function nearTags({ tags }: RepositoryGraph['snapshot'], tag: string): readonly string[] {
  const near = nearNames(tag, tags.keys())
  return near.length > 0 ? near : [...tags.keys()].slice(0, 3)
}

function notFound(root: string, what: string, near: readonly string[]): RegistrishError {
  return new RegistrishError('not-found', `there is no ${what} in ${root}`, {
    side: 'target',
    hint:
      near.length === 0
        ? 'registrish list shows what is there'
        : `there is ${near.map(name => quote(name)).join(', ')}`,
  })
}
