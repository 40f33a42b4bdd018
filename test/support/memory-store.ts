import { setMaxListeners } from 'node:events'
import type {
  Condition,
  NewObject,
  ObjectHead,
  ObjectStore,
  StoredHead,
  StoredPage,
  StoreLimits,
} from '../../src/deploy/store.ts'
import { abortedError, RegistrishError, throwIfAborted } from '../../src/errors.ts'
import type { CallOptions } from '../../src/oci/source.ts'
import { type Listing, listKeys } from './listed-keys.ts'
import { checkBytes, type EtagOptions, etagOf, readBody, sumOf } from './stored-bytes.ts'

/*
 * A store of objects in memory, that remembers what it was asked for and can be held at any step. Consistent as S3 is: what was written is seen at once.
 * Two writers are two stores over the same `objects` and `clock`, each with a log and hooks of its own.
 */

/** One object as it stands in memory. */
export interface MemoryObject {
  readonly bytes: Uint8Array
  readonly size: number
  readonly etag: string
  readonly contentType?: string
  readonly cacheControl?: string
  /** Whether it was written as not for the public. */
  readonly secret: boolean
  /** Milliseconds since the epoch by the store's clock. */
  readonly modified: number
}

/** A store's clock; tests set `now` in milliseconds since the epoch. */
export interface Clock {
  now: number
}

/** What is asked of a store. */
type Operation = 'list' | 'head' | 'get' | 'put' | 'copy' | 'delete'

/** One step of a store: a page of a listing, one object of a deletion, else a call. */
interface Step {
  readonly op: Operation
  /** The key; of a listing its prefix, of a copy the key that is written. */
  readonly key: string
  /** For `put`, where there is one. */
  readonly condition?: Condition
  /** For `put`: what is to be written. */
  readonly object?: NewObject
  /** For `copy`: the key that is read. */
  readonly from?: string
}

/** Called before a step happens, which waits for it; what it throws is what the call throws, and then nothing happens. */
export type Before = (op: Operation, key: string, step: Step) => void | Promise<void>

/** What a memory store is and how it behaves. */
export interface MemoryStoreOptions extends EtagOptions {
  /** Shared with another store. Default: empty. */
  readonly objects?: Map<string, MemoryObject>
  /** Shared with another store. Default: the beginning of 2026. */
  readonly clock?: Clock
  /** `ignored`: written all the same; `refused`: with `unsupported`. Default `honoured`. */
  readonly conditions?: 'honoured' | 'ignored' | 'refused'
  /** Keys and prefixes of one page. Default 1000. */
  readonly pageSize?: number
  /** Leaves out `copy`. Default false. */
  readonly noCopy?: boolean
  readonly title?: string
  readonly publicHost?: string
  /** Default those of S3. */
  readonly limits?: Partial<StoreLimits>
  readonly before?: Before
}

/** An {@link ObjectStore} to be looked into. */
export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, MemoryObject>
  readonly clock: Clock
  /** Every step that was begun, in order. */
  readonly steps: readonly Step[]
  /** The steps as lines, `put v2/a/manifests/latest absent`. */
  log(): readonly string[]
  /** Requests that S3 would have had: 1,000 deletions are one. */
  readonly requests: number
  /** Forgets the steps and the requests. */
  forget(): void
  /** May be set at any time. */
  before: Before | undefined
  /** Puts an object there as another writer would, unseen by log and hooks. */
  set(key: string, bytes: Uint8Array | string, head?: Pick<StoredHead, 'contentType' | 'cacheControl'>): void
  /** The text of an object, undefined where there is none. */
  text(key: string): string | undefined
}

/** Makes an empty store, or a second way into another one's objects. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { objects = new Map<string, MemoryObject>(), clock = { now: Date.UTC(2026, 0, 1) } } = options
  const steps: Step[] = []
  let requests = 0
  const state: State = { objects, clock, options, limits: { ...LIMITS, ...options.limits }, wait }
  async function wait(step: Step, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await unlessAborted(Promise.resolve(store.before?.(step.op, step.key, step)), signal)
    throwIfAborted(signal)
  }
  const note = (step: Step, cost = 1): Step => {
    steps.push(step)
    requests += cost
    return step
  }
  const store: MemoryStore = {
    title: options.title ?? 'memory',
    limits: state.limits,
    ...(options.publicHost === undefined ? {} : { publicHost: options.publicHost }),
    ...createMethods(state, note),
    objects,
    clock,
    steps,
    get requests() {
      return requests
    },
    before: options.before,
    log: () => steps.map(formatStep),
    forget() {
      steps.splice(0)
      requests = 0
    },
    set(key, bytes, head = {}) {
      write(state, { key, secret: false, ...head }, Buffer.from(bytes))
    },
    text(key) {
      const object = objects.get(key)
      return object === undefined ? undefined : Buffer.from(object.bytes).toString()
    },
  }
  if (options.noCopy === true) delete store.copy
  return store
}

/** A hook for a process that is killed: it breaks off before its step number `count` (from 0), and does nothing any more. */
export function killAt(count: number): Before {
  let done = 0
  return () => {
    done += 1
    if (done > count) throw new Error(`killed at step ${count}`)
  }
}

