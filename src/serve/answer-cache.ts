import { statSync } from 'node:fs'
import type { Found } from './content.ts'
import type { Stamp } from './open-inside.ts'

/** An answer and the file or folder it was made from: an absolute path and its state just before. No path: it never changes. */
interface Entry {
  readonly found: Found
  readonly path?: string
  readonly stamp?: Stamp
  readonly weight: number
}

/** Answers in memory that are given only while their file or folder has not changed: one stat each. */
export interface AnswerCache {
  get(key: string): Found | undefined
  /** Remembers an answer, unless its file changed so recently that another change might bear the same date, or it is too large. */
  put(key: string, found: Found, from?: { readonly path: string; readonly stamp: Stamp }): void
}

/** Creates a cache of at most `budget` bytes (default 32 MiB); what was not asked for the longest goes first. */
export function createAnswerCache(budget: number = BUDGET): AnswerCache {
  const entries = new Map<string, Entry>()
  let held = 0
  const drop = (key: string, entry: Entry): void => {
    entries.delete(key)
    held -= entry.weight
  }
  return {
    get(key): Found | undefined {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.path !== undefined && !isUnchanged(entry.path, entry.stamp)) {
        drop(key, entry)
        return undefined
      }
      // the order of a Map is that of insertion: to be last is to be the most recent
      entries.delete(key)
      entries.set(key, entry)
      return entry.found
    },
    put(key, found, from): void {
      const weight = OVERHEAD + (found.bytes?.length ?? 0)
      if (weight > budget / 4 || (from !== undefined && !isSettled(from.stamp))) return
      const known = entries.get(key)
      if (known !== undefined) drop(key, known)
      entries.set(key, { found, weight, ...from })
      held += weight
      for (const [oldest, entry] of entries) {
        if (held <= budget) break
        drop(oldest, entry)
      }
    },
  }
}

/** Bytes. */
const BUDGET = 32 * 1024 * 1024
/** Bytes that an entry takes besides its body, roughly: headers, key, maps. */
const OVERHEAD = 2048
/** Milliseconds: file systems date changes by ticks of up to 2 s (FAT; ext4: 10 ms), and within a tick a second change leaves no trace. */
const TICK = 2000
const QUIET = { throwIfNoEntry: false } as const

function isUnchanged(path: string, stamp: Stamp | undefined): boolean {
  const now = statSync(path, QUIET)
  return (
    now !== undefined &&
    stamp !== undefined &&
    now.ino === stamp.ino &&
    now.mtimeMs === stamp.mtimeMs &&
    now.ctimeMs === stamp.ctimeMs &&
    now.size === stamp.size &&
    now.dev === stamp.dev
  )
}

/**
 * Whether a change from now on will show. Whoever changes a file may give it any `mtime`, one in the future too, but not its `ctime`: where that is not past
 * (the clock went back), the next change may bear the same.
 */
function isSettled({ mtimeMs, ctimeMs }: Stamp): boolean {
  const now = Date.now()
  return now - ctimeMs > TICK && Math.abs(now - mtimeMs) > TICK
}
