import { readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import { manifestsFolder, parseRequestPath, type RequestTarget } from '../tree/layout.ts'
import type { SnapshotMemory } from '../tree/read-manifests.ts'
import type { Route } from '../tree/route.ts'
import { FAMILIES, findTarget } from '../tree/routes.ts'
import { type ShareRuns, shareRuns } from '../tree/share-runs.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { type AnswerCache, createAnswerCache } from './answer-cache.ts'
import type { Found, RegistryContent } from './content.ts'
import { isAbsent, type OpenFile, openInside, realInside, type Stamp } from './open-inside.ts'

/**
 * A tree as what a registry answers from: routes as the table has them, manifests verified against their digest before they are given,
 * blobs as open files. Manifests and documents are kept in memory and given again while their file or folder is unchanged.
 */
export function createTreeContent(tree: ReadonlyTree): RegistryContent {
  const cache = createAnswerCache()
  const reader: Reader = { tree, cache, memory: new Map(), share: shareRuns() }
  return {
    find: path => cache.get(path) ?? read(reader, path),
    hasRepository: repository => folderStamp(tree.root, repository) !== undefined,
  }
}

interface Reader {
  readonly tree: ReadonlyTree
  readonly cache: AnswerCache
  /** What manifests say, so that a repository of which one has changed is not read from the start. */
  readonly memory: SnapshotMemory
  /** Walking the whole tree, or all manifests of a repository, is dear: one walk of each at a time. */
  readonly share: ShareRuns<Route | undefined>
}

async function read(reader: Reader, path: string): Promise<Found | undefined> {
  const target = parseRequestPath(path)
  if (target === undefined) return undefined
  try {
    if (target.kind === 'manifest') return await readManifest(reader, path, target)
    if (target.kind === 'blob') return await readBlob(reader, target)
    return await readDocument(reader, path, target)
  } catch (error) {
    // a file where a folder would be, links in a circle: nothing is there
    if (isAbsent(error) || (error instanceof Error && isAbsent(error.cause))) return undefined
    throw error
  }
}

/** A tag may move between finding its route and reading its file: then it is looked up again, so that headers and bytes always agree. */
async function readManifest({ tree, cache }: Reader, path: string, target: RequestTarget): Promise<Found | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const route = await findTarget(tree, target)
    if (route === undefined || !('file' in route.body)) return undefined
    const file = openInside(tree.root, route.body.file)
    if (file === undefined) return undefined
    const { stamp } = file
    const bytes = readWhole(file)
    const { digest } = route
    if (digest === undefined || digestOf(bytes, algorithmOf(digest)) !== digest) continue
    const found = describe(route, bytes)
    cache.put(path, found, { path: join(tree.root, route.body.file), stamp })
    return found
  }
  throw new RegistrishError('conflict', `${path} is being replaced too quickly to be read`, { side: 'source' })
}

async function readBlob({ tree }: Reader, target: RequestTarget): Promise<Found | undefined> {
  const route = await findTarget(tree, target)
  if (route === undefined || !('file' in route.body)) return undefined
  const file = openInside(tree.root, route.body.file)
  return file === undefined ? undefined : describe(route, file)
}

async function readDocument(reader: Reader, path: string, target: RequestTarget): Promise<Found | undefined> {
  const { tree, cache, memory, share } = reader
  const folder = 'repository' in target ? manifestsFolder(target.repository) : undefined
  const stamp = 'repository' in target ? folderStamp(tree.root, target.repository) : undefined
  if (folder !== undefined && stamp === undefined) return target.kind === 'referrers' ? NO_REFERRERS : undefined
  const route = await share(path, () => findTarget(tree, target, memory))
  if (route === undefined || !('bytes' in route.body)) return undefined
  const found = describe(route, route.body.bytes)
  if (target.kind === 'version') cache.put(path, found)
  else if (folder !== undefined && stamp !== undefined) cache.put(path, found, { path: join(tree.root, folder), stamp })
  return found
}

/** The list of a subject in a repository that is not there: still a list (distribution spec, "Listing Referrers"). */
const NO_REFERRERS: Found | undefined = FAMILIES.flatMap(({ kind, mediaType, headers, fallback }) =>
  kind === 'referrers' && fallback !== undefined ? [describe({ kind, mediaType, headers }, fallback)] : [],
)[0]

function describe(route: Pick<Route, 'kind' | 'mediaType' | 'headers'>, content: Uint8Array | OpenFile): Found {
  const size = content instanceof Uint8Array ? content.length : content.stamp.size
  const headers = { ...route.headers, 'Content-Length': String(size) }
  const etag = route.headers['ETag']
  const common = { kind: route.kind, mediaType: route.mediaType, ...(etag === undefined ? {} : { etag }) }
  if (content instanceof Uint8Array) {
    return { ...common, bytes: content, whole: { status: 200, headers, body: content } }
  }
  const body = { file: content, segments: [{ offset: 0, length: size }] }
  return { ...common, file: content, whole: { status: 200, headers: { ...headers, 'Accept-Ranges': 'bytes' }, body } }
}

/** The state of a repository's folder of manifests, on which its tags and referrers depend; undefined where there is none inside v2/. */
function folderStamp(root: string, repository: string): Stamp | undefined {
  const real = realInside(root, manifestsFolder(repository))
  const stats = real === undefined ? undefined : statSync(real, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isDirectory()) return undefined
  const { dev, ino, size, mtimeMs, ctimeMs } = stats
  return { dev, ino, size, mtimeMs, ctimeMs }
}

function readWhole(file: OpenFile): Uint8Array {
  try {
    const bytes = Buffer.allocUnsafeSlow(file.stamp.size)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(file.fd, bytes, length, bytes.length - length, length)
    }
    return bytes.subarray(0, length)
  } finally {
    file.close()
  }
}

/** How often a manifest may change between its route and its bytes. */
const ATTEMPTS = 5
