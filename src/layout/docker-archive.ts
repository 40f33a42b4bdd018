import { RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import type { CallOptions, Content, OpenOptions } from '../oci/source.ts'
import { type ByteStore, LARGEST_DOCUMENT, openContent, readSmall, throwIfAborted } from './byte-store.ts'
import { type MadeImage, makeDockerImage } from './docker-image.ts'
import { type ArchivedImage, parseManifestFile } from './docker-manifest-file.ts'
import { type ImageName, inRepository, onlyOne, selectImages } from './image-names.ts'
import type { LayoutImage, LayoutSource } from './layout-source.ts'
import { readOciLayout } from './oci-layout.ts'
import { type ArchiveOptions, openTarArchive } from './tar-archive.ts'

/**
 * Opens what `docker save` (any engine), `podman save` and `skopeo copy … docker-archive:FILE` write, plain or gzip-compressed.
 * An archive of Docker Engine 25 and later holds an OCI layout, which is read as such: its digests are the image's own. Older ones hold no manifest:
 * one is made ({@link makeDockerImage}), when an image is asked for, which reads that image's layers once.
 * @throws RegistrishError `not-found`, `bad-answer` for a damaged archive, `manifest-invalid` for a broken manifest.json.
 */
export async function openDockerArchive(path: string, options: ArchiveOptions = {}): Promise<LayoutSource> {
  const store = await openTarArchive(path, `docker-archive:${path}`, options)
  try {
    const sizes = await Promise.all(['oci-layout', 'index.json'].map(async name => store.size(name)))
    if (sizes.every(size => size !== undefined)) return await readOciLayout(store, options)
    const file = await readSmall(store, 'manifest.json', { ...options, most: LARGEST_DOCUMENT })
    if (file !== undefined) return createDockerSource(store, parseManifestFile(file, store.title))
    throw new RegistrishError('not-found', `${store.title} is not an archive of images: it has no manifest.json`, {
      hint: 'a root file system that docker export wrote has no image in it: use docker save',
      side: 'source',
    })
  } catch (error) {
    await store.close()
    throw error
  }
}

interface Entry extends ImageName {
  readonly image: ArchivedImage
}

function createDockerSource(store: ByteStore, images: readonly ArchivedImage[]): LayoutSource {
  const { title } = store
  const entries: readonly Entry[] = images.flatMap(image => image.names.map(name => ({ ...name, image })))
  const layers = new Map<string, Descriptor>()
  const made = new Map<ArchivedImage, MadeImage>()

  async function make(image: ArchivedImage, options: CallOptions): Promise<MadeImage> {
    const result = made.get(image) ?? (await makeDockerImage(store, image, { ...options, layers }))
    made.set(image, result)
    return result
  }

  return {
    title,
    async resolve(repository: string, reference: string, options: CallOptions = {}): Promise<Descriptor> {
      const known = asDigest(reference) === undefined ? entries : await withDigests(entries, make, options)
      const matches = selectImages(known, repository, reference)
      const { image } = onlyOne(matches, { title, reference, all: entries, key: entry => entry.image })
      return (await make(image, options)).descriptor
    },
    async open(_repository: string, descriptor: Descriptor, options: OpenOptions): Promise<Content> {
      const content = await openMade(store, [...made.values()], descriptor.digest, options)
      if (content !== undefined) return content
      throw new RegistrishError('not-found', `${title} has no ${options.kind} ${descriptor.digest}`, { side: 'source' })
    },
    async images(options: CallOptions = {}): Promise<readonly LayoutImage[]> {
      const list: LayoutImage[] = []
      for (const { reference, name, image } of entries) {
        const { descriptor } = await make(image, options)
        const names = { ...(reference === undefined ? {} : { reference }), ...(name === undefined ? {} : { name }) }
        list.push({ ...names, descriptor })
      }
      return list
    },
    async tags(repository: string): Promise<readonly string[]> {
      return [...new Set(inRepository(entries, repository).flatMap(entry => entry.reference ?? []))]
    },
    /** Nothing in such an archive has a subject. */
    async referrers(): Promise<readonly Descriptor[]> {
      return []
    },
    close: async (): Promise<void> => store.close(),
  }
}

type Make = (image: ArchivedImage, options: CallOptions) => Promise<MadeImage>

async function withDigests(
  entries: readonly Entry[],
  make: Make,
  options: CallOptions,
): Promise<readonly (Entry & { readonly digest: Digest })[]> {
  const list: (Entry & { readonly digest: Digest })[] = []
  for (const entry of entries) {
    const { descriptor } = await make(entry.image, options)
    list.push({ ...entry, digest: descriptor.digest })
  }
  return list
}

/** The bytes of a manifest, config or layer of the images that were made so far; a digest is known from a manifest, and a manifest by resolving. */
async function openMade(
  store: ByteStore,
  images: readonly MadeImage[],
  digest: Digest,
  options: OpenOptions,
): Promise<Content | undefined> {
  throwIfAborted(options.signal)
  for (const { descriptor, manifest, blobs } of images) {
    if (descriptor.digest === digest) return openBytes(manifest, options)
    const path = blobs.get(digest)
    if (path !== undefined) return openContent(store, path, options)
  }
  return undefined
}

function openBytes(bytes: Uint8Array, { offset: wanted = 0 }: OpenOptions): Content {
  const offset = wanted <= bytes.length ? wanted : 0
  return {
    offset,
    body: (async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes.slice(offset)
    })(),
  }
}
