import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemCode } from '../errors.ts'

/** Which process of which machine: what tells whether the owner of a lock still lives. */
export interface ProcessIdentity {
  readonly host: string
  /** Changes with every start of the machine; '' where the system does not say. */
  readonly bootId: string
  /** The namespaces that give pids and start times their meaning; '' where there are none. */
  readonly namespace: string
  readonly pid: number
  /** When the process started, in clock ticks after the machine (proc_pid_stat(5), field 22): a pid may be used again, the two together are not. Undefined where the system does not say. */
  readonly startTime?: string
}

/** What of an identity a lock's file name holds: `scope` stands for the machine, its boot and its namespaces. */
export interface Owner {
  readonly scope: string
  readonly pid: number
  readonly startTime?: string
}

/** `unknown`: the pid means nothing here, or does not suffice; only the heartbeat tells. */
export type Liveness = 'alive' | 'dead' | 'unknown'

let current: ProcessIdentity | undefined

/** Who this process is. */
export function currentIdentity(): ProcessIdentity {
  if (current?.pid === process.pid) return current
  // In a pid namespace without a /proc of its own, /proc speaks of other processes than pids do.
  const ownProc = attempt(() => readlinkSync('/proc/self')) === String(process.pid)
  const startTime = ownProc ? readState(process.pid)?.startTime : undefined
  current = {
    host: hostname(),
    bootId: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    namespace: ['pid', 'time'].map(kind => attempt(() => readlinkSync(`/proc/self/ns/${kind}`)) ?? '').join(),
    pid: process.pid,
    ...(startTime === undefined ? {} : { startTime }),
  }
  return current
}

/** The owner that an identity makes. */
export function ownerOf({ host, bootId, namespace, pid, startTime }: ProcessIdentity): Owner {
  const scope = createHash('sha256').update(JSON.stringify([bootId === '' ? host : bootId, namespace]))
  return { scope: scope.digest('hex').slice(0, 16), pid, ...(startTime === undefined ? {} : { startTime }) }
}

/** Whether an owner lives, as far as `self` can tell by asking the system. */
export function livenessOf(owner: Owner, self: Owner): Liveness {
  if (owner.scope !== self.scope || owner.pid <= 0) return 'unknown'
  if (!isRunning(owner.pid)) return 'dead'
  if (owner.startTime === undefined || self.startTime === undefined) return 'unknown'
  const state = readState(owner.pid)
  if (state === undefined) return 'unknown'
  return state.ended || state.startTime !== owner.startTime ? 'dead' : 'alive'
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat, counted after the command, which may hold anything. `ended`: killed, but not yet waited for by its parent. */
function readState(pid: number): { readonly ended: boolean; readonly startTime: string } | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields?.[0], fields?.[19]]
  if (state === undefined || startTime === undefined || !/^\d+$/.test(startTime)) return undefined
  return { ended: state === 'Z' || state === 'X', startTime }
}

/** What the system says, or undefined: absence is an answer here, on systems without /proc and for processes of others. */
function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
