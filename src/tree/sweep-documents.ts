import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, isRegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { fallbackTag, formatReferrers, isFallbackTag } from '../oci/referrers.ts'
import { isRealFolder } from './deletion.ts'
import { formatTagsList, isFallbackDocument, referrersBySubject } from './documents.ts'
import { flushFolder, linkOrCopy, writeWhole } from './files.ts'
import type { RepositoryGraph } from './graph.ts'
import { manifestPath, manifestsFolder, referrersFolder, referrersPath, tagsListPath } from './layout.ts'
import type { RepositorySnapshot } from './snapshot.ts'

/** What leaves a repository. */
export interface Doomed {
  readonly graph: RepositoryGraph
  readonly tags: ReadonlySet<string>
  /** sha256 digests. */
  readonly manifests: ReadonlySet<Digest>
  readonly blobs: readonly Digest[]
}

/** What the documents of a repository will say when the doomed have left. */
export interface DocumentPlan {
  /** The repository's snapshot without what leaves it. */
  readonly remaining: RepositorySnapshot
  /** Fallback documents that become shorter: tag → bytes. */
  readonly rewritten: ReadonlyMap<string, Uint8Array>
  /** Fallback documents of subjects to which nothing refers any more. */
  readonly removed: readonly string[]
  /** Indexes that nothing but those two sorts of tags names: they leave as well. */
  readonly superseded: readonly Digest[]
}

/** Says what the documents will be; changes nothing. */
export function planDocuments(root: string, doomed: Doomed): DocumentPlan {
  const { graph, manifests } = doomed
  const remaining = withoutDoomed(doomed)
  const lists = new Map<string, readonly Descriptor[]>()
  for (const [subject, referrers] of referrersBySubject(remaining)) lists.set(fallbackTag(subject), referrers)
  const affected = new Set<string>()
  for (const digest of manifests) {
    const subject = graph.snapshot.manifests.get(digest)?.subject
    if (subject !== undefined) affected.add(fallbackTag(subject))
  }
  const rewritten = new Map<string, Uint8Array>()
  const removed: string[] = []
  for (const tag of remaining.tags.keys()) {
    if (!isFallbackTag(tag) || !isFallbackDocument(root, graph.snapshot, tag)) continue
    const referrers = lists.get(tag)
    if (referrers === undefined) removed.push(tag)
    else if (affected.has(tag)) rewritten.set(tag, formatReferrers(referrers))
  }
  const superseded = findSuperseded(graph, remaining, { rewritten, removed })
  return { remaining, rewritten, removed, superseded }
}

/**
 * Indexes that are lists of referrers, now or once: of one subject, named by no other tag than its fallback tag, and part of no other index.
 * Fetching one more referrer leaves the former list behind.
 */
export function findLists(graph: RepositoryGraph): ReadonlySet<Digest> {
  const tagsOf = new Map<Digest, string[]>()
  for (const [tag, digest] of graph.snapshot.tags) tagsOf.set(digest, [...(tagsOf.get(digest) ?? []), tag])
  const children = new Set<Digest>()
  for (const { entry, edges } of graph.nodes.values()) {
    if (entry.kind !== 'index') continue
    for (const edge of edges) children.add(graph.find(edge.digest)?.entry.digest ?? edge.digest)
  }
  const lists = new Set<Digest>()
  for (const { entry, edges } of graph.nodes.values()) {
    if (entry.mediaType !== OCI_INDEX || entry.subject !== undefined || children.has(entry.digest)) continue
    const present = edges.map(edge => graph.find(edge.digest)?.entry).filter(child => child !== undefined)
    const subjects = new Set(present.map(({ subject }) => subject))
    const [subject] = subjects
    if (subjects.size !== 1 || subject === undefined) continue
    if ((tagsOf.get(entry.digest) ?? []).every(tag => tag === fallbackTag(subject))) lists.add(entry.digest)
  }
  return lists
}