interface State {
  readonly objects: Map<string, MemoryObject>
  readonly clock: Clock
  readonly options: MemoryStoreOptions
  readonly limits: StoreLimits
  /** Lets the test have its way before a step. */
  readonly wait: (step: Step, signal?: AbortSignal) => Promise<void>
}

type Note = (step: Step, cost?: number) => Step
type Methods = Omit<ObjectStore, 'title' | 'limits' | 'publicHost'>

function createMethods(state: State, note: Note): Methods {
  const { objects, wait } = state
  return {
    now: () => state.clock.now,
    list: (prefix, options) => list(state, note, { ...options, prefix }),
    async head(key, { signal } = {}) {
      await wait(note({ op: 'head', key }), signal)
      const object = objects.get(key)
      return object === undefined ? undefined : headOf(object)
    },
    async get(key, { limit, signal }) {
      await wait(note({ op: 'get', key }), signal)
      const object = objects.get(key)
      if (object === undefined) return undefined
      if (object.size > limit) throw refuse('bad-answer', `${key} has ${object.size} bytes, more than ${limit}`)
      return { ...headOf(object), bytes: Uint8Array.from(object.bytes) }
    },
    async put(object, { condition, onBytes, signal } = {}) {
      const step = note({ op: 'put', key: object.key, object, ...(condition === undefined ? {} : { condition }) })
      throwIfAborted(signal)
      checkLimits(state, object)
      const bytes = await readBody(object.body)
      checkBytes(object, bytes)
      onBytes?.(bytes.length)
      await wait(step, signal)
      if (condition !== undefined && !mayWrite(state, object.key, condition)) return undefined
      return write(state, object, bytes)
    },
    async copy(from, to, { signal } = {}) {
      await wait(note({ op: 'copy', key: to.key, from }), signal)
      checkLimits(state, to)
      const object = objects.get(from)
      if (object === undefined || object.size !== to.size) return false
      write(state, to, object.bytes)
      return true
    },
    async delete(keys, { signal } = {}) {
      throwIfAborted(signal)
      for (const [index, key] of keys.entries()) {
        await wait(note({ op: 'delete', key }, index % DELETED_AT_ONCE === 0 ? 1 : 0), signal)
        objects.delete(key)
      }
    },
    close: () => Promise.resolve(),
  }
}

/** DeleteObjects takes so many keys. */
const DELETED_AT_ONCE = 1000

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, and "object-keys". */
const LIMITS: StoreLimits = { largestObject: 5 * 1024 ** 4, longestKey: 1024 }

/** Each page is taken from what is there when it is asked for, after the last entry of the page before, as S3 does. */
async function* list(
  state: State,
  note: Note,
  { signal, ...listing }: Listing & CallOptions,
): AsyncGenerator<StoredPage> {
  const { pageSize = 1000 } = state.options
  let after: string | undefined
  for (;;) {
    await state.wait(note({ op: 'list', key: listing.prefix }), signal)
    const entries = listKeys(state.objects, listing, after)
    const page = entries.slice(0, pageSize)
    yield {
      objects: page.flatMap(({ key, value }) =>
        value === undefined ? [] : [{ key, size: value.size, etag: value.etag, ...sumOf(value.bytes, state.options) }],
      ),
      prefixes: page.flatMap(({ key, value }) => (value === undefined ? [key] : [])),
    }
    if (entries.length <= pageSize) return
    after = page.at(-1)?.key
  }
}

function headOf({ size, etag, contentType, cacheControl }: StoredHead): StoredHead {
  return {
    size,
    etag,
    ...(contentType === undefined ? {} : { contentType }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
  }
}

function checkLimits({ limits }: State, { key, size }: ObjectHead): void {
  if (size > limits.largestObject) throw refuse('limit', `${key} has ${size} bytes, more than the store can hold`)
  if (Buffer.byteLength(key) > limits.longestKey) throw refuse('limit', `the key ${key} is too long`)
}

function mayWrite({ objects, options }: State, key: string, condition: Condition): boolean {
  if (options.conditions === 'ignored') return true
  if (options.conditions === 'refused') throw refuse('unsupported', 'the store knows no conditions')
  const there = objects.get(key)
  return condition === 'absent' ? there === undefined : there?.etag === condition.etag
}

type Head = Pick<ObjectHead, 'key' | 'secret'> & Pick<StoredHead, 'contentType' | 'cacheControl'>

function write({ objects, clock, options }: State, head: Head, bytes: Uint8Array): string {
  const etag = etagOf(bytes, options)
  const { key, secret = false, ...served } = head
  objects.set(key, { ...headOf({ ...served, size: bytes.length, etag }), bytes, secret, modified: clock.now })
  return etag
}

function formatStep({ op, key, condition, from }: Step): string {
  const held = condition === undefined ? '' : condition === 'absent' ? ' absent' : ` etag ${condition.etag}`
  return `${op} ${from === undefined ? '' : `${from} `}${key}${held}`
}

/** What came of `work`, or `aborted` once the signal says so: a test may hold a step for ever. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work
  setMaxListeners(0, signal) // each request at work listens
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortedError(signal.reason))
    signal.addEventListener('abort', stop)
  })
  try {
    await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function refuse(code: 'bad-answer' | 'limit' | 'unsupported', message: string): RegistrishError {
  return new RegistrishError(code, message, { side: 'target' })
}
