import { abortedError, RegistrishError, throwIfAborted } from '../../src/errors.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { asDigest, type Digest, digestOf } from '../../src/oci/digest.ts'
import type { CallOptions, ContentKind, Source } from '../../src/oci/source.ts'
import { type Graph, mediaTypeOf, referrerEntry, rootBytes, withAllReferrers } from './made-images.ts'

/*
 * A source whose images are in memory, that remembers what it was asked for and misbehaves as it is told. Nothing in it waits for a clock:
 * what must take time waits for a promise of the test's own.
 */

/** What a source holds: repository → tag → image, with its referrers. */
export type Images = Readonly<Record<string, Readonly<Record<string, Graph>>>>

/** One call of a source, in the order in which they came. */
interface Call {
  readonly method: 'resolve' | 'open' | 'tags' | 'referrers'
  readonly repository: string
  /** The tag or digest that was asked for; '' for `tags`. */
  readonly reference: string
  /** For `open`. */
  readonly kind?: ContentKind
  /** For `open`: the first byte wanted. */
  readonly offset?: number
  /** For `open`: bytes that were handed out so far. */
  readonly bytes: number
}

/** An `open` as a fault sees it. */
interface Opening {
  readonly repository: string
  readonly digest: Digest
  readonly kind: ContentKind
  /** The first byte wanted. */
  readonly offset: number
  /** How often this digest was opened before, forgotten calls included. */
  readonly earlier: number
}

/** What an `open` will give; a fault changes it. */
interface Answer {
  /** The content from its first byte on; undefined: not found. */
  readonly bytes: Uint8Array | undefined
  /** Where the body begins. */
  readonly offset: number
  /** The stream fails before the byte at this position. */
  readonly breaksAt?: number
  /** The stream waits for `until` before the byte at this position; a signal ends the waiting. */
  readonly waitsAt?: number
  readonly until?: Promise<unknown>
}

/** Changes an answer, or throws instead of it. */
export type Fault = (opening: Opening, answer: Answer) => Answer | Promise<Answer>

/** How a source misbehaves. */
export interface Misbehaviour {
  /** Applied in order to each `open`. */
  readonly faults?: readonly Fault[]
  /** Changes what `resolve` says, or throws. */
  readonly resolve?: (descriptor: Descriptor, reference: string, repository: string) => Descriptor | Promise<Descriptor>
  /** Changes what `referrers` says, or throws. */
  readonly referrers?: (
    list: readonly Descriptor[],
    digest: Digest,
  ) => readonly Descriptor[] | Promise<readonly Descriptor[]>
  /** Powers that it does not have. */
  readonly without?: readonly ('tags' | 'referrers')[]
  /** Bytes of one chunk. Default 65,536. */
  readonly chunkSize?: number
}

/** A {@link Source} with a log. */
export interface MemorySource extends Source {
  readonly calls: readonly Call[]
  /** The calls as lines, `open blob app sha256:…`, with `from N` where an offset is wanted. */
  log(): readonly string[]
  /** How often a digest was opened. */
  opened(digest: Digest): number
  /** Bytes that were handed out of a digest, over all openings. */
  handedOut(digest: Digest): number
  /** Bodies that were opened and that nobody has read to the end or left; `peak` is the largest number at once. */
  readonly openings: Readonly<Openings>
  /** Forgets the calls. */
  forget(): void
  /** Sets or moves a tag. */
  set(repository: string, tag: string, graph: Graph): void
}

/** Makes a source that holds these images. */
export function createMemorySource(images: Images, misbehaviour: Misbehaviour = {}): MemorySource {
  const calls: Entry[] = []
  const holdings = holdAll(images)
  const openings = { active: 0, peak: 0 }
  const times = new Map<Digest, number>()
  const lacks = (power: 'tags' | 'referrers'): boolean => misbehaviour.without?.includes(power) === true
  const note = (method: Call['method'], repository: string, reference: string, opening: object = {}): Entry => {
    const call = { method, repository, reference, ...opening, bytes: 0 }
    calls.push(call)
    return call
  }
  const powers: Required<Pick<Source, 'tags' | 'referrers'>> = {
    async tags(repository) {
      note('tags', repository, '')
      return [...(holdings.get(repository)?.tags.keys() ?? [])]
    },
    async referrers(repository, digest) {
      note('referrers', repository, digest)
      const list = referrersOf(holdings.get(repository), digest)
      return (await misbehaviour.referrers?.(list, digest)) ?? list
    },
  }
  return {
    title: 'memory',
    ...createLog(calls),
    openings,
    set: (repository, tag, graph) => add(holdings, { repository, tag, graph }),
    async resolve(repository, reference, { signal } = {}) {
      note('resolve', repository, reference)
      throwIfAborted(signal)
      const descriptor = find(holdings.get(repository), reference) ?? absent(`${repository}:${reference}`)
      return (await misbehaviour.resolve?.(descriptor, reference, repository)) ?? descriptor
    },
    async open(repository, { digest }, options) {
      const { kind, offset = 0 } = options
      const earlier = times.get(digest) ?? 0
      times.set(digest, earlier + 1)
      const call = note('open', repository, digest, { kind, offset })
      throwIfAborted(options.signal)
      const held = kind === 'manifest' ? holdings.get(repository)?.manifests : holdings.get(repository)?.blobs
      let answer: Answer = { bytes: held?.get(digest), offset }
      for (const fault of misbehaviour.faults ?? []) {
        answer = await fault({ repository, digest, kind, offset, earlier }, answer)
      }
      const bytes = answer.bytes ?? absent(`${kind} ${digest}`)
      const chunks = readChunks({ ...answer, bytes }, { ...options, chunkSize: misbehaviour.chunkSize ?? 65_536 })
      return { offset: answer.offset, body: track(chunks, call, openings) }
    },
    ...(lacks('tags') ? {} : { tags: powers.tags }),
    ...(lacks('referrers') ? {} : { referrers: powers.referrers }),
  }
}

