import { formatCatalog, formatTagsList } from '../tree/documents.ts'
import { catalogPath, manifestPath, tagsListPath } from '../tree/layout.ts'
import { documentRoute, tagsRoute } from '../tree/routes.ts'
import { callOf } from './call-of.ts'
import { headOf, isListedAs, type LocalRepository, tagOf } from './content.ts'
import { type DocumentSources, hasHeaders, isEqual, LARGEST_DOCUMENT, type StoreDocument } from './documents.ts'
import { forEach } from './for-each.ts'
import { listKeys, listStore, type StoreListing } from './listing.ts'
import { planReferrers } from './plan-referrers.ts'
import { manifestsPrefix, readContents } from './store-contents.ts'

/** Documents that are not as they should be, referrers first, the catalogue last; and how many are, or are someone's own. */
interface PlannedDocuments {
  readonly documents: readonly StoreDocument[]
  readonly settled: number
}

/**
 * Compares the documents of a tree, and those of other repositories that are touched, with what a store holds.
 * Asks for what a listing cannot tell, and writes nothing. `isWritten`: the tags of the tree are on the store by now, as far as they stay.
 */
export async function planDocuments(
  sources: DocumentSources,
  {
    alsoTouched = [],
    isWritten = false,
  }: { readonly alsoTouched?: Iterable<string>; readonly isWritten?: boolean } = {},
): Promise<PlannedDocuments> {
  const { repositories, listing, isGoing, jobs } = sources
  const lists: StoreDocument[] = []
  await forEach(repositories, jobs, async repository => {
    // One by one: a call takes only so many arguments.
    for (const document of await planReferrers(sources, repository)) lists.push(document)
  })
  const { tags } = readContents(remaining(listing, isGoing))
  const local = new Map(repositories.map(repository => [repository.name, repository]))
  const documents: StoreDocument[] = []
  let looked = 1
  await forEach(new Set([...local.keys(), ...alsoTouched]), jobs, async name => {
    const repository = local.get(name)
    looked += 1 + (repository?.referrers.size ?? 0) + (repository?.fallbacks.size ?? 0)
    const listed = tags.get(name) ?? new Set()
    const own = isWritten
      ? [...(await unlistedTags(sources, repository, listed)), ...(repository?.fallbacks.keys() ?? [])]
      : localTags(repository)
    const names = [...new Set([...listed, ...own])].sort()
    if (names.length > 0 || repository !== undefined || listing.has(tagsListPath(name)))
      documents.push(...(await planTags(sources, { name, local: repository }, names)))
  })
  documents.push(...planCatalog(sources, [...new Set([...local.keys(), ...tags.keys()])].sort()))
  return { documents: [...lists, ...documents], settled: looked - lists.length - documents.length }
}

/** A repository that is touched; `local`: what the tree has of it. */
interface TouchedRepository {
  readonly name: string
  readonly local: LocalRepository | undefined
}

async function planTags(
  sources: DocumentSources,
  { name: repository, local }: TouchedRepository,
  names: readonly string[],
): Promise<readonly StoreDocument[]> {
  const { store, signal, isGoing } = sources
  const expected = formatTagsList(repository, names)
  const head = headOf(tagsRoute(repository, names))
  const state = await stateOf(sources, head, expected)
  if (state === 'right') return []
  const document: StoreDocument = {
    head,
    kind: 'tags',
    repository,
    change: state === 'absent' ? 'new' : 'changed',
    expected,
    ...(state === 'absent' ? { condition: 'absent' } : {}),
    ...(typeof state === 'object' ? { condition: state } : {}),
    async make() {
      const keys: string[] = []
      for await (const key of listKeys(store, manifestsPrefix(repository), callOf(signal)))
        if (!isGoing(key)) keys.push(key)
      const listed = readContents(keys).tags.get(repository) ?? new Set()
      return formatTagsList(repository, [...listed, ...(await unlistedTags(sources, local, listed))].sort())
    },
  }
  return [document]
}

/** What stands where a document is to be; the etag of one that is right but for its headers. Nothing is asked where the listing tells. */
async function stateOf(
  { store, listing, signal, checkHeaders }: DocumentSources,
  head: StoreDocument['head'],
  expected: Uint8Array,
): Promise<'absent' | 'other' | 'right' | { readonly etag: string }> {
  const listed = listing.get(head.key)
  if (listed === undefined) return 'absent'
  if (listed.size !== expected.length) return 'other'
  if (isListedAs(listed, expected)) {
    if (!checkHeaders) return 'right'
    return hasHeaders(await store.head(head.key, callOf(signal)), head) ? 'right' : { etag: listed.etag }
  }
  const found = await store.get(head.key, { ...callOf(signal), limit: LARGEST_DOCUMENT })
  if (found === undefined || !isEqual(found.bytes, expected)) return 'other'
  return !checkHeaders || hasHeaders(found, head) ? 'right' : { etag: found.etag }
}

function planCatalog(sources: DocumentSources, names: readonly string[]): readonly StoreDocument[] {
  const { store, catalog, signal, isGoing } = sources
  const expected = formatCatalog(names)
  const head = headOf(documentRoute('catalog', `/${catalogPath}`, expected))
  const isRight = catalog !== undefined && isEqual(catalog.bytes, expected)
  if (isRight && (!sources.checkHeaders || hasHeaders(catalog, head))) return []
  const document: StoreDocument = {
    head,
    kind: 'catalog',
    change: catalog === undefined ? 'new' : 'changed',
    expected,
    condition: catalog === undefined ? 'absent' : { etag: catalog.etag },
    async make() {
      const listing = await listStore(store, callOf(signal))
      const { tags } = readContents(remaining(listing, isGoing))
      return formatCatalog([...tags.keys(), ...(await unlistedRepositories(sources, tags))].sort())
    },
  }
  return [document]
}

function* remaining(listing: StoreListing, isGoing: (key: string) => boolean): Generator<string> {
  for (const key of listing.keys()) if (!isGoing(key)) yield key
}

/** Tags of a repository once its fallback documents stand. */
function localTags(repository: LocalRepository | undefined): readonly string[] {
  if (repository === undefined) return []
  return [
    ...repository.objects.filter(({ kind }) => kind === 'tag').map(({ key }) => tagOf(key)),
    ...repository.fallbacks.keys(),
  ]
}

/**
 * Tags of the tree that stand, though a listing lacks them: some stores list late what is new. Each is asked for, since another run may have deleted it; as a
 * rule there are none.
 */
async function unlistedTags(
  { store, jobs, signal }: DocumentSources,
  repository: LocalRepository | undefined,
  listed: ReadonlySet<string>,
): Promise<readonly string[]> {
  if (repository === undefined) return []
  const found: string[] = []
  await forEach(new Set(localTags(repository)), jobs, async tag => {
    if (listed.has(tag)) return
    const head = await store.head(manifestPath(repository.name, tag), callOf(signal))
    if (head !== undefined) found.push(tag)
  })
  return found
}

/** Repositories of the tree of which a manifest stands, though a listing has none yet. */
async function unlistedRepositories(
  { store, repositories, jobs, signal }: DocumentSources,
  listed: ReadonlyMap<string, unknown>,
): Promise<readonly string[]> {
  const found: string[] = []
  await forEach(repositories, jobs, async ({ name, objects }) => {
    if (listed.has(name)) return
    for (const { key, kind } of objects) {
      if (kind === 'blob' || (await store.head(key, callOf(signal))) === undefined) continue
      found.push(name)
      return
    }
  })
  return found
}
