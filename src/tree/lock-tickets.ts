import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, unlinkSync, writeSync } from 'node:fs'
import { readFile, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { digestOf } from '../oci/digest.ts'
import { ensureFolder } from './files.ts'
import { locksFolder } from './layout.ts'
import type { Owner, ProcessIdentity } from './process-identity.ts'

/*
 * A ticket is one request for a lock: a file of its own, whose name says all that decides
 * (`<lock>.<number>.<s|x>.<pid>.<start time>.<scope>.<id>`), so that one system call makes it whole, even on a full disk, and one listing reads all.
 * Tickets are made, listed and deleted at once: a blob takes a lock, and the way through the thread pool takes ten times as long as the file.
 * Names are never used twice: to delete a dead owner's ticket can never delete a living one's. What the file holds is for people.
 */

export type LockMode = 'shared' | 'exclusive'

/** One request for a lock. */
export interface Ticket {
  /** File name in the locks folder. */
  readonly file: string
  readonly lock: string
  /** Place in the queue, with `id` among equals. */
  readonly number: number
  readonly id: string
  readonly mode: LockMode
  readonly owner: Owner
}

/** How often an owner shows that it lives, in milliseconds. */
const HEARTBEAT = 3_000

/** The tickets of this process, by absolute path: kept alive by one timer, deleted when the process ends. */
const mine = new Set<string>()
let heart: NodeJS.Timeout | undefined
let atExit = false

/** The part of file names that stands for a lock: its name where that is plain and short, else the digest of it. */
export function lockLabel(name: string): string {
  return /^[\w:-][\w.:-]{0,149}$/.test(name) ? name : digestOf(name)
}

/** What a new ticket says. */
export interface TicketRequest {
  readonly lock: string
  readonly number: number
  readonly mode: LockMode
  readonly owner: Owner
  readonly identity: ProcessIdentity
  readonly purpose: string
}

/** Makes a ticket. @throws RegistrishError where the folder cannot be written. */
export async function makeTicket(root: string, request: TicketRequest): Promise<Ticket> {
  const { lock, number, mode, owner, identity, purpose } = request
  const id = randomBytes(8).toString('hex')
  const parts = [
    lock,
    String(number),
    mode === 'shared' ? 's' : 'x',
    owner.pid,
    owner.startTime ?? 'u',
    owner.scope,
    id,
  ]
  const file = parts.join('.')
  const path = join(root, locksFolder, file)
  try {
    await createWith(path, JSON.stringify({ purpose, ...identity }))
  } catch (error) {
    throw fileError(error, 'lock', path)
  }
  keepAlive(path)
  return { file, lock, number, id, mode, owner }
}

/** The tickets of one lock, or of all, in the order of the queue. Names that are no tickets are left out. */
export async function listTickets(root: string, lock?: string): Promise<readonly Ticket[]> {
  const folder = join(root, locksFolder)
  let names: readonly string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, 'list', folder)
  }
  const tickets = names.map(parseTicket).filter(ticket => ticket !== undefined)
  return tickets.filter(ticket => lock === undefined || ticket.lock === lock).sort(byPlace)
}

/** Negative where `a` stands before `b` in the queue. */
export function byPlace(a: Ticket, b: Ticket): number {
  return a.number - b.number || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** Deletes a ticket: one's own, or that of a dead owner. Gone already is success. */
export async function dropTicket(root: string, { file }: Ticket): Promise<void> {
  const path = join(root, locksFolder, file)
  forget(path)
  try {
    unlinkSync(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileError(error, 'unlock', path)
  }
}

/** When the owner of a ticket last showed that it lives, in milliseconds since the epoch by its own clock; undefined where the ticket is gone. */
export async function lastHeartbeat(root: string, { file }: Ticket): Promise<number | undefined> {
  const path = join(root, locksFolder, file)
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, 'read', path)
  }
}

/** The owner of a ticket for people: `prune, pid 123 on host`; without its record, which a full disk may have refused, only the pid. */
export async function describeOwner(root: string, { file, owner }: Ticket): Promise<string> {
  const record: unknown = await readFile(join(root, locksFolder, file), 'utf8')
    .then(JSON.parse)
    .catch(() => undefined)
  const { purpose, host } = isRecord(record) ? record : {}
  return `${typeof purpose === 'string' ? purpose : 'registrish'}, pid ${owner.pid}${typeof host === 'string' ? ` on ${host}` : ''}`
}

/** The empty file is what counts, and a full disk has room for one: what is written into it may be refused, lest prune could never free a full disk. */
async function createWith(path: string, text: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const file = openSync(path, 'wx', 0o644)
      try {
        writeSync(file, text)
      } catch (error) {
        if (!['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) throw error
      } finally {
        closeSync(file)
      }
      return
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || attempt > 3) throw error
      await ensureFolder(join(path, '..'))
    }
  }
}

const TICKET =
  /^(?<lock>.+)\.(?<number>\d{1,12})\.(?<mode>[sx])\.(?<pid>\d{1,10})\.(?<start>\d+|u)\.(?<scope>[0-9a-f]{16})\.(?<id>[0-9a-f]{16})$/

function parseTicket(file: string): Ticket | undefined {
  const { lock, number, mode, pid, start, scope, id } = TICKET.exec(file)?.groups ?? {}
  if (lock === undefined || scope === undefined || id === undefined) return undefined
  return {
    file,
    lock,
    number: Number(number),
    id,
    mode: mode === 's' ? 'shared' : 'exclusive',
    owner: { scope, pid: Number(pid), ...(start === undefined || start === 'u' ? {} : { startTime: start }) },
  }
}

function keepAlive(path: string): void {
  mine.add(path)
  heart ??= setInterval(beat, HEARTBEAT).unref()
  if (atExit) return
  atExit = true
  process.on('exit', dropAll)
}

function forget(path: string): void {
  mine.delete(path)
  if (mine.size > 0) return
  clearInterval(heart)
  heart = undefined
}

/** A beat that fails costs nothing now: the next may succeed, and owners on this machine are judged by their pid. */
function beat(): void {
  const now = new Date()
  for (const path of mine) utimes(path, now, now).catch(() => {})
}

function dropAll(): void {
  for (const path of mine) {
    try {
      unlinkSync(path)
    } catch {
      // The process ends, and its pid with it: the next one sees that the owner is dead.
    }
  }
}
