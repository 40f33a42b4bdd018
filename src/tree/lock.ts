import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { abortedError, systemCode } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import { PRIVATE } from './layout.ts'
import {
  byPlace,
  describeOwner,
  dropTicket,
  type LockMode,
  lastHeartbeat,
  listTickets,
  lockLabel,
  makeTicket,
  type Ticket,
} from './lock-tickets.ts'
import { currentIdentity, livenessOf, type Owner, ownerOf, type ProcessIdentity } from './process-identity.ts'

/*
 * Locks between processes, as a queue of files. Who wants a lock
 *   1. makes a ticket with a number above all that are there;
 *   2. looks whether a ticket that conflicts has come to stand behind it meanwhile: its owner may not have seen ours, so ours is dropped, back to 1;
 *   3. waits until no ticket of a living owner that conflicts stands before it.
 * Two owners of conflicting tickets p < q cannot both hold: if q's owner did not see p in step 3, p was made after that look began, hence after q was;
 * so p's owner saw q in step 2. The last in the queue never goes back to 1, so that someone always comes on; nobody is overtaken while waiting.
 * Tickets of the dead are deleted by whoever waits for them.
 */

/** A lock that is held. `release` gives it back; again is harmless. When the process ends by itself, its locks end with it. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>
}

export interface LockOptions extends CallOptions {
  /** What the lock is for, told to those who wait: `prune`. Default `registrish`. */
  readonly purpose?: string
  /** Called once, where there is someone to wait for: `prune, pid 123 on host`. */
  readonly onWait?: (owner: string) => void
  /** Who asks. Default: this process. */
  readonly identity?: ProcessIdentity
  /** When an owner whose pid means nothing here counts as dead. */
  readonly silence?: Silence
}

/** Milliseconds. A heartbeat so old, or unchanged for so long, is a dead owner's; it is watched a while first, since after a suspension all heartbeats are old. */
export interface Silence {
  readonly age: number
  readonly watch: number
}

/** The tree's own lock: no name gives this label. */
const TREE = '@tree'
const SILENCE: Silence = { age: 25_000, watch: 5_000 }
/** Longest pause between two looks at the queue, in milliseconds. */
const LONGEST_PAUSE = 100
/** A ticket of an owner that cannot be asked is garbage when its heartbeat is a day old. */
const FORGOTTEN = 24 * 3_600_000

/**
 * Locks a tree: fetch holds a shared lock; prune, repair and remove the exclusive one. First come, first served: who waits for the exclusive
 * lock blocks later shared ones, so never ask for the tree's lock while holding it.
 * @throws RegistrishError `aborted`, `no-space`, `io`.
 */
export async function acquireTreeLock(root: string, mode: LockMode, options: LockOptions = {}): Promise<Lock> {
  const lock = await acquire(root, { ...options, lock: TREE, mode })
  try {
    await sweepDead(root, options)
  } catch (error) {
    await lock.release()
    throw error
  }
  return lock
}

/**
 * Locks a tree for reading: the shared lock (or the exclusive one: reading while nobody writes) where it can be had; where the tree cannot be
 * written, or has no private folder, nothing is locked, since nobody else of ours is at work there.
 */
