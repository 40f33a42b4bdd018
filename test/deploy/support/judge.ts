import { expect } from 'vitest'
import { parseDeletions } from '../../../src/deploy/deletions-format.ts'
import { algorithmOf, asDigest, type Digest, digestOf } from '../../../src/oci/digest.ts'
import { fallbackTag, isFallbackTag } from '../../../src/oci/referrers.ts'
import { deletionsKey } from '../../../src/tree/layout.ts'
import { mediaTypeOf } from '../../support/made-images.ts'
import type { MemoryObject, MemoryStore } from '../../support/memory-store.ts'
import {
  type Faults,
  readStored,
  type StoredKey,
  type StoredManifest,
  type StoredRepository,
} from './stored-registry.ts'

/*
 * Says what is wrong with a registry that stands in a store of objects: what clients would see, taken from the objects alone. It shares no code with the
 * engine that it judges, but for digests and the form of fallback tags.
 */

/** What a store is judged by. */
export interface JudgeOptions {
  /** `midway`: documents may lag behind, but name nothing that is not there. Default `done`. */
  readonly phase?: 'done' | 'midway'
  /** Whether only graphs of tags must be whole. Default false: all manifests must be, but those that are recorded to go. */
  readonly tagsOnly?: boolean
  /** Digests that may be missing: children of sparse indexes. */
  readonly sparse?: ReadonlySet<string>
  /** Fallback tags (keys) that are someone's own. */
  readonly own?: ReadonlySet<string>
  /** Faults that do not count. */
  readonly ignore?: RegExp
  /** Other keys that are there and no registry's. */
  readonly strangers?: ReadonlySet<string>
}

/** Fails the test unless the registry in a store is right. */
export function judgeStore(store: Pick<MemoryStore, 'objects'>, options: JudgeOptions = {}): void {
  expect(findFaults(store, options)).toEqual([])
}

/** What is wrong with the registry in a store, a line each. */
export function findFaults({ objects }: Pick<MemoryStore, 'objects'>, options: JudgeOptions = {}): readonly string[] {
  const { strangers = new Set<string>(), phase = 'done' } = options
  const faults: string[] = []
  const registry = readStored(objects, { strangers, faults })
  for (const key of registry.keys) checkHeads(key, faults)
  for (const repository of registry.repositories.values()) {
    checkBlobs(repository, faults)
    const going = goingIn(repository, objects)
    const reached = options.tagsOnly === true ? reachedIn(repository) : undefined
    for (const [reference, manifest] of repository.manifests)
      if (reached?.has(reference) ?? !going.has(reference)) checkManifest(manifest, repository, { ...options, faults })
    checkTagsList(repository, objects, { phase, faults })
    checkReferrers(repository, objects, { ...options, faults, going })
  }
  checkCatalog(registry.repositories, objects, { phase, faults })
  if (phase === 'done' && registry.repositories.size > 0) checkConstants(objects, faults)
  return faults.filter(fault => options.ignore?.test(fault) !== true).sort()
}

type Settings = JudgeOptions & { readonly faults: Faults; readonly going?: ReadonlySet<string> }

/** Manifests of a repository that no tag reaches and that are recorded as what goes one day: they need not be whole, and documents may name them or not. */
function goingIn(repository: StoredRepository, objects: ReadonlyMap<string, MemoryObject>): ReadonlySet<string> {
  const record = objects.get(deletionsKey)
  if (record === undefined) return new Set()
  const { unreferenced, claims } = parseDeletions(record.bytes, 'the store')
  const groups = [...unreferenced, ...claims.flatMap(claim => claim.unreferenced)]
  const recorded = new Set(groups.flatMap(({ keys }) => keys))
  const { name, manifests } = repository
  const reached = reachedIn(repository)
  const unreached = [...manifests.keys()].filter(reference => !reached.has(reference))
  return new Set(unreached.filter(reference => recorded.has(`v2/${name}/manifests/${reference}`)))
}

/** Tags, and the manifests that they reach. */
function reachedIn({ manifests }: StoredRepository): ReadonlySet<string> {
  const reached = new Set<string>()
  const visit = (reference: string): void => {
    if (reached.has(reference)) return
    reached.add(reference)
    for (const { digest } of manifests.get(reference)?.body?.manifests ?? []) visit(digest)
  }
  for (const reference of manifests.keys()) if (asDigest(reference) === undefined) visit(reference)
  return reached
}

