import { createHash } from 'node:crypto'
import { type BucketListing, listBucket } from './object-store-listing.ts'
import type { PublicBucket } from './object-stores.ts'

/** What is in a bucket, and what is wrong with it as a registry. */
export interface Audit {
  /** One sentence each; none where all is right. */
  readonly complaints: readonly string[]
  /** Repository → tag → the digest of what it names; tags that list referrers left out. */
  readonly tags: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Repository → subject → the digests of all that refer to it, sorted. */
  readonly referrers: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
  readonly listing: BucketListing
}

/**
 * Makes a judge of a bucket who asks it as anyone and knows nothing but the specs: every tag's graph must be there, each byte by its digest, with the right
 * type; `tags/list`, `_catalog` and referrers (list and fallback tag) must name exactly what is there. What it has read once it knows by its etag.
 */
export function createAuditor(bucket: Pick<PublicBucket, 'ask'>): () => Promise<Audit> {
  const known = new Map<string, Stored>()
  return async () => {
    const listing = await listBucket(bucket, 'v2/')
    const reader = createReader(bucket, { listing, known })
    const repositories = groupKeys(listing)
    const tags: Record<string, Record<string, string>> = {}
    const referrers: Record<string, Record<string, readonly string[]>> = {}
    for (const [name, keys] of repositories) {
      tags[name] = await auditTags(reader, name, keys)
      referrers[name] = await auditReferrers(reader, name, keys)
    }
    const catalog = await reader.json('v2/_catalog', 'application/json')
    const expected = [...repositories.keys()].sort()
    reader.mustBe('v2/_catalog', catalog, { repositories: expected })
    return { complaints: reader.complaints, tags, referrers, listing }
  }
}

interface Stored {
  readonly etag: string
  readonly type: string | undefined
  readonly digest: string
  /** Kept of what may be JSON. */
  readonly text: string | undefined
}

interface Reader {
  readonly complaints: string[]
  readonly has: (key: string) => boolean
  readonly read: (key: string) => Promise<Stored | undefined>
  /** What a document says; a complaint where it is not of that type. */
  readonly json: (key: string, type?: string) => Promise<unknown>
  readonly mustBe: (key: string, found: unknown, expected: unknown) => void
}

interface Reading {
  readonly listing: BucketListing
  readonly known: Map<string, Stored>
}

const LARGEST_TEXT = 4 * 1024 * 1024

function createReader(bucket: Pick<PublicBucket, 'ask'>, { listing, known }: Reading): Reader {
  const complaints: string[] = []
  const read = async (key: string): Promise<Stored | undefined> => {
    const etag = listing.get(key)
    const before = known.get(key)
    if (before !== undefined && before.etag === etag) return before
    const answer = await bucket.ask(`/${key}`)
    if (answer.status !== 200 || etag === undefined) {
      complaints.push(`${key}: ${answer.status}, ${etag === undefined ? 'not in the listing' : etag}`)
      return undefined
    }
    const digest = `sha256:${createHash('sha256').update(answer.body).digest('hex')}`
    const text = answer.body.length > LARGEST_TEXT ? undefined : answer.body.toString()
    const stored = { etag, type: answer.header('content-type'), digest, text }
    known.set(key, stored)
    const named = key.slice(key.lastIndexOf('/') + 1)
    if (/\/(?:blobs|manifests)\/sha256:/.test(key) && named !== digest) complaints.push(`${key} is ${digest}`)
    return stored
  }
  return {
    complaints,
    read,
    has: key => listing.has(key),
    async json(key, type) {
      const stored = await read(key)
      if (type !== undefined && stored !== undefined && stored.type !== type)
        complaints.push(`${key} has the type ${stored.type}`)
      return stored?.text === undefined ? undefined : JSON.parse(stored.text)
    },
    mustBe(key, found, expected) {
      const [is, should] = [found, expected].map(value => JSON.stringify(value))
      if (is !== should) complaints.push(`${key} is ${is}, should be ${should}`)
    },
  }
}