export async function acquireReadingLock(
  root: string,
  { mode = 'shared', ...options }: LockOptions & { readonly mode?: LockMode } = {},
): Promise<Lock> {
  try {
    await access(join(root, PRIVATE))
    return await acquireTreeLock(root, mode, options)
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    if (!['ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'EPERM'].includes(systemCode(cause) ?? '')) throw error
    return createLock(async () => {})
  }
}

/** Acquires the exclusive lock of a name, any text, within a tree. @throws RegistrishError `aborted`, `no-space`, `io`. */
export async function acquireNamedLock(root: string, name: string, options: LockOptions = {}): Promise<Lock> {
  return acquire(root, { ...options, lock: lockLabel(name), mode: 'exclusive' })
}

/** Acquires the exclusive lock of a name if it is free; undefined where another holds it or waits for it. */
export async function tryNamedLock(root: string, name: string, options: LockOptions = {}): Promise<Lock | undefined> {
  const request = createRequest(root, { ...options, lock: lockLabel(name), mode: 'exclusive' })
  const place = await enqueue(request)
  const drop = (): Promise<void> => dropTicket(root, place.ticket)
  try {
    if ((await findBlocker(request, place)) === undefined) return createLock(drop)
  } catch (error) {
    await drop()
    throw error
  }
  await drop()
  return undefined
}

interface Wanted extends LockOptions {
  readonly lock: string
  readonly mode: LockMode
}

interface Request {
  readonly root: string
  readonly lock: string
  readonly mode: LockMode
  readonly purpose: string
  readonly identity: ProcessIdentity
  readonly owner: Owner
  readonly silence: Silence
  /** What was seen of the heartbeats of others: last value, and when it was first seen on the clock that only counts waking time. */
  readonly seen: Map<string, { readonly heartbeat: number; readonly since: number }>
}

async function acquire(root: string, wanted: Wanted): Promise<Lock> {
  const request = createRequest(root, wanted)
  const { signal, onWait } = wanted
  if (signal?.aborted) throw abortedError(signal.reason)
  let place = await enqueue(request)
  let waited = { for: '', looks: 0 }
  let told = false
  try {
    for (;;) {
      const blocker = await findBlocker(request, place)
      if (blocker === undefined) break
      waited = { for: blocker.file, looks: waited.for === blocker.file ? waited.looks + 1 : 1 }
      if (waited.looks > 1 && !told) {
        told = true
        onWait?.(await describeOwner(root, blocker))
      }
      await pause(Math.min(10 * waited.looks, LONGEST_PAUSE), signal)
      const queue = await listTickets(root, request.lock)
      if (queue.some(({ file }) => file === place.ticket.file)) place = { ...place, queue }
      else place = await replace(request, place)
    }
  } catch (error) {
    await dropTicket(root, place.ticket)
    throw error
  }
  return createLock(() => dropTicket(root, place.ticket))
}

/** A ticket, and the queue as it was found after the ticket was made. */
interface Place {
  readonly ticket: Ticket
  readonly queue: readonly Ticket[]
}

/** Steps 1 and 2: a ticket behind which nobody stands who might hold the lock already. */
async function enqueue(request: Request): Promise<Place> {
  const { root, lock } = request
  for (;;) {
    const last = (await listTickets(root, lock)).at(-1)
    const ticket = await makeTicket(root, { ...request, number: (last?.number ?? 0) + 1 })
    try {
      const queue = await listTickets(root, lock)
      if (!queue.some(other => byPlace(ticket, other) < 0 && conflicts(ticket, other))) return { ticket, queue }
    } catch (error) {
      await dropTicket(root, ticket)
      throw error
    }
    await dropTicket(root, ticket)
  }
}

/** A new ticket for one that was deleted while it waited: by hand, or because its owner was silent for too long. */
async function replace(request: Request, { ticket }: Place): Promise<Place> {
  await dropTicket(request.root, ticket)
  return enqueue(request)
}

/** Step 3: the first living owner's ticket that stands before ours and conflicts. */
async function findBlocker(request: Request, { ticket, queue }: Place): Promise<Ticket | undefined> {
  for (const other of queue) {
    if (byPlace(other, ticket) >= 0 || !conflicts(other, ticket)) continue
    if (!(await isDead(request, other))) return other
    await dropTicket(request.root, other)
  }
  return undefined
}

function conflicts(a: Ticket, b: Ticket): boolean {
  return a.mode === 'exclusive' || b.mode === 'exclusive'
}

async function isDead({ root, owner, silence, seen }: Request, ticket: Ticket): Promise<boolean> {
  const liveness = livenessOf(ticket.owner, owner)
  if (liveness !== 'unknown') return liveness === 'dead'
  const heartbeat = await lastHeartbeat(root, ticket)
  if (heartbeat === undefined) return true
  const now = performance.now()
  const known = seen.get(ticket.file)
  const since = known?.heartbeat === heartbeat ? known.since : now
  seen.set(ticket.file, { heartbeat, since })
  const watched = now - since
  return watched > silence.age || (watched >= silence.watch && Date.now() - heartbeat > silence.age)
}

/** Deletes what dead owners have left of any lock: one that nobody asks for again would stay for ever. */
async function sweepDead(root: string, { identity = currentIdentity() }: LockOptions): Promise<void> {
  const self = ownerOf(identity)
  for (const ticket of await listTickets(root)) {
    const liveness = livenessOf(ticket.owner, self)
    if (liveness === 'alive') continue
    const heartbeat = liveness === 'dead' ? 0 : await lastHeartbeat(root, ticket)
    if (heartbeat !== undefined && Date.now() - heartbeat > FORGOTTEN) await dropTicket(root, ticket)
  }
}

function createRequest(root: string, { lock, mode, purpose = 'registrish', ...options }: Wanted): Request {
  const identity = options.identity ?? currentIdentity()
  return {
    root,
    lock,
    mode,
    purpose,
    identity,
    owner: ownerOf(identity),
    silence: options.silence ?? SILENCE,
    seen: new Map(),
  }
}

function createLock(drop: () => Promise<void>): Lock {
  let dropped: Promise<void> | undefined
  const release = (): Promise<void> => {
    dropped ??= drop()
    return dropped
  }
  return { release, [Symbol.asyncDispose]: release }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (cause) {
    throw abortedError(cause)
  }
}
