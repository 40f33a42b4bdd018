import type { CopyReport, CopyRequest } from '../copy/context.ts'
import { copyImages } from '../copy/copy.ts'
import { isRegistrishError, messageOf, RegistrishError } from '../errors.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { compileGlob } from '../oci/glob.ts'
import type { Source } from '../oci/source.ts'
import { createChangeNotes } from '../tree/change-notes.ts'
import { openTree } from '../tree/disk-tree.ts'
import { rebuildDocuments } from '../tree/documents.ts'
import { acquireTreeLock, type Lock } from '../tree/lock.ts'
import { makeRoom } from '../tree/make-room.ts'
import type { Tree } from '../tree/tree.ts'
import { claimRepositories } from './claim.ts'
import { distinctRequests, openWay } from './open-way.ts'
import type { FetchOptions } from './options.ts'
import { checkUpstream, rememberOrigin } from './upstream.ts'
import type { Way } from './way.ts'

/** What a fetch did. */
export interface FetchReport extends CopyReport {
  /** Where from: `docker.io/library/alpine`. */
  readonly upstream: string
  /** Repositories of the tree in which anything changed. */
  readonly changed: readonly string[]
}

/**
 * Fetches images into a tree: `image` is a registry's name (`alpine`, `ghcr.io/o/app:1`, `…@sha256:…`) or a transport (`oci:DIR`, `oci-archive:FILE`,
 * `docker-archive:FILE`; through skopeo any of its own), `tags` more tags or digests of the same repository.
 * @throws RegistrishError where nothing could be fetched at all; failures of single tags are in the report.
 */
export async function fetchImages(
  image: string,
  tags: readonly string[] = [],
  options: FetchOptions = {},
): Promise<FetchReport> {
  const tree = openTree(options.root ?? '.')
  const way = await openWay(image, tags, { ...options, root: tree.root })
  try {
    const requests = await chooseRequests(way, options)
    const repositories = [...new Set(requests.map(request => request.target))]
    if (options.dryRun === true) {
      await checkUpstreams(tree.root, { way, repositories, options })
      const report = await copyImages(way.source, tree, requests, options)
      return { ...report, upstream: way.upstream, changed: [] }
    }
    const lock = await acquireTreeLock(tree.root, 'shared', { ...waiting(options), purpose: 'fetch' })
    try {
      const upstreams = await checkUpstreams(tree.root, { way, repositories, options })
      const report = await copyAndDocument(way.source, tree, { requests, upstreams, options, lock })
      const changed = repositories.filter(repository =>
        report.results.some(({ changed: did, request }) => did && request.target === repository),
      )
      return { ...report, upstream: way.upstream, changed }
    } finally {
      await lock.release()
    }
  } finally {
    await way.source.close?.()
  }
}

interface Checking {
  readonly way: Way
  readonly repositories: readonly string[]
  readonly options: FetchOptions
}

/** What to remember as the upstream of each repository, if all may be written to. */
async function checkUpstreams(
  root: string,
  { way, repositories, options }: Checking,
): Promise<ReadonlyMap<string, string>> {
  const allowed = mayMix(options)
  const remembered = new Map<string, string>()
  for (const repository of repositories) {
    const upstream = way.upstreams?.get(repository) ?? way.upstream
    remembered.set(repository, await checkUpstream(root, repository, { upstream, allowed }))
  }
  return remembered
}

function mayMix({ as, force }: FetchOptions): boolean {
  return as !== undefined || force === true
}

interface Copying {
  readonly requests: readonly CopyRequest[]
  /** By repository of the tree. */
  readonly upstreams: ReadonlyMap<string, string>
  readonly options: FetchOptions
  /** The tree's, that is held. */
  readonly lock: Lock
}

/** Copies, then regenerates the documents and remembers where from, also after a failure: what became visible before it must be listed. */
async function copyAndDocument(
  source: Source,
  tree: Tree,
  { requests, upstreams, options, lock }: Copying,
): Promise<CopyReport> {
  const claiming = {
    upstreams,
    allowed: mayMix(options),
    pins: pinsOf(requests),
    note: createChangeNotes(tree.root, lock),
    ...waiting(options),
  }
  const claims = claimRepositories(tree, claiming)
  let report: CopyReport
  try {
    report = await copyImages(source, claims.tree, requests, options)
  } catch (failure) {
    await claims.release()
    await recordAfterFailure(tree, failure, { upstreams, options })
    throw failure
  }
  await claims.release()
  await recordContent(tree, upstreams, report)
  return report
}

