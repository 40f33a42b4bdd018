import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import { PRIVATE } from './layout.ts'
import { type QueueOptions, sweepDead, tryQueue, waitInQueue } from './lock-queue.ts'
import { dropTicket, type LockMode, listTickets, lockLabel, type Ticket } from './lock-tickets.ts'

/** A lock that is held. `release` gives it back; again is harmless. When the process ends by itself, its locks end with it. */
export interface Lock extends AsyncDisposable {
  /** Names it among all locks of all times; empty where nothing is locked. */
  readonly id: string
  release(): Promise<void>
}

/** Who asks for a lock, and how. */
export type LockOptions = QueueOptions

/** The tree's own lock: no name gives this label. */
const TREE = '@tree'

/**
 * Locks a tree: fetch holds a shared lock; prune, repair and remove the exclusive one. First come, first served: who waits for the exclusive
 * lock blocks later shared ones, so never ask for the tree's lock while holding it.
 * @throws RegistrishError `aborted`, `no-space`, `io`.
 */
export async function acquireTreeLock(root: string, mode: LockMode, options: LockOptions = {}): Promise<Lock> {
  const ticket = await waitInQueue(root, { ...options, lock: TREE, mode })
  try {
    await sweepDead(root, options)
  } catch (error) {
    await dropTicket(root, ticket)
    throw error
  }
  return createLock(root, ticket)
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
    return { id: '', release: async () => {}, [Symbol.asyncDispose]: async () => {} }
  }
}

/** The ids of the tree's own locks that are held or waited for by anyone; none of the dead, as far as they are known. */
export async function listTreeLocks(root: string): Promise<ReadonlySet<string>> {
  await sweepDead(root, {})
  return new Set((await listTickets(root, TREE)).map(({ id }) => id))
}

/** The name of the lock of a blob's partial download. */
export function blobLock(digest: Digest): string {
  return `blob-${digest.replace(':', '-')}`
}

/** Acquires the exclusive lock of a name, any text, within a tree. @throws RegistrishError `aborted`, `no-space`, `io`. */
export async function acquireNamedLock(root: string, name: string, options: LockOptions = {}): Promise<Lock> {
  return createLock(root, await waitInQueue(root, { ...options, lock: lockLabel(name), mode: 'exclusive' }))
}

/** Acquires the exclusive lock of a name if it is free; undefined where another holds it or waits for it. */
export async function tryNamedLock(root: string, name: string, options: LockOptions = {}): Promise<Lock | undefined> {
  const ticket = await tryQueue(root, { ...options, lock: lockLabel(name), mode: 'exclusive' })
  return ticket === undefined ? undefined : createLock(root, ticket)
}

function createLock(root: string, ticket: Ticket): Lock {
  let dropped: Promise<void> | undefined
  const release = (): Promise<void> => {
    dropped ??= dropTicket(root, ticket)
    return dropped
  }
  return { id: ticket.id, release, [Symbol.asyncDispose]: release }
}
