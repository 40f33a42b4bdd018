import { RegistrishError } from '../errors.ts'
import { catalogPath, publicPrefix, repositoryFolder, versionPath } from '../tree/layout.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { callOf, withSignal } from './call-of.ts'
import { checkGraphs } from './check-graphs.ts'
import { INDEX_OBJECT } from './constants.ts'
import { type LocalRepository, neededKeys, readContent } from './content.ts'
import type { Deletions } from './deletions.ts'
import { readDeletions } from './deletions-record.ts'
import { type DocumentSources, LARGEST_DOCUMENT, type StoreDocument } from './documents.ts'
import { listStore, type StoreListing } from './listing.ts'
import { describePlan } from './plan.ts'
import { planDocuments } from './plan-documents.ts'
import { type PlannedObjects, planObjects } from './plan-objects.ts'
import { createPruning, type Pruning } from './pruning.ts'
import type { DeployOptions, DeployPlan } from './report.ts'
import { sparseChildren } from './sparse.ts'
import type { ObjectStore } from './store.ts'
import { beginWriting, type WritingGuard } from './writing-guard.ts'

/** Requests at once, where nothing else was said. */
export const JOBS = 16

/** What a deploy knows before it writes. */
export interface Preparation {
  readonly repositories: readonly LocalRepository[]
  readonly sources: DocumentSources
  /** Whether the store was filled by others: then the key that says that it is ours comes last. */
  readonly isForeign: boolean
  readonly objects: PlannedObjects
  readonly documents: readonly StoreDocument[]
  readonly guard: WritingGuard
  /** Repositories of the tree of which something waits to be deleted. */
  readonly recorded: ReadonlySet<string>
  readonly pruning: Pruning | undefined
  readonly plan: DeployPlan
}

/**
 * Compares a tree with a store. The order of reading matters: the record of deletions and the catalogue first, then the listing, so that whoever changes one
 * of the first two later is seen when they are written.
 * @throws RegistrishError `usage` where the tree is empty.
 */
export async function prepare(tree: ReadonlyTree, store: ObjectStore, options: DeployOptions): Promise<Preparation> {
  const { signal } = options
  const ending = new AbortController()
  try {
    const within = withSignal(signal, ending.signal)
    return await compare(tree, store, { ...options, signal: within })
  } catch (error) {
    ending.abort() // what runs beside it must not go on, nor try again
    throw error
  }
}

async function compare(tree: ReadonlyTree, store: ObjectStore, options: DeployOptions): Promise<Preparation> {
  const { signal, jobs = JOBS, prune = false } = options
  const call = callOf(signal)
  const reading = readContent(tree.root, call)
  reading.catch(() => {}) // it is awaited below, also where the store fails first
  const [guard, catalog] = await Promise.all([
    beginWriting(store, {
      ...call,
      onWait: () =>
        options.onProgress?.({ type: 'note', text: `waiting for another deploy that deletes from ${store.title}` }),
    }),
    store.get(catalogPath, { ...call, limit: LARGEST_DOCUMENT }),
  ])
  const listedAt = store.now()
  const listing = await listStore(store, call)
  const repositories = await reading
  if (repositories.length === 0) throw emptyTree(tree.root)
  const sources = { store, repositories, listing, jobs, ...call }
  const { deletions } = guard
  const pruning = prune ? await createPruning({ ...sources, listedAt, deletions, options }) : undefined
  const isGoing = pruning === undefined ? isRecorded(deletions, repositories) : pruning.isGoing
  // What a plain upload of files has filled lacks that key, which is no file's, and has headers of its own.
  // The probe of conditions alone is what a first deploy leaves that was cut off there.
  const isOnlyProbe = listing.size === 1 && listing.has(INDEX_OBJECT.key)
  const isForeign =
    listing.size > 0 && !isOnlyProbe && !listing.has(store.hasFolders === true ? versionPath : publicPrefix)
  const checkHeaders = options.checkHeaders === true || isForeign
  const objects = await planObjects({ ...sources, checkHeaders, mayCopy: !isForeign })
  const all = { ...sources, catalog, isGoing, checkHeaders }
  const { documents, settled } = await planDocuments(all, { alsoTouched: pruning?.repositories ?? [] })
  const plan = describePlan({
    store,
    objects,
    documents,
    isForeign,
    settled,
    problems: [...checkGraphs(repositories, listing), ...(pruning?.problems ?? [])],
    deletions: pruning?.objects ?? [],
    deletedTags: pruning?.tags ?? [],
  })
  const recorded = findRecorded(deletions, repositories, listing)
  return { repositories, sources: all, isForeign, objects, documents, guard, recorded, pruning, plan }
}

/**
 * Compares the documents once more, with what the store holds by now: for where somebody deletes beside a deploy. Those that it found as they should be may
 * have been changed since by who did not know what it has brought back, and the other way round.
 */
export async function planAgain(store: ObjectStore, prepared: Preparation): Promise<readonly StoreDocument[]> {
  const { sources, pruning, repositories, guard } = prepared
  const { signal } = sources
  const deletions = await readDeletions(store, callOf(signal))
  if (deletions.generation === guard.deletions.generation && pruning === undefined) return []
  const catalog = await store.get(catalogPath, { ...callOf(signal), limit: LARGEST_DOCUMENT })
  const listing = await listStore(store, callOf(signal))
  const isGoing = isRecorded(deletions, repositories)
  const now = { ...sources, store, catalog, listing, isGoing, checkHeaders: false }
  return (await planDocuments(now, { alsoTouched: pruning?.repositories ?? [], isWritten: true })).documents
}

/** Repositories of the tree of which something waits to be deleted on the store, as a run with another tree has seen to. */
function findRecorded(
  { unreferenced }: Deletions,
  repositories: readonly LocalRepository[],
  listing: StoreListing,
): ReadonlySet<string> {
  if (unreferenced.length === 0) return new Set()
  const recorded = new Set(unreferenced.flatMap(({ keys }) => keys))
  // What platforms that only the store holds need is not known yet: it may be anything of their repository.
  const isBelow = (repository: LocalRepository): boolean => {
    const [child] = sparseChildren(repository, listing)
    const folder = `${repositoryFolder(repository.name)}/`
    return child !== undefined && [...recorded].some(key => key.startsWith(folder))
  }
  const isTouched = (repository: LocalRepository): boolean => {
    for (const key of neededKeys(repository)) if (recorded.has(key)) return true
    return isBelow(repository)
  }
  return new Set(repositories.filter(isTouched).map(({ name }) => name))
}

/** Whether a key waits to be deleted, and the tree does not bring it back. */
function isRecorded({ unreferenced }: Deletions, repositories: readonly LocalRepository[]): (key: string) => boolean {
  if (unreferenced.length === 0) return () => false
  const recorded = new Set(unreferenced.flatMap(({ keys }) => keys))
  for (const repository of repositories) for (const key of neededKeys(repository)) recorded.delete(key)
  return key => recorded.has(key)
}

/** The error where a tree has nothing to deploy. */
export function emptyTree(root: string): RegistrishError {
  return new RegistrishError('usage', `there are no images in ${root}`, {
    hint: 'registrish fetch IMAGE gets some; --root names the folder that holds v2/',
  })
}