interface Openings {
  active: number
  peak: number
}

type Entry = { -readonly [K in keyof Call]: Call[K] }

interface Holding {
  readonly tags: Map<string, Digest>
  readonly manifests: Map<Digest, Uint8Array>
  readonly blobs: Map<Digest, Uint8Array>
  /** What the makers of broken manifests say of them. */
  readonly types: Map<Digest, string>
}

type Log = Pick<MemorySource, 'calls' | 'log' | 'opened' | 'handedOut' | 'forget'>

function createLog(calls: Entry[]): Log {
  return {
    calls,
    log: () => calls.map(formatCall),
    opened: digest => calls.filter(call => call.method === 'open' && call.reference === digest).length,
    handedOut: digest => calls.reduce((sum, call) => sum + (call.reference === digest ? call.bytes : 0), 0),
    forget: () => void calls.splice(0),
  }
}

function holdAll(images: Images): Map<string, Holding> {
  const holdings = new Map<string, Holding>()
  for (const [repository, tags] of Object.entries(images)) {
    for (const [tag, graph] of Object.entries(tags)) add(holdings, { repository, tag, graph })
  }
  return holdings
}

interface Tagged {
  readonly repository: string
  readonly tag: string
  readonly graph: Graph
}

function add(holdings: Map<string, Holding>, { repository, tag, graph: image }: Tagged): void {
  const empty = { tags: new Map(), manifests: new Map(), blobs: new Map(), types: new Map() }
  const holding: Holding = holdings.get(repository) ?? empty
  holdings.set(repository, holding)
  for (const { root, manifests, blobs } of withAllReferrers(image)) {
    for (const [digest, bytes] of manifests) holding.manifests.set(digestOf(bytes), bytes).set(digest, bytes)
    for (const [digest, bytes] of blobs) holding.blobs.set(digest, bytes)
    holding.types.set(root.digest, root.mediaType)
  }
  holding.tags.set(tag, image.root.digest)
}

function find(holding: Holding | undefined, reference: string): Descriptor | undefined {
  const digest = asDigest(reference) ?? holding?.tags.get(reference)
  const bytes = digest === undefined ? undefined : holding?.manifests.get(digest)
  if (digest === undefined || bytes === undefined) return undefined
  return { mediaType: holding?.types.get(digest) ?? mediaTypeOf(bytes), digest, size: bytes.length }
}

function referrersOf(holding: Holding | undefined, subject: Digest): readonly Descriptor[] {
  const naming = [...(holding?.manifests ?? [])].filter(
    ([digest, bytes]) => digest.startsWith('sha256:') && Buffer.from(bytes).includes(`"${subject}"`),
  )
  const graphs = naming.map(([digest, bytes]) => {
    const root = { mediaType: mediaTypeOf(bytes), digest, size: bytes.length }
    return { root, manifests: new Map([[digest, bytes]]), blobs: new Map() }
  })
  return graphs.filter(graph => subjectOf(rootBytes(graph)) === subject).map(referrerEntry)
}

function subjectOf(manifest: Uint8Array): string | undefined {
  return (JSON.parse(new TextDecoder().decode(manifest)) as { readonly subject?: Descriptor }).subject?.digest
}

async function* readChunks(
  { bytes, offset, breaksAt, waitsAt, until }: Answer & { readonly bytes: Uint8Array },
  { chunkSize, signal }: CallOptions & { readonly chunkSize: number },
): AsyncGenerator<Uint8Array> {
  const stops = [breaksAt, waitsAt].filter(stop => stop !== undefined)
  let position = offset
  for (;;) {
    throwIfAborted(signal)
    if (position === waitsAt) await waitFor(until, signal)
    if (position === breaksAt) {
      throw new RegistrishError('unreachable', 'memory: the connection broke', { side: 'source' })
    }
    if (position >= bytes.length) return
    const end = Math.min(bytes.length, position + chunkSize, ...stops.filter(stop => stop > position))
    yield bytes.slice(position, end)
    position = end
  }
}

/** Counts what is handed out, and the opening as active until its reader has come to the end or has left. */
function track(chunks: AsyncGenerator<Uint8Array>, call: Entry, openings: Openings): AsyncIterable<Uint8Array> {
  openings.active += 1
  openings.peak = Math.max(openings.peak, openings.active)
  let ended = false
  const end = (): void => {
    if (!ended) openings.active -= 1
    ended = true
  }
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      const result = await chunks.next()
      if (result.done === true) end()
      else call.bytes += result.value.length
      return result
    } catch (error) {
      end()
      throw error
    }
  }
  const leave = async (): Promise<IteratorResult<Uint8Array>> => {
    end()
    return chunks.return(undefined)
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}

async function waitFor(until: Promise<unknown> | undefined, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal)
  await new Promise<unknown>((resolve, reject) => {
    signal?.addEventListener('abort', () => reject(abortedError(signal.reason)), { once: true })
    until?.then(resolve, reject)
  })
}

function absent(what: string): never {
  throw new RegistrishError('not-found', `memory: there is no ${what}`, { side: 'source', hint: 'look elsewhere' })
}

function formatCall({ method, repository, reference, kind, offset = 0 }: Call): string {
  const from = offset === 0 ? '' : ` from ${offset}`
  return `${method} ${kind === undefined ? '' : `${kind} `}${repository} ${reference}${from}`.trim()
}
