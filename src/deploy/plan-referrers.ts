import { RegistrishError } from '../errors.ts'
import { type Descriptor, isRecord, parseDescriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { formatReferrers } from '../oci/referrers.ts'
import { manifestPath } from '../tree/layout.ts'
import { headersOf } from '../tree/route.ts'
import { referrersRoute } from '../tree/routes.ts'
import { callOf } from './call-of.ts'
import { headOf, isListedAs, type LocalRepository } from './content.ts'
import {
  type DocumentSources,
  documentObject,
  hasHeaders,
  isEqual,
  LARGEST_DOCUMENT,
  type StoreDocument,
} from './documents.ts'
import type { ObjectHead, StoredContent } from './store.ts'

/**
 * The referrers lists and fallback tags of a repository, as far as its own manifests say who refers to what. A listing tells which manifests a store holds but
 * not what they refer to: who refers besides is taken from the store's own lists, and believed where that manifest is there in that size.
 * Those that are as they should be, or someone's own, are left out.
 */
export async function planReferrers(
  sources: DocumentSources,
  repository: LocalRepository,
): Promise<readonly StoreDocument[]> {
  const planned: StoreDocument[] = []
  const tags = new Map([...repository.fallbacks].map(([tag, subject]) => [subject, tag]))
  for (const [subject, referrers] of repository.referrers) {
    const union = createUnion(sources, repository.name, referrers)
    const tag = tags.get(subject)
    const lists = [
      listOf(repository.name, subject),
      ...(tag === undefined ? [] : [fallbackOf(sources, repository.name, tag)]),
    ]
    const found = new Map<List, StoredContent | undefined>()
    for (const list of lists) {
      const current = await look(sources, list, formatReferrers(referrers))
      if (await union.add(list, current)) found.set(list, current)
    }
    for (const [list, current] of found) {
      const expected = union.bytes()
      const isRight =
        current !== undefined && isEqual(current.bytes, expected) && stands(sources, repository.name, list, expected)
      if (isRight && (!sources.checkHeaders || hasHeaders(current, list.head))) continue
      planned.push({
        ...list,
        repository: repository.name,
        change: current === undefined ? 'new' : 'changed',
        expected,
        condition: current === undefined ? 'absent' : { etag: current.etag },
        make: async now => ((await union.add(list, now)) ? union.bytes() : undefined),
      })
    }
  }
  return planned
}

/** Where a list stands. */
type List = Pick<StoreDocument, 'kind' | 'head' | 'before'>

function listOf(repository: string, subject: Digest): List {
  return { kind: 'referrers', head: headOf(referrersRoute(repository, subject, new Uint8Array())) }
}

/** A fallback tag names a manifest, which stands at its digest first. */
function fallbackOf({ store, signal }: DocumentSources, repository: string, tag: string): List {
  return {
    kind: 'fallback',
    head: manifestHead('tag', repository, tag),
    async before(bytes) {
      const digest = digestOf(bytes)
      const object = documentObject(manifestHead('manifest', repository, digest), bytes)
      await store.put({ ...object, digest }, callOf(signal))
    },
  }
}

/** A fallback tag is right only where its manifest stands at its digest too. */
function stands({ listing }: DocumentSources, repository: string, { kind }: List, bytes: Uint8Array): boolean {
  return kind !== 'fallback' || listing.has(manifestPath(repository, digestOf(bytes)))
}

function manifestHead(kind: 'tag' | 'manifest', repository: string, reference: string): Omit<ObjectHead, 'size'> {
  return headOf({
    path: `/${manifestPath(repository, reference)}`,
    mediaType: OCI_INDEX,
    headers: headersOf(kind, OCI_INDEX),
  })
}

/** What stands where a list is to be. Nothing is asked where the listing says that it is what the tree alone makes it. */
async function look(
  { store, listing, signal, checkHeaders }: DocumentSources,
  { head }: List,
  local: Uint8Array,
): Promise<StoredContent | undefined> {
  const listed = listing.get(head.key)
  if (listed === undefined) return undefined
  const isLocal = listed.size === local.length && isListedAs(listed, local)
  if (isLocal && !checkHeaders) return { ...listed, bytes: local }
  return store.get(head.key, { limit: LARGEST_DOCUMENT, ...callOf(signal) })
}

/** Who refers to a subject, as far as it is known: the tree's own manifests, and those of the store's lists that are there. */
interface Union {
  /** Adds what a list names; false where it is someone's own and to be left alone. */
  add(list: List, content: StoredContent | undefined): Promise<boolean>
  bytes(): Uint8Array
}

function createUnion(
  { store, listing, isGoing, signal }: DocumentSources,
  repository: string,
  referrers: readonly Descriptor[],
): Union {
  const known = new Map(referrers.map(referrer => [referrer.digest as string, referrer]))
  const call = callOf(signal)
  const isThere = async ({ digest, size }: Descriptor): Promise<boolean> => {
    const key = manifestPath(repository, digest)
    if (isGoing(key)) return false
    return (listing.get(key) ?? (await store.head(key, call)))?.size === size
  }
  return {
    async add({ kind }, content) {
      const list = content === undefined ? undefined : parseList(content.bytes)
      if (content !== undefined && kind === 'fallback' && !isOurs(content.bytes, list, known)) return false
      for (const entry of list?.manifests ?? [])
        if (!known.has(entry.digest) && (await isThere(entry))) known.set(entry.digest, entry)
      return true
    },
    bytes: () => formatReferrers(known.values()),
  }
}

/** Whether what a fallback tag names is a list of referrers, as far as a tree's own ones tell: else it is someone's own. */
export function isFallbackList(bytes: Uint8Array, referrers: readonly Descriptor[]): boolean {
  return isOurs(bytes, parseList(bytes), new Map(referrers.map(({ digest }) => [digest as string, true])))
}

/**
 * Whether what a fallback tag names is such a document: written as ours are, without the platforms that an image's own index has, or by another tool with
 * referrers that are known. `cosign copy` gives such a tag to the image itself.
 */
function isOurs(bytes: Uint8Array, list: ReferrersList | undefined, known: ReadonlyMap<string, unknown>): boolean {
  if (list === undefined || list.hasSubject) return false
  if (list.manifests.every(({ digest }) => known.has(digest))) return true
  const isPlain = list.manifests.every(({ platform }) => platform === undefined)
  return isPlain && isEqual(formatReferrers(list.manifests), bytes)
}

interface ReferrersList {
  readonly manifests: readonly Descriptor[]
  readonly hasSubject: boolean
}

/** undefined where it is no index: then whoever reads it cannot use it either. A list may be longer than any manifest. */
function parseList(bytes: Uint8Array): ReferrersList | undefined {
  try {
    const body: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (!isRecord(body) || !Array.isArray(body['manifests'])) return undefined
    const manifests = body['manifests'].map((entry, index) => parseDescriptor(entry, `manifests[${index}]`))
    return { manifests, hasSubject: body['subject'] !== undefined }
  } catch (error) {
    if (error instanceof RegistrishError || error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}
