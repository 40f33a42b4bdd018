import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { abortedError, fileError, RegistrishError, systemCode } from '../errors.ts'
import { asDigest, type Digest, quote } from '../oci/digest.ts'
import { parseRepositoryName, parseTag } from '../oci/name.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { createDeleter, type Deleter, isRealFolder } from './deletion.ts'
import { isFallbackDocument } from './documents.ts'
import { linkOrCopy } from './files.ts'
import { type RepositoryGraph, readGraph } from './graph.ts'
import { blobsFolder, manifestPath, manifestsFolder, referrersFolder, tagsListPath } from './layout.ts'
import { acquireTreeLock } from './lock.ts'
import { nearNames } from './near-names.ts'
import { readOrigin, writeOrigin } from './origin.ts'
import { readBlobs } from './snapshot.ts'
import { finishSweep, sweepRepository } from './sweep.ts'
import { type Doomed, findLists } from './sweep-documents.ts'
import type { Tree } from './tree.ts'

/** What is to be removed: a tag, a manifest by digest with the tags that name it, or without `reference` the whole repository. */
export interface RemoveTarget {
  readonly repository: string
  /** Tag or digest. */
  readonly reference?: string
}

export interface RemoveOptions extends CallOptions {
  readonly onProgress?: OnProgress
}

/** What was removed from one repository. */
export interface RemovedRepository {
  readonly repository: string
  /** Whether all of it. */
  readonly whole: boolean
  readonly tags: readonly string[]
  /** sha256 digests that went by that name; what a tag named stays until prune. */
  readonly manifests: readonly Digest[]
}

export interface RemoveReport {
  readonly repositories: readonly RemovedRepository[]
  /** Bytes that became free. */
  readonly freed: number
}

/**
 * Removes tags, manifests and repositories; repositories nested below one that is removed stay. Waits for a running fetch.
 * Nothing is removed where anything is wrong with any target.
 * @throws RegistrishError `name-invalid`, `not-found` (the hint names what is there), `conflict` where another manifest needs the one to be removed.
 */
export async function removeImages(
  tree: Tree,
  targets: readonly RemoveTarget[],
  options: RemoveOptions = {},
): Promise<RemoveReport> {
  const { signal, onProgress } = options
  for (const target of targets) checkNames(target)
  const call: CallOptions = signal === undefined ? {} : { signal }
  const onWait = (owner: string): void => onProgress?.({ type: 'note', text: `waiting for ${owner}` })
  const { root } = tree
  await checkRepositories(tree, targets)
  const lock = await acquireTreeLock(root, 'exclusive', { ...call, onWait, purpose: 'remove' })
  try {
    await checkRepositories(tree, targets)
    const removals: Removal[] = []
    for (const [repository, references] of groupByRepository(targets)) {
      removals.push(await planRemoval(root, await readGraph(root, repository), references))
    }
    if (signal?.aborted) throw abortedError(signal.reason)
    const deleter = createDeleter(root, false)
    for (const removal of removals) await applyRemoval(root, removal, deleter)
    await finishSweep(root, removals.map(repositoryOf), { deleter })
    return { repositories: removals.map(describeRemoval), freed: deleter.freed() }
  } finally {
    await lock.release()
  }
}

function checkNames({ repository, reference }: RemoveTarget): void {
  parseRepositoryName(repository)
  if (reference !== undefined && asDigest(reference) === undefined) parseTag(reference)
}

async function checkRepositories(tree: Tree, targets: readonly RemoveTarget[]): Promise<void> {
  const all = await tree.repositories()
  const known = new Set(all)
  for (const { repository } of targets) {
    if (!known.has(repository)) throw notFound(tree.root, repository, nearNames(repository, all))
  }
}

/** References by repository; undefined stands for the whole. */
function groupByRepository(targets: readonly RemoveTarget[]): ReadonlyMap<string, readonly (string | undefined)[]> {
  const groups = new Map<string, (string | undefined)[]>()
  for (const { repository, reference } of targets) {
    groups.set(repository, [...(groups.get(repository) ?? []), reference])
  }
  return groups
}

interface Removal extends Doomed {
  readonly whole: boolean
  /** The manifests that were asked for: all that leave but former lists of referrers. */
  readonly asked: ReadonlySet<Digest>
}

async function planRemoval(
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

async function applyRemoval(root: string, removal: Removal, deleter: Deleter): Promise<void> {
  const { repository } = removal.graph.snapshot
  await keepByDigest(root, removal)
  await sweepRepository(root, removal, deleter)
  if (removal.whole) {
    const others = [blobsFolder(repository), dirname(tagsListPath(repository)), referrersFolder(repository)]
    for (const folder of [manifestsFolder(repository), ...others]) await clearFolder(root, folder, deleter)
    return
  }
  const origin = await readOrigin(root, repository)
  const pins = origin.pins.filter(digest => !removal.manifests.has(removal.graph.find(digest)?.entry.digest ?? digest))
  if (pins.length < origin.pins.length) await writeOrigin(root, repository, { ...origin, pins })
}

/** In a tree made by hand a tag's file may be the only one of a manifest that others need: it gets its digest's name before it loses the tag's. */
async function keepByDigest(root: string, { graph, tags, manifests }: Removal): Promise<void> {
  const { repository, tags: named } = graph.snapshot
  for (const tag of tags) {
    const digest = named.get(tag)
    const file = digest === undefined ? undefined : graph.nodes.get(digest)?.entry.file
    if (digest === undefined || file === undefined || manifests.has(digest)) continue
    if (file !== manifestPath(repository, digest))
      await linkOrCopy(root, join(root, file), join(root, manifestPath(repository, digest)))
  }
}

/** Deletes all that is left in a folder of a repository, whatever it is. */
async function clearFolder(root: string, folder: string, deleter: Deleter): Promise<void> {
  if (!isRealFolder(root, folder)) {
    deleter.file(folder)
    return
  }
  try {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.isDirectory()) await rm(join(root, folder, entry.name), { recursive: true, force: true })
      else deleter.file(`${folder}/${entry.name}`)
    }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileError(error, 'remove', folder)
  }
}

function repositoryOf({ graph }: Removal): string {
  return graph.snapshot.repository
}

function describeRemoval({ graph, whole, tags, asked }: Removal): RemovedRepository {
  return { repository: graph.snapshot.repository, whole, tags: [...tags].sort(), manifests: [...asked].sort() }
}

function nearTags({ tags }: RepositoryGraph['snapshot'], tag: string): readonly string[] {
  const near = nearNames(tag, tags.keys())
  return near.length > 0 ? near : [...tags.keys()].slice(0, 3)
}

function notFound(root: string, what: string, near: readonly string[]): RegistrishError {
  return new RegistrishError('not-found', `${root} holds no ${what}`, {
    side: 'target',
    hint:
      near.length === 0
        ? 'registrish list shows what is there'
        : `there is ${near.map(name => quote(name)).join(', ')}`,
  })
}