/** What made the copy fail is what the user must know: that the documents lag behind too is a note. */
async function recordAfterFailure(
  tree: Tree,
  failure: unknown,
  { upstreams, options }: Omit<Copying, 'requests' | 'lock'>,
): Promise<void> {
  try {
    if (isRegistrishError(failure, 'no-space')) await makeRoom(tree.root)
    await recordContent(tree, upstreams)
  } catch (error) {
    const text = `the documents may lag behind, registrish verify --repair mends them: ${messageOf(error)}`
    options.onProgress?.({ type: 'note', text })
  }
}

/** Only of what is there: an image that was not found leaves nothing behind. */
async function recordContent(
  { root }: Tree,
  upstreams: ReadonlyMap<string, string>,
  { results }: Pick<CopyReport, 'results'> = { results: [] },
): Promise<void> {
  const there = new Set(await openTree(root).repositories())
  const repositories = [...upstreams.keys()].filter(repository => there.has(repository))
  if (repositories.length > 0) await rebuildDocuments(root, repositories)
  const done = results.filter(({ error }) => error === undefined).map(({ request }) => request)
  const pins = pinsOf(done)
  for (const repository of new Set(done.map(({ target }) => target))) {
    const upstream = upstreams.get(repository)
    if (upstream !== undefined)
      await rememberOrigin(root, repository, { upstream, pins: [...(pins.get(repository) ?? [])] })
  }
}

async function chooseRequests(way: Way, options: FetchOptions): Promise<readonly CopyRequest[]> {
  const globs = options.tagGlobs ?? []
  if (options.allTags !== true && globs.length === 0) return distinctRequests(way.requests)
  if (options.allTags === true && globs.length > 0) {
    throw new RegistrishError('usage', 'all tags are wanted, and only those that match', {
      hint: 'give --all-tags or --tags',
    })
  }
  const { source } = way
  if (source.tags === undefined)
    throw new RegistrishError('usage', `${source.title} cannot list its tags`, { hint: 'name the tags' })
  const call = options.signal === undefined ? {} : { signal: options.signal }
  const all: CopyRequest[] = []
  for (const { repository, target } of placesOf(way)) {
    for (const reference of await source.tags(repository, call)) all.push({ repository, reference, target })
  }
  const matches = globs.map(compileGlob)
  const chosen = options.allTags === true ? all : all.filter(({ reference }) => matches.some(match => match(reference)))
  if (chosen.length === 0) throw noTags(way, globs, all)
  return distinctRequests([...(way.named ? way.requests : []), ...chosen])
}

/** The repositories that tags are chosen from: several where a layout holds images of several. */
function placesOf({ requests }: Way): readonly Pick<CopyRequest, 'repository' | 'target'>[] {
  return [...new Map(requests.map(({ repository, target }) => [repository, { repository, target }])).values()]
}

function noTags({ upstream }: Way, globs: readonly string[], all: readonly CopyRequest[]): RegistrishError {
  const tags = all.map(({ reference }) => reference)
  const more = tags.length > 10 ? `, and ${tags.length - 10} more` : ''
  return tags.length === 0
    ? new RegistrishError('not-found', `${upstream} has no tags`, { side: 'source' })
    : new RegistrishError('not-found', `${upstream} has no tag that matches ${globs.join(' or ')}`, {
        side: 'source',
        hint: `it has ${tags.slice(0, 10).join(', ')}${more}`,
      })
}

/** The digests that were asked for without a tag, by repository of the tree. */
function pinsOf(requests: readonly CopyRequest[]): ReadonlyMap<string, ReadonlySet<Digest>> {
  const pins = new Map<string, Set<Digest>>()
  for (const { target, tag, reference } of requests) {
    const digest = tag === undefined ? asDigest(reference) : undefined
    if (digest !== undefined) pins.set(target, (pins.get(target) ?? new Set()).add(digest))
  }
  return pins
}

function waiting({ signal, onProgress }: FetchOptions): {
  readonly signal?: AbortSignal
  readonly onWait: (owner: string) => void
} {
  return {
    ...(signal === undefined ? {} : { signal }),
    onWait: owner => onProgress?.({ type: 'note', text: `waiting for ${owner}` }),
  }
}
