import { RegistrishError, throwIfAborted } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import type { OnProgress } from '../progress.ts'
import { rebuildDocuments } from './documents.ts'
import { acquireReadingLock, acquireTreeLock } from './lock.ts'
import { nearNames } from './near-names.ts'
import { relinkBlobs } from './relink.ts'
import type { ReadonlyTree } from './tree.ts'
import { createBlobVerifier } from './verify-blobs.ts'
import { readDocuments, readTreeDocuments, verifyDocuments, verifyTreeDocuments } from './verify-documents.ts'
import { verifyGraph, verifyManifests } from './verify-graphs.ts'
import { verifyNames, verifyRepositoryNames } from './verify-names.ts'
import { createFindings, type VerifyReport } from './verify-report.ts'

export interface VerifyOptions extends CallOptions {
  /** Whether an index that lacks a platform is a problem. Default false. */
  readonly complete?: boolean
  /** Moves bad files aside, so that the next fetch replaces them, regenerates documents, and relinks equal blobs. Default false. */
  readonly repair?: boolean
  /** Names of the repositories to verify. Default: all, and the tree around them. */
  readonly repositories?: readonly string[]
  /** Files that are hashed at a time. Default 4. */
  readonly jobs?: number
  readonly onProgress?: OnProgress
}

/**
 * Hashes every manifest and blob against its name and checks that every graph is complete, every tag names a manifest and every document says what is
 * there. Changes nothing without `repair`; with it nobody else may write meanwhile, so that a running fetch is waited for.
 * @throws RegistrishError `not-found` for a repository that is not there; what is found wrong is in the report.
 */
export async function verifyTree(tree: ReadonlyTree, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { repair = false, signal, onProgress } = options
  const onWait = (owner: string): void => onProgress?.({ type: 'note', text: `waiting for ${owner}` })
  const asking = { onWait, purpose: repair ? 'repair' : 'verify', ...(signal === undefined ? {} : { signal }) }
  await chooseRepositories(tree, options)
  const lock = repair
    ? await acquireTreeLock(tree.root, 'exclusive', asking)
    : await acquireReadingLock(tree.root, asking)
  try {
    return await verifyLocked(tree, options)
  } finally {
    await lock.release()
  }
}

async function verifyLocked(tree: ReadonlyTree, options: VerifyOptions): Promise<VerifyReport> {
  const { complete = false, repair = false, jobs = 4, signal, onProgress } = options
  const { root } = tree
  const call: CallOptions = signal === undefined ? {} : { signal }
  const findings = createFindings(root, repair)
  const blobs = createBlobVerifier(root, findings, {
    jobs,
    ...call,
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  const treeDocuments = readTreeDocuments(root)
  const repositories = await chooseRepositories(tree, options)
  if (options.repositories === undefined) await verifyNames(root, findings)
  for (const repository of repositories) {
    throwIfAborted(signal)
    if (options.repositories !== undefined) await verifyRepositoryNames(root, repository, findings)
    const read = readDocuments(root, repository)
    const graph = await verifyManifests(root, repository, findings)
    const present = await blobs.verify(repository)
    verifyGraph(root, graph, { blobs: present, complete, findings })
    verifyDocuments(root, { graph, read }, findings)
  }
  if (options.repositories === undefined) verifyTreeDocuments(treeDocuments, repositories, findings)
  if (repair) {
    await rebuildDocuments(root, repositories, call)
    await relinkBlobs(root, { repositories, bad: blobs.bad }, findings)
  }
  return findings.report()
}

async function chooseRepositories(tree: ReadonlyTree, { repositories }: VerifyOptions): Promise<readonly string[]> {
  const all = await tree.repositories()
  if (repositories === undefined) return all
  const known = new Set(all)
  const missing = repositories.find(repository => !known.has(repository))
  if (missing === undefined) return [...new Set(repositories)].sort()
  const near = nearNames(missing, all)
  throw new RegistrishError('not-found', `there is no ${missing} in ${tree.root}`, {
    side: 'source',
    hint: near.length === 0 ? 'registrish list shows what is there' : `there is ${near.join(', ')}`,
  })
}
