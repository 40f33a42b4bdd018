import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { abortedError, RegistrishError, throwIfAborted } from '../errors.ts'
import type { Sleep } from '../http/retry.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import { deletionsKey } from '../tree/layout.ts'
import { callOf, withSignal } from './call-of.ts'
import type { Deletions, Moment } from './deletions.ts'
import { countKeys, settleClaims } from './deletions-changes.ts'
import { formatDeletions, LARGEST_RECORD, parseDeletions } from './deletions-format.ts'
import type { ObjectStore } from './store.ts'

/** What a change comes to. Without `next`, or where that is what was given, nothing is written, unless there was a claim to be settled. */
interface Change<T> {
  readonly next?: Deletions
  readonly result: T
}

/** A change. It may be tried again after it has happened, since an answer may be lost: then it must find nothing to do. */
export type Changer<T> = (deletions: Deletions, moment: Moment) => Change<T>

/** Time, for tests. */
export interface RecordOptions {
  /** Default: a timer. */
  readonly sleep?: Sleep
  /** A signal that aborts after some ms. Default `AbortSignal.timeout`. */
  readonly alarm?: (ms: number) => AbortSignal
}

/** Access to the record of one store, for one task: remembers what it read, and reads again only what has changed. */
export interface DeletionsRecord {
  /** Reads; claims whose time is over are settled in what is given. @throws RegistrishError `conflict` where the record is none of ours. */
  read(options?: CallOptions): Promise<Deletions>
  /** @throws RegistrishError `conflict` where others change the record all the time. */
  change<T>(change: Changer<T>, options?: CallOptions): Promise<T>
}

/** Writing the record takes so long at most, in ms, and one more for each of its keys. */
const LANDING = 10_000
/** Times that a change is tried. */
const TRIES = 20
/** Longest pauses between two tries, in ms: the first, and any. */
const FIRST_PAUSE = 200
const LONGEST_PAUSE = 5000

/** The record of a store as it is now. @throws RegistrishError `conflict` where it is none of ours. */
export async function readDeletions(store: ObjectStore, options: CallOptions = {}): Promise<Deletions> {
  return openDeletions(store).read(options)
}

/** Makes a {@link DeletionsRecord}. */
export function openDeletions(store: ObjectStore, options: RecordOptions = {}): DeletionsRecord {
  const { sleep = pauseFor, alarm = AbortSignal.timeout } = options
  let seen: Reading | undefined
  const read = async (call: CallOptions): Promise<Reading> => {
    seen = await readAgain(store, seen, call)
    return seen
  }
  const settled = ({ deletions }: Reading): { readonly deletions: Deletions; readonly moment: Moment } => {
    const now = Math.floor(store.now())
    const moment = { now, generation: deletions.generation === 0 ? now : deletions.generation + 1 }
    return { deletions: settleClaims(deletions, moment), moment }
  }
  return {
    async read(call = {}) {
      return settled(await read(call)).deletions
    },
    async change(change, call = {}) {
      for (let tried = 0; tried < TRIES; tried += 1) {
        if (tried > 0) await sleep(pauseBefore(tried), call.signal)
        throwIfAborted(call.signal)
        const reading = await read(call)
        const { deletions, moment } = settled(reading)
        const { next = deletions, result } = change(deletions, moment)
        if (next === reading.deletions) return result
        const begun = next.begun === 0 ? moment.generation : next.begun
        const written = { ...next, begun, generation: moment.generation }
        const etag = await write(store, written, { ...reading, ...call, alarm })
        if (etag === undefined) continue
        seen = { deletions: written, etag }
        return result
      }
      throw new RegistrishError(
        'conflict',
        `${deletionsKey} of ${store.title} was changed by others ${TRIES} times in a row`,
        { side: 'target', hint: 'wait until other deploys to this place are done, then run it again' },
      )
    },
  }
}

interface Reading {
  readonly deletions: Deletions
  readonly etag: string | undefined
}

const NOTHING: Deletions = { generation: 0, begun: 0, forgotten: 0, unreferenced: [], claims: [], log: [] }

/** Reads the record unless it is the one that was seen: no two contents have one etag, since the generation grows. */
async function readAgain(store: ObjectStore, seen: Reading | undefined, call: CallOptions): Promise<Reading> {
  if (seen !== undefined && (await store.head(deletionsKey, call))?.etag === seen.etag) return seen
  const content = await store.get(deletionsKey, { ...call, limit: LARGEST_RECORD })
  if (content === undefined) return { deletions: NOTHING, etag: undefined }
  return { deletions: parseDeletions(content.bytes, store.title), etag: content.etag }
}

interface Writing extends CallOptions {
  readonly etag: string | undefined
  readonly alarm: (ms: number) => AbortSignal
}

/** Writes the record where it is still what was read. Undefined where it is not, or where nobody knows, because it took too long. */
async function write(
  store: ObjectStore,
  deletions: Deletions,
  { etag, alarm, signal }: Writing,
): Promise<string | undefined> {
  const bytes = formatDeletions(deletions)
  const object = { key: deletionsKey, body: { bytes }, size: bytes.length, contentType: JSON_TYPE, secret: true }
  const late = alarm(LANDING + countKeys(deletions))
  try {
    return await store.put(
      { ...object, cacheControl: 'no-store' },
      {
        condition: etag === undefined ? 'absent' : { etag },
        signal: withSignal(signal, late),
      },
    )
  } catch (error) {
    if (!late.aborted || signal?.aborted === true) throw error
    return undefined
  }
}

/** By chance, so that those who quarrel do not come back at once. */
function pauseBefore(tried: number): number {
  return randomInt(1, Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tried - 1)) + 1)
}

/** Waits for some ms. @throws RegistrishError `aborted`. */
export async function pauseFor(ms: number, signal?: AbortSignal): Promise<unknown> {
  try {
    return await delay(ms, undefined, callOf(signal))
  } catch (error) {
    throw signal?.aborted === true ? abortedError(signal.reason) : error
  }
}
