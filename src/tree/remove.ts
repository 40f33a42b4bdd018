import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, isRegistrishError, systemCode, throwIfAborted } from '../errors.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { parseRepositoryName, parseTag } from '../oci/name.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { noteDeletions } from './change-notes.ts'
import { createDeleter, type Deleter, isRealFolder } from './deletion.ts'
import { flushFolder, linkOrCopy } from './files.ts'
import { readGraph } from './graph.ts'
import { blobsFolder, manifestPath, manifestsFolder, referrersFolder, tagsListPath } from './layout.ts'
import { acquireTreeLock } from './lock.ts'
import { readOrigin, writeOrigin } from './origin.ts'
import { checkLinks, checkRepositories, planRemoval, type Removal } from './remove-plan.ts'
import { finishSweep, sweepRepository } from './sweep.ts'
import { findLinkTargets } from './symbolic-links.ts'
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
    checkLinks(removals, await findLinkTargets(root, await tree.repositories()))
    throwIfAborted(signal)
    await noteDeletions(root, lock, removals.map(repositoryOf))
    const deleter = createDeleter(root, false)
    for (const removal of removals) await applyRemoval(root, removal, deleter)
    await finish(root, removals, { deleter, ...(onProgress === undefined ? {} : { onProgress }) })
    return { repositories: removals.map(describeRemoval), freed: deleter.freed() }
  } finally {
    await lock.release()
  }
}

function checkNames({ repository, reference }: RemoveTarget): void {
  parseRepositoryName(repository)
  if (reference !== undefined && asDigest(reference) === undefined) parseTag(reference)
}

/** References by repository; undefined stands for the whole. */
function groupByRepository(targets: readonly RemoveTarget[]): ReadonlyMap<string, readonly (string | undefined)[]> {
  const groups = new Map<string, (string | undefined)[]>()
  for (const { repository, reference } of targets) {
    groups.set(repository, [...(groups.get(repository) ?? []), reference])
  }
  return groups
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

/** What was asked for is done by now: where the disk is too full for documents, that they lag behind is a note. */
async function finish(
  root: string,
  removals: readonly Removal[],
  { deleter, onProgress }: Pick<RemoveOptions, 'onProgress'> & { readonly deleter: Deleter },
): Promise<void> {
  try {
    await finishSweep(root, removals.map(repositoryOf), { deleter })
  } catch (error) {
    if (!isRegistrishError(error, 'no-space')) throw error
    const text = `the documents lag behind: ${error.message}; registrish prune makes room, then registrish verify --repair mends them`
    onProgress?.({ type: 'note', text })
  }
}

/** In a tree made by hand a tag's file may be the only one of a manifest that others need: it gets its digest's name before it loses the tag's. */
async function keepByDigest(root: string, { graph, tags, manifests }: Removal): Promise<void> {
  const { repository, tags: named } = graph.snapshot
  for (const tag of tags) {
    const digest = named.get(tag)
    const file = digest === undefined ? undefined : graph.nodes.get(digest)?.entry.file
    if (digest === undefined || file === undefined || manifests.has(digest)) continue
    if (file === manifestPath(repository, digest)) continue
    await linkOrCopy(root, join(root, file), join(root, manifestPath(repository, digest)))
    await flushFolder(join(root, manifestsFolder(repository)))
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
