import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { abortedError, throwIfAborted } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import {
  byPlace,
  describeOwner,
  dropTicket,
  type LockMode,
  lastHeartbeat,
  listTickets,
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

/** Who asks for a lock, and how. */
export interface QueueOptions extends CallOptions {
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
interface Silence {
  readonly age: number
  readonly watch: number
}

const SILENCE: Silence = { age: 25_000, watch: 5_000 }
/** Longest pause between two looks at the queue, in milliseconds. */
const LONGEST_PAUSE = 100
/** A ticket of an owner that cannot be asked is garbage when its heartbeat is a day old. */
const FORGOTTEN = 24 * 3_600_000

/** Which lock is asked for. */
export interface Wanted extends QueueOptions {
  /** As {@link lockLabel} gives it. */
  readonly lock: string
  readonly mode: LockMode
}

/** Waits for a lock and returns the ticket that holds it. @throws RegistrishError `aborted`, `no-space`, `io`. */
export async function waitInQueue(root: string, wanted: Wanted): Promise<Ticket> {
  const request = createRequest(root, wanted)
  const { signal, onWait } = wanted
  throwIfAborted(signal)
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
  return place.ticket
}

/** The ticket that holds a lock, or undefined where another holds it or waits for it. @throws RegistrishError `no-space`, `io`. */
export async function tryQueue(root: string, wanted: Wanted): Promise<Ticket | undefined> {
  const request = createRequest(root, wanted)
  const place = await enqueue(request)
  try {
    if ((await findBlocker(request, place)) === undefined) return place.ticket
  } catch (error) {
    await dropTicket(root, place.ticket)
    throw error
  }
  await dropTicket(root, place.ticket)
  return undefined
}

/** Deletes what dead owners have left of any lock: one that nobody asks for again would stay for ever. */
export async function sweepDead(root: string, { identity = currentIdentity() }: QueueOptions): Promise<void> {
  const self = ownerOf(identity)
  for (const ticket of await listTickets(root)) {
    const liveness = livenessOf(ticket.owner, self)
    if (liveness === 'alive') continue
    const heartbeat = liveness === 'dead' ? 0 : await lastHeartbeat(root, ticket)
    if (heartbeat !== undefined && Date.now() - heartbeat > FORGOTTEN) await dropTicket(root, ticket)
  }
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

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (cause) {
    throw abortedError(cause)
  }
}
