import { isRegistrishError, RegistrishError } from '../errors.ts'
import { type Descriptor, isRecord, parseDescriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest, quote } from '../oci/digest.ts'
import { isFallbackTag, taggedDigest } from '../oci/referrers.ts'
import type { CallOptions, Content, OpenOptions } from '../oci/source.ts'
import { blobPath } from './blob-path.ts'
import { type ByteStore, LARGEST_DOCUMENT, openContent, readSmall } from './byte-store.ts'
import { openDirectoryStore } from './directory-store.ts'
import { type ImageName, inRepository, nameFromAnnotations, onlyOne, selectImages } from './image-names.ts'
import { type Graph, walkLayout } from './layout-graph.ts'
import type { LayoutImage, LayoutSource } from './layout-source.ts'

/**
 * Opens an OCI image layout in a folder (image spec, image-layout.md).
 * @throws RegistrishError `not-found` where there is no layout, `manifest-invalid` for a broken index.json.
 */
export async function openOciLayout(directory: string, options: CallOptions = {}): Promise<LayoutSource> {
  const store = await openDirectoryStore(directory, `oci:${directory}`)
  return readOciLayout(store, options)
}

/**
 * Reads an OCI image layout wherever its bytes are; the source closes `store`, and so does a failure.
 * @throws RegistrishError `not-found` where `store` holds no layout, `unsupported` for a version other than 1, `manifest-invalid` for a broken index.json.
 */
export async function readOciLayout(store: ByteStore, options: CallOptions = {}): Promise<LayoutSource> {
  try {
    await checkVersion(store, options)
    return createOciSource(store, await readIndexFile(store, options))
  } catch (error) {
    await store.close()
    throw error
  }
}

interface Entry extends ImageName {
  readonly digest: Digest
  readonly descriptor: Descriptor
}

function createOciSource(store: ByteStore, entries: readonly Entry[]): LayoutSource {
  const { title } = store
  const graph = remember(async (options: CallOptions) => walkLayout(store, entries, options))
  const roots = async (options: CallOptions): Promise<readonly Entry[]> => withoutParts(entries, await graph(options))
  return {
    title,
    async resolve(repository: string, reference: string, options: CallOptions = {}): Promise<Descriptor> {
      const all = reference.startsWith('@') ? await roots(options) : entries
      const matches = selectImages(all, repository, reference)
      const digest = asDigest(reference)
      if (matches.length === 0 && digest !== undefined) {
        const found = (await graph(options)).manifests.get(digest)
        if (found !== undefined) return found
      }
      const { descriptor } = onlyOne(matches, { title, reference, all, key: entry => entry.digest })
      return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size }
    },
    async open(_repository: string, descriptor: Descriptor, options: OpenOptions): Promise<Content> {
      const content = await openContent(store, blobPath(descriptor.digest), options)
      if (content !== undefined) return content
      throw new RegistrishError('not-found', `${title} lacks the ${options.kind} ${descriptor.digest}`, {
        hint: 'the layout is not whole: write it again, with everything the image names',
        side: 'source',
      })
    },
    async images(options: CallOptions = {}): Promise<readonly LayoutImage[]> {
      return (await roots(options)).map(({ reference, name, descriptor }) => ({
        ...(reference === undefined ? {} : { reference }),
        ...(name === undefined ? {} : { name }),
        descriptor,
      }))
    },
    async tags(repository: string): Promise<readonly string[]> {
      return [...new Set(inRepository(entries, repository).flatMap(entry => entry.reference ?? []))]
    },
    async referrers(_repository: string, digest: Digest, options: CallOptions = {}): Promise<readonly Descriptor[]> {
      return (await graph(options)).referrers.get(digest) ?? []
    },
    close: async (): Promise<void> => store.close(),
  }
}

/**
 * Entries that stand for images of their own, unless nothing else is there. Left out are untagged ones that are a part of another entry or refer to one,
 * and what digest tags (`sha256-<hex>`, `sha256-<hex>.sig`) name.
 */
function withoutParts(entries: readonly Entry[], graph: Graph): readonly Entry[] {
  const seen = new Set<string>()
  const whole = entries.filter(entry => {
    if (entry.reference !== undefined) return !isDigestTag(entry.reference)
    if (entry.text !== undefined || entry.name !== undefined) return true
    if (graph.parts.has(entry.digest) || seen.has(entry.digest)) return false
    seen.add(entry.digest)
    return true
  })
  return whole.length > 0 ? whole : entries
}

function isDigestTag(tag: string): boolean {
  return isFallbackTag(tag) || taggedDigest(tag) !== undefined
}

async function checkVersion(store: ByteStore, options: CallOptions): Promise<void> {
  const bytes = await readSmall(store, 'oci-layout', { ...options, most: 4096 })
  if (bytes === undefined) {
    throw new RegistrishError('not-found', `${store.title} is not an OCI image layout: it has no file "oci-layout"`, {
      hint: 'an archive that docker save wrote is read by docker-archive:FILE',
      side: 'source',
    })
  }
  const body = parseJson(bytes, store, 'oci-layout')
  const version = isRecord(body) ? body['imageLayoutVersion'] : undefined
  if (typeof version === 'string' && /^1\./.test(version)) return
  const message = `${store.title} is an OCI image layout of a version that is not known: ${typeof version === 'string' ? quote(version) : 'none'}`
  throw new RegistrishError('unsupported', message, { side: 'source' })
}

async function readIndexFile(store: ByteStore, options: CallOptions): Promise<readonly Entry[]> {
  const bytes = await readSmall(store, 'index.json', { ...options, most: LARGEST_DOCUMENT })
  if (bytes === undefined) {
    throw new RegistrishError('not-found', `${store.title} has no index.json`, { side: 'source' })
  }
  const body = parseJson(bytes, store, 'index.json')
  const list = isRecord(body) ? (body['manifests'] ?? []) : undefined
  if (!Array.isArray(list)) throw broken(store, 'index.json', 'it has no list "manifests"')
  return list.map((item, position) => parseEntry(item, `manifests[${position}]`, store))
}

function parseEntry(item: unknown, where: string, store: ByteStore): Entry {
  try {
    const descriptor = parseDescriptor(item, where)
    return { ...nameFromAnnotations(descriptor.annotations), digest: descriptor.digest, descriptor }
  } catch (error) {
    if (!isRegistrishError(error, 'manifest-invalid')) throw error
    throw broken(store, 'index.json', error.message, error)
  }
}

function parseJson(bytes: Uint8Array, store: ByteStore, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw broken(store, path, 'it is not JSON', cause)
  }
}

function broken(store: ByteStore, path: string, reason: string, cause?: unknown): RegistrishError {
  return new RegistrishError('manifest-invalid', `${path} of ${store.title} is broken: ${reason}`, {
    side: 'source',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Computes a value once; a failure is forgotten. */
function remember<T>(compute: (options: CallOptions) => Promise<T>): (options: CallOptions) => Promise<T> {
  let value: { readonly is: T } | undefined
  return async options => {
    value ??= { is: await compute(options) }
    return value.is
  }
}
