import { statSync } from 'node:fs'
import { throwIfAborted } from '../../errors.ts'
import { acquireTreeLock, type Lock } from '../../tree/lock.ts'
import type { ObjectStore } from '../store.ts'
import { createFlushes } from './flushes.ts'
import { createGate } from './gate.ts'
import { LONGEST_KEY } from './keys.ts'
import { listFiles } from './list.ts'
import { getFile, headFile } from './read.ts'
import { sweepFiles } from './sweep.ts'
import { copyFile, deleteFiles, putFile, type Writing } from './write.ts'

/** Bytes that a file's size can say. */
const LARGEST_OBJECT = Number.MAX_SAFE_INTEGER

/**
 * Opens a folder (absolute path) as a store of objects: what stands below its v2/ is a tree like any other. It is made with the first object. What is written there
 * is written as a tree is: elsewhere, verified, flushed, renamed. From the first write on, the tree's lock is held as `fetch` holds it.
 */
export function openDirectoryStore(folder: string): ObjectStore {
  const writing: Writing = { folder, gate: createGate(folder), flushes: createFlushes(folder) }
  let held: Promise<Lock> | undefined
  const locked = async (signal: AbortSignal | undefined): Promise<void> => {
    throwIfAborted(signal)
    held ??= acquireTreeLock(folder, 'shared', signal === undefined ? {} : { signal })
    const asked = held
    await asked.catch((error: unknown) => {
      if (held === asked) held = undefined
      throw error
    })
  }
  return {
    title: folder,
    limits: { largestObject: LARGEST_OBJECT, longestKey: LONGEST_KEY },
    hasFolders: true,
    now: () => Date.now(),
    list: (prefix, { delimiter, ...call } = {}) => listFiles(folder, { prefix, delimiter, ...call }),
    head: async (key, call) => headFile(folder, key, call),
    get: async (key, options) => getFile(folder, key, options),
    async put(object, options = {}) {
      await locked(options.signal)
      return putFile(writing, object, options)
    },
    async copy(from, to, { signal } = {}) {
      await locked(signal)
      return copyFile(writing, from, to)
    },
    async delete(keys, options = {}) {
      throwIfAborted(options.signal)
      if (statSync(folder, { throwIfNoEntry: false }) === undefined) return
      await locked(options.signal)
      await deleteFiles(writing, keys, options)
    },
    sweep: async () => sweepFiles(folder, Date.now()),
    async close() {
      const lock = held
      held = undefined
      try {
        await writing.flushes.flush()
      } finally {
        await (await lock?.catch(() => undefined))?.release()
      }
    },
  }
}
