import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, RegistrishError, systemCode, throwIfAborted } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { fallbackTag } from '../oci/referrers.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { noteDeletions } from './change-notes.ts'
import { createDeleter, type Deleter, isRealFolder } from './deletion.ts'
import { isFallbackDocument } from './documents.ts'
import { statEntry } from './files.ts'
import { type RepositoryGraph, reach, readGraph } from './graph.ts'
import {
  blobPath,
  blobsFolder,
  incomingFolder,
  manifestPath,
  partialsFolder,
  temporaryFolder,
  verifiedFolder,
} from './layout.ts'
import { acquireReadingLock, acquireTreeLock } from './lock.ts'
import { readOrigin } from './origin.ts'
import { listBlobs } from './snapshot.ts'
import { finishSweep, sweepRepository } from './sweep.ts'
import type { Doomed } from './sweep-documents.ts'
import { findLinkTargets } from './symbolic-links.ts'
import type { Tree } from './tree.ts'

export interface PruneOptions extends CallOptions {
  /** Says what would go, and deletes nothing. Default false. */
  readonly dryRun?: boolean
  readonly onProgress?: OnProgress
}

/** What was deleted from one repository, or would be. */
export interface PrunedRepository {
  readonly repository: string
  /** sha256 digests, sorted. */
  readonly manifests: readonly Digest[]
  readonly blobs: readonly Digest[]
}

export interface PruneReport {
  readonly dryRun: boolean
  /** Repositories of which anything went, sorted. */
  readonly repositories: readonly PrunedRepository[]
  /** Repositories of which nothing is left; not known in a dry run. */
  readonly gone: readonly string[]
  /** Files of interrupted downloads and writes that nobody has touched for a day. */
  readonly leftovers: number
  /** Bytes that became free, or would: those of a blob that several repositories share when the last name goes. */
  readonly freed: number
}

/** Leftovers must not have been touched for so long, in milliseconds. */
const STALE = 24 * 3_600_000

/**
 * Deletes the manifests and blobs that no tag and no digest fetched by itself leads to. What refers to something that stays, stays.
 * Waits for a running fetch.
 * @throws RegistrishError `manifest-invalid` where a manifest cannot be read: what it needs is unknown, so nothing is deleted.
 */
export async function pruneTree(tree: Tree, options: PruneOptions = {}): Promise<PruneReport> {
  const { dryRun = false, signal, onProgress } = options
  const { root } = tree
  const call: CallOptions = signal === undefined ? {} : { signal }
  const onWait = (owner: string): void => onProgress?.({ type: 'note', text: `waiting for ${owner}` })
  const asking = { ...call, onWait, purpose: 'prune' }
  const lock = dryRun
    ? await acquireReadingLock(root, { ...asking, mode: 'exclusive' })
    : await acquireTreeLock(root, 'exclusive', asking)
  try {
    const deleter = createDeleter(root, dryRun)
    const pruned: PrunedRepository[] = []
    const touched: string[] = []
    const repositories = await tree.repositories()
    const linked = await findLinkTargets(root, repositories)
    const prunable = await findPrunable(root, { repositories, linked, ...call })
    if (!dryRun && prunable.length > 0) await noteDeletions(root, lock, prunable)
    for (const repository of prunable) {
      throwIfAborted(signal)
      const doomed = await chooseDoomed(root, await readGraph(root, repository), linked)
      await sweepRepository(root, doomed, deleter)
      touched.push(repository)
      if (doomed.manifests.size + doomed.blobs.length === 0) continue
      pruned.push({ repository, manifests: [...doomed.manifests].sort(), blobs: doomed.blobs })
    }
    const gone = touched.length === 0 ? [] : await finishSweep(root, touched, { deleter, ...call })
    const leftovers = sweepLeftovers(root, deleter)
    return { dryRun, repositories: pruned, gone, leftovers, freed: deleter.freed() }
  } finally {
    await lock.release()
  }
}

/** What symbolic links lead to: it stays, with all it needs. */
type Linked = ReadonlyMap<string, string>

