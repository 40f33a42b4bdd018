import pLimit from 'p-limit'
import { throwIfAborted } from '../../errors.ts'
import type { CallOptions } from '../../oci/source.ts'
import { acquireNamedLock, type Lock } from '../../tree/lock.ts'

/** Lets one piece of work through at a time, of all processes that write into a folder. */
export type Gate = <T>(work: () => Promise<T>, options?: CallOptions) => Promise<T>

/** Milliseconds after which the lock is given to who else asks for it: a tag must not wait for all tags of another deploy. */
const LONGEST = 200

/** The gate of a folder. The lock is kept while more work waits, since to take it costs more than the work does, but not for longer than `longest` ms. */
export function createGate(folder: string, { longest = LONGEST }: { readonly longest?: number } = {}): Gate {
  const oneByOne = pLimit(1)
  let [waiting, since]: [number, number] = [0, 0]
  let lock: Lock | undefined
  const enter = async (call: CallOptions): Promise<void> => {
    throwIfAborted(call.signal)
    if (lock !== undefined) return
    lock = await acquireNamedLock(folder, 'deploy', call)
    since = Date.now()
  }
  const leave = async (): Promise<void> => {
    waiting -= 1
    const held = lock
    if (held === undefined || (waiting > 0 && Date.now() - since < longest)) return
    lock = undefined
    await held.release()
  }
  return async (work, call = {}) => {
    waiting += 1
    return oneByOne(async () => {
      try {
        await enter(call)
        return await work()
      } finally {
        await leave()
      }
    })
  }
}
