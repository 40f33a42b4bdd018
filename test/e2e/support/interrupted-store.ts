import { createHash } from 'node:crypto'
import { mediaTypeOf } from '../../support/made-images.ts'
import { listBucket } from './object-store-listing.ts'
import type { PublicBucket } from './object-stores.ts'

/** An object as anyone gets it. */
interface Read {
  readonly digest: string
  readonly size: number
  readonly type: string | undefined
  readonly cache: string | undefined
  /** Of what may be JSON. */
  readonly bytes: Buffer | undefined
}

/** What anyone can read of a bucket: every object below v2/, by its key. */
export type StoreContent = ReadonlyMap<string, Read>

const LARGEST_DOCUMENT = 1024 * 1024

/** Reads all that a bucket holds, as anyone; of an object that is known by its etag only the listing. */
export async function readStore(
  bucket: Pick<PublicBucket, 'ask'>,
  known: Map<string, Read> = new Map(),
): Promise<StoreContent> {
  const found = new Map<string, Read>()
  for (const [key, line] of await listBucket(bucket, 'v2/')) {
    const name = `${key} ${line}`
    const read = known.get(name) ?? (await readObject(bucket, key))
    known.set(name, read)
    found.set(key, read)
  }
  return found
}

async function readObject(bucket: Pick<PublicBucket, 'ask'>, key: string): Promise<Read> {
  const { status, body, header } = await bucket.ask(`/${key}`)
  if (status !== 200) throw new Error(`${key} is listed and answers ${status}`)
  return {
    digest: `sha256:${createHash('sha256').update(body).digest('hex')}`,
    size: body.length,
    type: header('content-type'),
    cache: header('cache-control'),
    bytes: body.length > LARGEST_DOCUMENT ? undefined : body,
  }
}

/** The content in a form that can be compared: a line for each object. */
export function describeStore(content: StoreContent): readonly string[] {
  return [...content].map(([key, { digest, type, cache }]) => `${key} ${digest} ${type} ${cache}`).sort()
}

/** Every tag, `REPOSITORY:TAG`, and the digest of what it names. */
export function tagsOf(content: StoreContent): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...content].flatMap(([key, { digest }]) => {
      const { repository, folder, name } = parseKey(key)
      return folder === 'manifests' && !name.includes(':') ? [[`${repository}:${name}`, digest]] : []
    }),
  )
}

/**
 * What is wrong for whoever pulls from a store that a deploy may have left half way: a name with other bytes, a manifest of which a part is absent,
 * a list that names what is not there. A list may lack what is there. One sentence each.
 */
export function judgeInterrupted(content: StoreContent): readonly string[] {
  return [...content].flatMap(([key, read]) => judgeObject(content, key, read).map(complaint => `${key} ${complaint}`))
}

function judgeObject(content: StoreContent, key: string, read: Read): readonly string[] {
  const { repository, folder, name } = parseKey(key)
  const body = folder === 'blobs' ? {} : (JSON.parse(read.bytes?.toString() || '{}') as Body)
  const has = (path: string, size?: number): boolean => {
    const there = content.get(`v2/${repository}/${path}`)
    return there !== undefined && (size === undefined || there.size === size)
  }
  const lacks = (entries: readonly Entry[] | undefined, where: string): readonly string[] =>
    (entries ?? [])
      .filter(({ digest, size }) => !has(`${where}/${digest}`, size))
      .map(({ digest }) => `names ${digest}, which is not in ${where}`)
  const misnamed = name.includes(':') && folder !== 'referrers' && name !== read.digest ? [`is ${read.digest}`] : []
  if (folder === 'blobs') return misnamed
  if (folder === 'tags')
    return (body.tags ?? []).filter(tag => !has(`manifests/${tag}`)).map(tag => `names ${tag}, which is no tag`)
  if (folder === 'referrers') return lacks(body.manifests, 'manifests')
  if (folder !== 'manifests') return key === 'v2/_catalog' ? judgeCatalog(content, body) : []
  const type = mediaTypeOf(read.bytes ?? new Uint8Array())
  return [
    ...misnamed,
    ...(read.type === type ? [] : [`has the type ${read.type}, not ${type}`]),
    ...(has(`manifests/${read.digest}`) ? [] : [`is not there as ${read.digest}`]),
    ...lacks(body.manifests, 'manifests'),
    ...lacks([...(body.config === undefined ? [] : [body.config]), ...(body.layers ?? [])], 'blobs'),
  ]
}

function judgeCatalog(content: StoreContent, { repositories = [] }: Body): readonly string[] {
  const present = new Set([...content.keys()].map(key => parseKey(key).repository))
  return repositories.filter(name => !present.has(name)).map(name => `names ${name}, of which nothing is there`)
}

/** What manifests and lists say, as far as it is looked at. */
interface Body {
  readonly manifests?: readonly Entry[]
  readonly config?: Entry
  readonly layers?: readonly Entry[]
  readonly tags?: readonly string[]
  readonly repositories?: readonly string[]
}

interface Entry {
  readonly digest: string
  readonly size: number
}

/** A key's repository, the folder in it, and the name there; empty where it has none. */
function parseKey(key: string): Readonly<Record<'repository' | 'folder' | 'name', string>> {
  const found = /^v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/.exec(key) ?? []
  const [, repository = '', folder = '', name = ''] = found
  return { repository, folder, name }
}
