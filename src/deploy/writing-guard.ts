import { RegistrishError } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import { deletionsKey } from '../tree/layout.ts'
import type { Deletions } from './deletions.ts'
import { claimedUntil, deletedSince, strikeKeys } from './deletions-changes.ts'
import { type Changer, openDeletions, pauseFor, type RecordOptions } from './deletions-record.ts'
import type { ObjectStore } from './store.ts'

/** Keeps what a writer's tags rely on from being deleted: see deletions.ts for why that is safe. */
export interface WritingGuard {
  /**
   * Claims keys for tags that are about to be written: all that they need, sent or found there, and the tags themselves. Waits for a pruner that is deleting any
   * of them. Gives those that may have been deleted since the last call with them, or since the guard was made: look whether each is there, send what is not, and
   * call again, until none is given. Once more with the tags when they are written, lest one was deleted as it came.
   * @throws RegistrishError `conflict` where a claim does not end, and what the record throws.
   */
  confirm(keys: Iterable<string>, options?: CallOptions): Promise<readonly string[]>
  /** The record as it was when writing began. */
  readonly deletions: Deletions
  /** Whether the last confirmation still holds. A tag that is begun then must be there within {@link TAG_LANDING}: give its write a signal of that. */
  isFresh(): boolean
}

export interface WritingOptions extends RecordOptions, CallOptions {
  /** Called once, when it is about to wait for a pruner: if that has died it may take a quarter of an hour. */
  readonly onWait?: () => void
}

/** Milliseconds that writing a tag may take. */
export const TAG_LANDING = 15_000

/** Milliseconds that a confirmation holds. */
const CONFIRMED = 30_000
/** A look that took longer than this, in ms, is taken again: it costs one HEAD, and else nothing would be left of a confirmation. */
const PROMPT = 10_000
/** Looks that may take too long. */
const SLOW_LOOKS = 5
/** Longest pause between two looks at a claim, in ms. */
const LONGEST_PAUSE = 5000
/** Milliseconds after which no claim is live: far longer than any lasts. */
const LONGEST_CLAIM = 15 * 60_000

/** Begins to write to a store. Must come before the store is listed: what is deleted from then on is told by `confirm`. */
export async function beginWriting(store: ObjectStore, options: WritingOptions = {}): Promise<WritingGuard> {
  const { sleep = pauseFor, onWait } = options
  const record = openDeletions(store, options)
  const deletions = await record.read(options)
  const seen = new Map<string, number>()
  const seenAt = (key: string): number => seen.get(key) ?? deletions.generation
  let confirmed = Number.NEGATIVE_INFINITY
  let isTold = false
  return {
    deletions,
    async confirm(keys, call = {}) {
      const wanted = new Set(keys)
      const begun = store.now()
      for (let looks = 1; ; looks += 1) {
        const asked = store.now()
        const look = await record.change(lookFor(wanted, seenAt), call)
        const now = store.now()
        if (look.until === undefined) {
          if (now - asked > PROMPT && looks < SLOW_LOOKS) continue
          for (const key of wanted) seen.set(key, look.generation)
          confirmed = asked
          return look.gone
        }
        if (now - begun > LONGEST_CLAIM) throw neverEnding(store)
        if (!isTold) onWait?.()
        isTold = true
        await sleep(Math.min(LONGEST_PAUSE, Math.max(1, look.until - now)), call.signal)
      }
    },
    isFresh: () => store.now() - confirmed <= CONFIRMED,
  }
}

/** What a look at the record shows. */
interface Look {
  /** When the last claim on any of the keys ends. */
  readonly until: number | undefined
  readonly gone: readonly string[]
  /** Of what was read. */
  readonly generation: number
}

/** Strikes keys off, and sees what has become of them since each was seen last. */
function lookFor(wanted: ReadonlySet<string>, seenAt: (key: string) => number): Changer<Look> {
  return deletions => {
    const isGone = deletedSince(deletions)
    return {
      next: strikeKeys(deletions, wanted),
      result: {
        until: claimedUntil(deletions, wanted),
        gone: [...wanted].filter(key => isGone(key, seenAt(key))),
        generation: deletions.generation,
      },
    }
  }
}

function neverEnding(store: ObjectStore): RegistrishError {
  return new RegistrishError(
    'conflict',
    `in ${deletionsKey} of ${store.title} somebody claims to be deleting what this deploy needs, and does not end`,
    {
      side: 'target',
      hint: 'delete that object while no other deploy runs, then run it again: --prune finds anew what nothing refers to',
    },
  )
}