function checkConstants(objects: ReadonlyMap<string, MemoryObject>, faults: Faults): void {
  const folder = objects.get('v2/')
  if (folder === undefined) faults.push('v2/ is missing: no answer to the version check')
  else if (folder.size !== 0) faults.push('v2/ has bytes, which some stores refuse')
  const index = objects.get('v2/index.json')
  if (index === undefined || parseJson(index.bytes) === undefined) faults.push('v2/index.json is missing or no JSON')
  const notFound = objects.get('v2/_404.json')
  const body = notFound === undefined ? undefined : parseJson(notFound.bytes)
  if (!isRecord(body) || !Array.isArray(body['errors'])) faults.push('v2/_404.json is missing or no OCI error')
}

/** Types and lives of what is kept: for ever what bears a digest, shortly all else. */
function checkHeads({ key, kind, reference, object }: StoredKey, faults: Faults): void {
  const digest = kind === 'blob' || (kind === 'manifest' && asDigest(reference) !== undefined)
  const cache = object.cacheControl ?? ''
  if (digest && !/immutable/.test(cache)) faults.push(`${key}: Cache-Control "${cache}", not immutable`)
  const age = Number(/max-age=(\d+)/.exec(cache)?.[1] ?? (cache === 'no-store' ? 0 : Number.NaN))
  if (!digest && (/immutable/.test(cache) || !(age <= 300))) faults.push(`${key}: Cache-Control "${cache}", not short`)
  if (object.secret) faults.push(`${key}: secret, though it is the registry's`)
  const type = typeOf({ kind, object })
  if (type !== undefined && object.contentType !== type) faults.push(`${key}: type ${object.contentType}, not ${type}`)
}

function typeOf({ kind, object }: Pick<StoredKey, 'kind' | 'object'>): string | undefined {
  if (kind === 'blob') return 'application/octet-stream'
  if (kind === 'referrers') return 'application/vnd.oci.image.index.v1+json'
  if (kind !== 'manifest') return 'application/json'
  return parseJson(object.bytes) === undefined ? undefined : mediaTypeOf(object.bytes)
}

function checkBlobs({ blobs }: StoredRepository, faults: Faults): void {
  for (const [digest, { key, object }] of blobs) {
    if (digestOf(object.bytes, algorithmOf(digest)) !== digest) faults.push(`${key}: its bytes are others`)
  }
}

/** The bytes are those of its name; what it points to is there and of the size it says. That goes for all manifests, hence for all graphs of tags. */
function checkManifest(manifest: StoredManifest, repository: StoredRepository, { sparse, faults }: Settings): void {
  const { key, reference, object, body } = manifest
  const named = asDigest(reference)
  if (named !== undefined && digestOf(object.bytes, algorithmOf(named)) !== named)
    faults.push(`${key}: its bytes are others`)
  if (!repository.manifests.has(digestOf(object.bytes))) faults.push(`${key}: not there by its sha256`)
  if (body === undefined) {
    faults.push(`${key}: no manifest`)
    return
  }
  for (const entry of body.manifests) {
    const found = repository.manifests.get(entry.digest)?.object ?? repository.blobs.get(entry.digest)?.object
    if (found === undefined && sparse?.has(entry.digest) !== true) faults.push(`${key}: lacks child ${entry.digest}`)
    if (found !== undefined && found.size !== entry.size) faults.push(`${key}: child ${entry.digest} of another size`)
  }
  for (const entry of body.blobs) {
    const found = repository.blobs.get(entry.digest)?.object
    if (found === undefined && entry.urls === undefined) faults.push(`${key}: lacks blob ${entry.digest}`)
    if (found !== undefined && found.size !== entry.size) faults.push(`${key}: blob ${entry.digest} of another size`)
  }
}

function tagsOf({ manifests }: StoredRepository): readonly string[] {
  return [...manifests.keys()].filter(reference => asDigest(reference) === undefined).sort()
}

function checkTagsList(
  repository: StoredRepository,
  objects: ReadonlyMap<string, MemoryObject>,
  { phase, faults }: Pick<Settings, 'phase' | 'faults'>,
): void {
  const key = `v2/${repository.name}/tags/list`
  const object = objects.get(key)
  if (object === undefined) {
    if (phase === 'done' && standing(repository, objects).length > 0) faults.push(`${key}: missing`)
    return
  }
  const tags = tagsOf(repository)
  const body = parseJson(object.bytes)
  if (!isRecord(body) || body['name'] !== repository.name || !Array.isArray(body['tags'])) {
    faults.push(`${key}: no list of tags`)
    return
  }
  const named = body['tags'] as readonly unknown[]
  if (phase === 'midway') {
    for (const tag of named)
      if (!tags.includes(String(tag))) faults.push(`${key}: names ${String(tag)}, which is not there`)
    return
  }
  if (repository.manifests.size === 0) faults.push(`${key}: of a repository without manifests`)
  if (JSON.stringify(named) !== JSON.stringify(tags))
    faults.push(`${key}: ${JSON.stringify(named)}, not ${JSON.stringify(tags)}`)
}