/** The repositories of which anything will go, empty ones included. All are read before anything is deleted: one that is damaged stops the whole. */
async function findPrunable(
  root: string,
  { repositories, linked, signal }: CallOptions & { readonly repositories: readonly string[]; readonly linked: Linked },
): Promise<readonly string[]> {
  const found: string[] = []
  for (const repository of repositories) {
    throwIfAborted(signal)
    const graph = await readGraph(root, repository)
    refuseDamaged(graph)
    const { manifests, blobs } = await chooseDoomed(root, graph, linked)
    if (manifests.size + blobs.length > 0 || graph.nodes.size === 0) found.push(repository)
  }
  return found
}

/** Even a damaged manifest that nothing names may have referred to something: it is for verify to move aside. */
function refuseDamaged({ snapshot }: RepositoryGraph): void {
  const [damaged] = snapshot.problems
  if (damaged === undefined) return
  throw new RegistrishError('manifest-invalid', `cannot prune: ${damaged.file} cannot be read: ${damaged.text}`, {
    hint: 'nothing was deleted, since what it needs is unknown: run registrish verify --repair, fetch the image again, then prune',
    side: 'target',
  })
}

async function chooseDoomed(root: string, graph: RepositoryGraph, linked: Linked): Promise<Doomed> {
  const { snapshot, nodes } = graph
  const { repository, tags } = snapshot
  const documents = [...tags].filter(([tag]) => isFallbackDocument(root, snapshot, tag))
  const ours = new Set(documents.map(([tag]) => tag))
  const tagged = [...tags].filter(([tag]) => !ours.has(tag)).map(([, digest]) => digest)
  const { pins } = await readOrigin(root, repository)
  const linkedTo = [...nodes.values()].flatMap(({ entry }) => {
    const names = [entry.digest, ...entry.aliases]
    return names.some(name => linked.has(manifestPath(repository, name))) ? [entry.digest] : []
  })
  const kept = reach(graph, [...tagged, ...pins, ...linkedTo], { referrers: true })
  const lists = new Set<string>()
  for (const digest of kept.manifests) {
    const subject = nodes.get(digest)?.entry.subject
    if (subject !== undefined) lists.add(fallbackTag(subject))
  }
  const keptDocuments = new Set(documents.filter(([tag]) => lists.has(tag)).map(([, digest]) => digest))
  const manifests = [...nodes.keys()].filter(digest => !kept.manifests.has(digest) && !keptDocuments.has(digest))
  return {
    graph,
    tags: new Set(),
    manifests: new Set(manifests),
    blobs: chooseBlobs(root, repository, { keep: digest => kept.others.has(digest), linked }),
  }
}

/** The blobs of a repository that are not kept; none of a folder that is a link, or that others have a link to. */
function chooseBlobs(
  root: string,
  repository: string,
  { keep, linked }: { readonly keep: (digest: Digest) => boolean; readonly linked: Linked },
): readonly Digest[] {
  const folder = blobsFolder(repository)
  if (linked.has(folder) || !isRealFolder(root, folder)) return []
  const left = listBlobs(root, repository).filter(digest => !keep(digest) && !linked.has(blobPath(repository, digest)))
  return left.filter(digest => statEntry(root, blobPath(repository, digest)) !== undefined)
}

/** Deletes partial downloads and unfinished writes; nobody is at them, since who writes holds the tree's lock. */
function sweepLeftovers(root: string, deleter: Deleter): number {
  let count = 0
  for (const folder of [partialsFolder, verifiedFolder, incomingFolder]) {
    for (const name of listFolder(join(root, folder))) {
      const path = `${folder}/${name}`
      const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
      if (stats === undefined || stats.isDirectory() || Date.now() - stats.mtimeMs < STALE) continue
      if (deleter.file(path)) count += 1
    }
  }
  for (const name of listFolder(join(root, temporaryFolder))) {
    const path = join(root, temporaryFolder, name)
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats === undefined || Date.now() - stats.mtimeMs < STALE) continue
    if (!deleter.dryRun) rmSync(path, { recursive: true, force: true })
    count += 1
  }
  return count
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, 'list', folder)
  }
}
