import { statSync } from 'node:fs'
import { throwIfAborted } from '../../errors.ts'
import { createChangeNotes, noteDeletions } from '../../tree/change-notes.ts'
import { parseRequestPath } from '../../tree/layout.ts'
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
 * is written as a tree is: elsewhere, verified, flushed, renamed. From the first write on, the tree's lock is held as `fetch` holds it, and what changes is noted as it
 * notes it, so that hosts in use there are brought up to date by whoever comes next, should this be killed.
 */
export function openDirectoryStore(folder: string): ObjectStore {
  const writing: Writing = { folder, gate: createGate(folder), flushes: createFlushes(folder) }
  let held: Promise<Holding> | undefined
  const locked = async (signal: AbortSignal | undefined): Promise<Holding> => {
    throwIfAborted(signal)
    held ??= hold(folder, signal)
    const asked = held
    return asked.catch((error: unknown) => {
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
      const { note } = await locked(options.signal)
      await note(repositoriesOf([object.key]))
      return putFile(writing, object, options)
    },
    async copy(from, to, { signal } = {}) {
      const { note } = await locked(signal)
      await note(repositoriesOf([to.key]))
      return copyFile(writing, from, to)
    },
    async delete(keys, options = {}) {
      throwIfAborted(options.signal)
      if (statSync(folder, { throwIfNoEntry: false }) === undefined) return
      const { lock } = await locked(options.signal)
      await noteDeletions(folder, lock, repositoriesOf(keys))
      await deleteFiles(writing, keys, options)
    },
    sweep: async () => sweepFiles(folder, Date.now()),
    async close() {
      const holding = held
      held = undefined
      try {
        await writing.flushes.flush()
      } finally {
        await (await holding?.catch(() => undefined))?.lock.release()
      }
    },
  }
}

/** A tree's lock, and what notes changes under it. */
interface Holding {
  readonly lock: Lock
  readonly note: ReturnType<typeof createChangeNotes>
}

async function hold(folder: string, signal: AbortSignal | undefined): Promise<Holding> {
  const lock = await acquireTreeLock(folder, 'shared', signal === undefined ? {} : { signal })
  return { lock, note: createChangeNotes(folder, lock) }
}

/** The repositories whose manifests or tags are among some keys: the hosts in use are told of nothing else. */
function repositoriesOf(keys: readonly string[]): readonly string[] {
  const targets = keys.map(key => parseRequestPath(`/${key}`)).filter(target => target?.kind === 'manifest')
  return [...new Set(targets.map(({ repository }) => repository))]
}