function checkCatalog(
  repositories: ReadonlyMap<string, StoredRepository>,
  objects: ReadonlyMap<string, MemoryObject>,
  { phase, faults }: Pick<Settings, 'phase' | 'faults'>,
): void {
  const key = 'v2/_catalog'
  const there = [...repositories.values()].filter(({ manifests }) => manifests.size > 0).map(({ name }) => name)
  const needed = [...repositories.values()].filter(repository => standing(repository, objects).length > 0)
  const wanted = needed.map(({ name }) => name).sort()
  const object = objects.get(key)
  if (object === undefined) {
    if (phase === 'done' && wanted.length > 0) faults.push(`${key}: missing`)
    return
  }
  const body = parseJson(object.bytes)
  const named: unknown = isRecord(body) ? body['repositories'] : undefined
  if (!Array.isArray(named)) faults.push(`${key}: no catalogue`)
  else if (phase === 'midway') {
    for (const name of named)
      if (!there.includes(String(name))) faults.push(`${key}: names ${String(name)}, which is not there`)
  } else {
    const right = named.filter(name => wanted.includes(String(name)) || !there.includes(String(name)))
    if (JSON.stringify(right) !== JSON.stringify(wanted))
      faults.push(`${key}: ${JSON.stringify(named)}, not ${JSON.stringify(wanted)}`)
  }
}

/** Manifests that are not on their way out. */
function standing(repository: StoredRepository, objects: ReadonlyMap<string, MemoryObject>): readonly string[] {
  const going = goingIn(repository, objects)
  return [...repository.manifests.keys()].filter(reference => !going.has(reference))
}

/** By subject, who refers to it in the repository; both lists say just that. */
function checkReferrers(
  repository: StoredRepository,
  objects: ReadonlyMap<string, MemoryObject>,
  { phase, own = new Set(), going = new Set(), faults }: Settings,
): void {
  const bySubject = new Map<Digest, string[]>()
  const mayGo = new Set<string>()
  for (const { reference, object, body } of repository.manifests.values()) {
    const digest = asDigest(reference)
    if (digest === undefined || algorithmOf(digest) !== 'sha256' || body?.subject === undefined) continue
    const entry = formatEntry({ ...body.referrer, digest, size: object.size })
    if (going.has(digest)) mayGo.add(`${body.subject} ${entry}`)
    bySubject.set(body.subject, [...(bySubject.get(body.subject) ?? []), entry])
  }
  const lists = new Map<string, readonly Referring[]>()
  for (const [subject, entries] of bySubject) {
    const list = entries.map(entry => ({ entry, mayGo: mayGo.has(`${subject} ${entry}`) }))
    lists.set(`v2/${repository.name}/referrers/${subject}`, list)
    lists.set(`v2/${repository.name}/manifests/${fallbackTag(subject)}`, list)
  }
  for (const subject of repository.referrers) addMissing(lists, `v2/${repository.name}/referrers/${subject}`)
  for (const tag of tagsOf(repository))
    if (isFallbackTag(tag)) addMissing(lists, `v2/${repository.name}/manifests/${tag}`)
  for (const [key, wanted] of lists) {
    if (own.has(key)) continue
    const object = objects.get(key)
    const seen = object === undefined ? [] : readEntries(object.bytes)
    if (seen === undefined) faults.push(`${key}: no list of referrers`)
    for (const entry of seen ?? [])
      if (!wanted.some(other => other.entry === entry)) faults.push(`${key}: names ${entry}, which does not refer`)
    if (phase === 'midway') continue
    for (const { entry, mayGo: optional } of wanted)
      if (!optional && seen?.includes(entry) !== true) faults.push(`${key}: does not name ${entry}`)
    if (object !== undefined && wanted.length === 0 && key.includes('/manifests/'))
      faults.push(`${key}: a list of nobody`)
  }
}

/** What refers; `mayGo`: lists need not name it any more. */
interface Referring {
  readonly entry: string
  readonly mayGo: boolean
}

function addMissing(lists: Map<string, readonly Referring[]>, key: string): void {
  if (!lists.has(key)) lists.set(key, [])
}

function readEntries(bytes: Uint8Array): readonly string[] | undefined {
  const body = parseJson(bytes)
  if (!isRecord(body) || !Array.isArray(body['manifests'])) return undefined
  return body['manifests'].map(entry => formatEntry(entry as Readonly<Record<string, unknown>>)).sort()
}

function formatEntry({
  digest,
  mediaType,
  size,
  artifactType,
  annotations,
}: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ digest, mediaType, size, artifactType, annotations })
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