/**
 * Makes the documents say no more than what will be left; the tags that are `removed` are still there afterwards. Only documents that say more
 * are touched, so that a full disk can be pruned.
 */
export async function rewriteDocuments(root: string, doomed: Doomed, plan: DocumentPlan): Promise<void> {
  const { remaining, rewritten, removed } = plan
  const { repository } = remaining
  const bySubject = referrersBySubject(remaining)
  let removedLists = false
  for (const subject of subjectsOf(doomed)) {
    const referrers = bySubject.get(subject)
    const path = referrersPath(repository, subject)
    if (referrers !== undefined) await shorten(root, path, formatReferrers(referrers))
    else if (isRealFolder(root, referrersFolder(repository))) {
      await remove(root, path)
      removedLists = true
    }
  }
  if (removedLists) await flushFolder(join(root, referrersFolder(repository)))
  for (const [tag, bytes] of rewritten) {
    const file = manifestPath(repository, digestOf(bytes))
    await writeFlushed(root, file, bytes)
    await linkOrCopy(root, join(root, file), join(root, manifestPath(repository, tag)))
  }
  if (rewritten.size > 0) await flushFolder(join(root, manifestsFolder(repository)))
  const left = [...remaining.tags.keys()].filter(tag => !removed.includes(tag))
  if (left.length === doomed.graph.snapshot.tags.size) return
  if (left.length === 0 && remaining.manifests.size === 0) {
    await remove(root, tagsListPath(repository))
    await flushFolder(dirname(join(root, tagsListPath(repository))))
  } else await shorten(root, tagsListPath(repository), formatTagsList(repository, left))
}

/** Writes a document and flushes its name, so that no deletion that follows can outlive a power loss that this does not. */
export async function writeFlushed(root: string, path: string, bytes: Uint8Array): Promise<void> {
  await writeWhole(root, path, bytes)
  await flushFolder(dirname(join(root, path)))
}

/** Makes a document say less. On a full disk it goes: one that is missing is behind, not wrong, and makes room for the one that is made at the end. */
async function shorten(root: string, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFlushed(root, path, bytes)
  } catch (error) {
    if (!isRegistrishError(error, 'no-space')) throw error
    await remove(root, path)
    await flushFolder(dirname(join(root, path)))
  }
}

/** A repository's snapshot without what leaves it. */
function withoutDoomed({ graph, tags, manifests }: Doomed): RepositorySnapshot {
  const { snapshot } = graph
  return {
    ...snapshot,
    manifests: new Map([...snapshot.manifests].filter(([digest]) => !manifests.has(digest))),
    tags: new Map([...snapshot.tags].filter(([tag]) => !tags.has(tag))),
  }
}

function findSuperseded(
  graph: RepositoryGraph,
  remaining: RepositorySnapshot,
  { rewritten, removed }: Pick<DocumentPlan, 'rewritten' | 'removed'>,
): readonly Digest[] {
  const leaving = new Set([...rewritten.keys(), ...removed])
  const needed = new Set([...rewritten.values()].map(bytes => digestOf(bytes)))
  for (const [tag, digest] of remaining.tags) if (!leaving.has(tag)) needed.add(digest)
  for (const { entry, edges } of graph.nodes.values()) {
    if (remaining.manifests.has(entry.digest)) for (const edge of edges) needed.add(edge.digest)
  }
  const digests = new Set([...leaving].flatMap(tag => remaining.tags.get(tag) ?? []))
  return [...digests].filter(digest => !needed.has(digest))
}

function subjectsOf({ graph, manifests }: Doomed): ReadonlySet<Digest> {
  const subjects = [...manifests].map(digest => graph.snapshot.manifests.get(digest)?.subject)
  return new Set(subjects.filter(subject => subject !== undefined))
}

async function remove(root: string, path: string): Promise<void> {
  try {
    await rm(join(root, path), { force: true })
  } catch (error) {
    throw fileError(error, 'remove', path)
  }
}
