import { isRegistrishError, RegistrishError, throwIfAborted } from '../errors.ts'
import { parseRepositoryName } from '../oci/name.ts'
import type { CallOptions } from '../oci/source.ts'
import { type ChangeNotes, readChanges } from '../tree/change-notes.ts'
import { rebuildDocuments } from '../tree/documents.ts'
import { acquireNamedLock, type Lock, tryNamedLock } from '../tree/lock.ts'
import type { SnapshotMemory } from '../tree/read-manifests.ts'
import { createRouteTable } from '../tree/routes.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import type { Job } from './check.ts'
import type { EmitOptions, EmitProblem, Emitter } from './emitter.ts'
import type { FarmContent } from './farm.ts'
import { flushLinks } from './flush-links.ts'
import { EMITTERS, findEmitter, hostNames } from './hosts.ts'
import { isInUse, readMarker } from './marker.ts'
import { refuseWithoutHeaders, WITHOUT_HEADERS } from './without-headers.ts'
import { type Prepared, prepare, type WriteOptions, writeHost } from './write-host.ts'

/** A host to emit for. Options left out are those it was emitted with before, else the defaults. */
export interface HostRequest {
  readonly name: string
  readonly options?: EmitOptions
}

/** What emitting for a host did. */
export interface HostResult {
  readonly name: string
  readonly title: string
  /** All options, as they are recorded now. */
  readonly options: EmitOptions
  /** Root-relative paths of the files that were printed; links, and the documents of a site, are only counted. */
  readonly changed: readonly string[]
  /** How many of those were made, moved or removed. */
  readonly links: number
  /** What the host cannot do, though it was emitted for. */
  readonly warnings: readonly EmitProblem[]
  /** What nothing here has proven of this host, and why. */
  readonly unproven?: string
  /** What makes a server use the files, where the host was not in use before. */
  readonly setup?: string
  /** The command that makes what changed take effect; undefined where none is needed. */
  readonly reload?: string
  /** Others were changing the tree: not all of a site's files are of one moment, and who refreshes next makes them so. */
  readonly unsteady?: true
}

/** How hosts are emitted for. */
interface EmitCall extends CallOptions {
  /** The tree's lock `emit`, where the caller holds it, so that nobody writes the files before they are published; default: taken and given back here. */
  readonly lock?: Lock
}

/** Which part of a tree changed. */
export interface RefreshOptions extends CallOptions {
  /** Names of the repositories that changed; default: any may have. */
  readonly repositories?: Iterable<string>
  /** Told of each host when its files are right: also where another host fails. */
  report?(result: HostResult): void
}

/**
 * Writes what the hosts named need to serve a tree, its documents included; without any, for all hosts in use. All options and owners of files are
 * looked at before the first file is written.
 * @throws RegistrishError `usage` for an unknown host or option or where there is nothing to do, `conflict` where a file is someone's own, `name-invalid` and `limit` where the host cannot hold the tree, `unsupported` where it can hold none, `locked` where others change the tree all the time.
 */
export async function emitHosts(
  tree: ReadonlyTree,
  requests: readonly HostRequest[],
  options: EmitCall = {},
): Promise<readonly HostResult[]> {
  for (const { name } of requests) {
    const refused = WITHOUT_HEADERS.find(host => host.name === name)
    if (refused === undefined) findEmitter(name)
    else await refuseWithoutHeaders(refused, createRouteTable(tree), options)
  }
  return withLock(tree, options, async () => {
    const jobs =
      requests.length === 0
        ? EMITTERS.flatMap(host => jobInUse(tree.root, host))
        : requests.map(request => planRequest(tree.root, request))
    if (jobs.length > 0) return applyAll(await readContent(tree, options), jobs)
    throw new RegistrishError('usage', 'no host is in use here, and none was named', {
      hint: `name one with --host: ${hostNames()}`,
    })
  })
}

/**
 * Brings the files of the hosts in use up to date with the tree, with the options they were emitted with. With `repositories` only the links of those
 * are looked at, those that were noted as changed, lest a kill keep their links stale, and the documents are taken to be right. A host that cannot hold
 * the tree keeps none of the others from it.
 * @throws RegistrishError as {@link emitHosts} but `locked`, after all hosts have had their turn; of several failures, with the code of the first.
 */
export async function refreshHosts(tree: ReadonlyTree, options: RefreshOptions = {}): Promise<readonly HostResult[]> {
  if (!hasHost(tree.root)) {
    await forgetChanges(tree.root)
    return []
  }
  return withLock(tree, options, async () => {
    const notes = await readChanges(tree.root)
    const { repositories: named } = options
    const repositories = named === undefined ? undefined : [...named, ...notes.repositories]
    const content = await readContent(tree, { ...options, ...(repositories === undefined ? {} : { repositories }) })
    const results: HostResult[] = []
    const failures: unknown[] = []
    for (const emitter of EMITTERS) {
      throwIfAborted(options.signal)
      try {
        for (const result of await applyAll(content, jobInUse(tree.root, emitter), { mayChange: true })) {
          results.push(result)
          options.report?.(result)
        }
      } catch (error) {
        failures.push(error)
      }
    }
    const isSteady = results.every(({ unsteady }) => unsteady !== true)
    if (failures.every(isForUser) && isSteady) await forgetRefreshed(tree.root, notes, results)
    if (failures.length > 0) throw joinFailures(failures)
    return results
  })
}

