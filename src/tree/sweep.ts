import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { CallOptions } from '../oci/source.ts'
import type { Deleter } from './deletion.ts'
import { formatCatalog, rebuildDocuments } from './documents.ts'
import { flushFolder } from './files.ts'
import { parentsFirst } from './graph.ts'
import {
  blobPath,
  blobsFolder,
  catalogPath,
  manifestPath,
  manifestsFolder,
  originPath,
  PUBLIC,
  referrersFolder,
  repositoryFolder,
  tagsListPath,
} from './layout.ts'
import { isEmptyRepository, listRepositories } from './snapshot.ts'
import { type Doomed, planDocuments, rewriteDocuments, writeFlushed } from './sweep-documents.ts'

/*
 * How anything leaves a tree, so that after a kill at any moment everything visible is right: first the documents cease to name it, then go the tags,
 * then manifests, indexes before their children, then blobs, then folders. The caller holds the exclusive tree lock.
 */

/** Files that are deleted before the event loop gets a turn. */
const BATCH = 128

/** Removes what is doomed from one repository, its documents included; the catalogue and empty folders are left to {@link finishSweep}. */
export async function sweepRepository(root: string, doomed: Doomed, deleter: Deleter): Promise<void> {
  const { graph, manifests } = doomed
  const { repository } = graph.snapshot
  const plan = planDocuments(root, doomed)
  if (!deleter.dryRun) await rewriteDocuments(root, doomed, plan)
  const tags = [...doomed.tags, ...plan.removed]
  for (const tag of tags) deleter.file(manifestPath(repository, tag))
  if (tags.length > 0) await flush(root, manifestsFolder(repository), deleter)
  let turn = 0
  for (const digest of parentsFirst(graph, [...manifests, ...plan.superseded])) {
    const aliases = graph.nodes.get(digest)?.entry.aliases ?? []
    for (const name of [...aliases, digest]) deleter.file(manifestPath(repository, name))
    if (++turn % BATCH === 0) await setImmediate()
  }
  if (doomed.blobs.length === 0) return
  await flush(root, manifestsFolder(repository), deleter)
  for (const digest of doomed.blobs) {
    deleter.file(blobPath(repository, digest))
    if (++turn % BATCH === 0) await setImmediate()
  }
}

/** Regenerates the documents of repositories that were swept, and removes the folders of those that hold nothing any more. Returns the latter. */
export async function finishSweep(
  root: string,
  repositories: Iterable<string>,
  { deleter, ...options }: CallOptions & { readonly deleter: Deleter },
): Promise<readonly string[]> {
  if (deleter.dryRun) return []
  const all = await listRepositories(root)
  const empty = new Set<string>()
  for (const repository of repositories) {
    await setImmediate()
    if (isEmptyRepository(root, repository)) empty.add(repository)
  }
  if (empty.size > 0)
    await writeFlushed(root, catalogPath, formatCatalog(all.filter(repository => !empty.has(repository))))
  for (const repository of empty) await removeFolders(repository, deleter)
  await rebuildDocuments(
    root,
    [...repositories].filter(repository => !empty.has(repository)),
    options,
  )
  return [...empty]
}

/** Removes a repository's own folders where they are empty, its folder and those above it likewise, and what was remembered of it. */
async function removeFolders(repository: string, deleter: Deleter): Promise<void> {
  deleter.file(tagsListPath(repository))
  const own = [dirname(tagsListPath(repository)), referrersFolder(repository), blobsFolder(repository)]
  for (const folder of [...own, manifestsFolder(repository)]) await deleter.emptyFolder(folder)
  deleter.file(originPath(repository))
  await deleter.emptyFolder(dirname(originPath(repository)))
  for (let folder = repositoryFolder(repository); folder !== PUBLIC; folder = dirname(folder)) {
    if (!(await deleter.emptyFolder(folder))) return
  }
}

async function flush(root: string, folder: string, { dryRun }: Deleter): Promise<void> {
  if (!dryRun) await flushFolder(join(root, folder))
}