/** Keys of a repository after its name. */
interface RepositoryKeys {
  readonly tags: string[]
  readonly manifests: string[]
  readonly referrers: string[]
}

function groupKeys(listing: BucketListing): ReadonlyMap<string, RepositoryKeys> {
  const found = new Map<string, RepositoryKeys>()
  for (const key of listing.keys()) {
    const match = /^v2\/(?<name>.+)\/(?<kind>manifests|referrers)\/(?<reference>[^/]+)$/.exec(key)?.groups
    const { name = '', kind, reference = '' } = match ?? {}
    if (kind === undefined) continue
    const keys = found.get(name) ?? { tags: [], manifests: [], referrers: [] }
    found.set(name, keys)
    if (kind === 'referrers') keys.referrers.push(reference)
    else if (reference.includes(':')) keys.manifests.push(reference)
    else keys.tags.push(reference)
  }
  return found
}

const FALLBACK = /^sha256-[0-9a-f]{64}$/
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'

async function auditTags(reader: Reader, name: string, keys: RepositoryKeys): Promise<Record<string, string>> {
  const named: Record<string, string> = {}
  for (const tag of keys.tags) {
    const stored = await reader.read(`v2/${name}/manifests/${tag}`)
    if (stored === undefined) continue
    // Where no header tells the digest, clients ask for what a tag names by the digest of what they got.
    const byDigest = await reader.read(`v2/${name}/manifests/${stored.digest}`)
    if (FALLBACK.test(tag)) continue
    named[tag] = stored.digest
    await auditGraph(reader, name, stored.digest)
    if (stored.type !== byDigest?.type) reader.complaints.push(`${name}:${tag} has the type ${stored.type}`)
  }
  const list = await reader.json(`v2/${name}/tags/list`, 'application/json')
  reader.mustBe(`v2/${name}/tags/list`, list, { name, tags: [...keys.tags].sort() })
  return named
}

/** What an index, an image or an artifact says. */
interface Manifest {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly manifests?: readonly Part[]
  readonly config?: Part
  readonly layers?: readonly Part[]
  readonly subject?: Part
}

interface Part {
  readonly digest: string
  readonly mediaType: string
}

async function auditGraph(reader: Reader, name: string, digest: string): Promise<void> {
  const key = `v2/${name}/manifests/${digest}`
  const manifest = (await reader.json(key)) as Manifest | undefined
  if (manifest === undefined) return
  const type = (await reader.read(key))?.type
  if (type !== manifest.mediaType) reader.complaints.push(`${key} has the type ${type}, says ${manifest.mediaType}`)
  for (const child of manifest.manifests ?? []) await auditGraph(reader, name, child.digest)
  const blobs = [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])]
  for (const { digest: blob } of blobs) {
    const stored = await reader.read(`v2/${name}/blobs/${blob}`)
    if (stored !== undefined && stored.type !== 'application/octet-stream')
      reader.complaints.push(`${name}: the blob ${blob} has the type ${stored.type}`)
  }
}

async function auditReferrers(
  reader: Reader,
  name: string,
  keys: RepositoryKeys,
): Promise<Record<string, readonly string[]>> {
  const bySubject = new Map<string, string[]>(keys.referrers.map(subject => [subject, []]))
  for (const digest of keys.manifests) {
    const { subject } = ((await reader.json(`v2/${name}/manifests/${digest}`)) ?? {}) as Manifest
    if (subject === undefined) continue
    bySubject.set(subject.digest, [...(bySubject.get(subject.digest) ?? []), digest])
    await auditGraph(reader, name, digest)
  }
  for (const [subject, digests] of bySubject) {
    for (const key of [`v2/${name}/referrers/${subject}`, `v2/${name}/manifests/${subject.replace(':', '-')}`]) {
      if (digests.length === 0 && !reader.has(key)) continue
      const { manifests = [] } = ((await reader.json(key, OCI_INDEX)) ?? {}) as Manifest
      reader.mustBe(key, manifests.map(({ digest }) => digest).sort(), digests.sort())
    }
  }
  return Object.fromEntries(bySubject)
}