/** A note must not be gone, after a power loss, without the links being there. */
async function forgetRefreshed(root: string, notes: ChangeNotes, results: readonly HostResult[]): Promise<void> {
  for (const { name } of results) {
    const { farm } = findEmitter(name)
    if (farm !== undefined) await flushLinks({ root, farm }, notes.repositories)
  }
  await notes.forget()
}

/** Where no host is in use notes are of no use: one that comes into use is written for from what is there then. */
async function forgetChanges(root: string): Promise<void> {
  const lock = await tryNamedLock(root, 'emit')
  if (lock === undefined) return
  try {
    const notes = await readChanges(root)
    if (!hasHost(root)) await notes.forget()
  } finally {
    await lock.release()
  }
}

function hasHost(root: string): boolean {
  return EMITTERS.some(emitter => isInUse(root, emitter))
}

/** Whether trying again would end the same: not before someone has mended it, and then runs emit. */
function isForUser(failure: unknown): boolean {
  return isRegistrishError(failure, 'conflict', 'name-invalid', 'limit')
}

function joinFailures(failures: readonly unknown[]): unknown {
  const known = failures.filter(error => error instanceof RegistrishError)
  const [first, ...others] = known
  if (first === undefined || others.length === 0 || known.length < failures.length) return failures[0]
  const hints = [...new Set(known.flatMap(({ hint }) => hint ?? []))]
  return new RegistrishError(first.code, known.map(({ message }) => message).join('; '), {
    ...(hints.length === 0 ? {} : { hint: hints.join('; ') }),
    ...(first.side === undefined ? {} : { side: first.side }),
    cause: new AggregateError(known),
  })
}

/** What to do for a host in use: its marker file exists with our first line. @throws RegistrishError `conflict` where that line cannot be understood. */
function jobInUse(root: string, emitter: Emitter): readonly Job[] {
  const options = readMarker(root, emitter)
  return options === undefined ? [] : [{ emitter, options: completeOptions(emitter, options) }]
}

function planRequest(root: string, { name, options = {} }: HostRequest): Job {
  const emitter = findEmitter(name)
  const unknown = Object.keys(options).find(key => !emitter.options.some(option => option.name === key))
  if (unknown !== undefined) {
    const known = emitter.options.map(option => `--${option.name}`).join(', ')
    throw new RegistrishError('usage', `${name} has no option --${unknown}`, {
      hint: known === '' ? 'it has no options' : `it has: ${known}`,
    })
  }
  return { emitter, options: completeOptions(emitter, { ...readMarker(root, emitter), ...options }) }
}

function completeOptions(emitter: Emitter, options: EmitOptions): EmitOptions {
  return Object.fromEntries(
    emitter.options.map(option => [option.name, option.parse(options[option.name] ?? option.default)]),
  )
}

async function withLock<T>(tree: ReadonlyTree, { lock: held, signal }: EmitCall, work: () => Promise<T>): Promise<T> {
  if (held !== undefined) return work()
  const lock = await acquireNamedLock(tree.root, 'emit', signal === undefined ? {} : { signal })
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** What all hosts are made from; the documents are made here where it is not known what changed. */
async function readContent(tree: ReadonlyTree, { repositories, signal }: RefreshOptions): Promise<FarmContent> {
  const named = repositories === undefined ? undefined : [...new Set(repositories)].map(parseRepositoryName)
  const memory: SnapshotMemory = new Map()
  const limits = { memory, ...(signal === undefined ? {} : { signal }) }
  if (named === undefined) await rebuildDocuments(tree.root, undefined, limits)
  return { root: tree.root, table: createRouteTable(tree, memory), signal, repositories: named }
}

async function applyAll(
  content: FarmContent,
  jobs: readonly Job[],
  options: WriteOptions = {},
): Promise<readonly HostResult[]> {
  const prepared: Prepared[] = []
  for (const job of jobs) prepared.push(await prepare(content, job))
  const results: HostResult[] = []
  for (const entry of prepared) results.push(await apply(entry, content, options))
  return results
}

async function apply(prepared: Prepared, content: FarmContent, how: WriteOptions): Promise<HostResult> {
  const { emitter, options } = prepared
  const { name, title, farm, site, unproven } = emitter
  const setup = isInUse(content.root, emitter) ? undefined : emitter.setup?.(options)
  const { links, warnings, changed, isSteady } = await writeHost(prepared, content, how)
  const folder = farm?.folder ?? site?.folder
  const touched = [...changed, ...(folder === undefined || links === 0 ? [] : [folder])]
  const reload = touched.length === 0 ? undefined : emitter.reload?.(options, touched)
  return {
    name,
    title,
    options,
    changed,
    links,
    warnings,
    ...(unproven === undefined ? {} : { unproven }),
    ...(setup === undefined ? {} : { setup }),
    ...(reload === undefined ? {} : { reload }),
    ...(isSteady ? {} : { unsteady: true as const }),
  }
}
