import { posix } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { type Descriptor, isRecord } from '../oci/descriptor.ts'
import { algorithmOf, asDigest, createDigester, type Digest, digestOf, quote } from '../oci/digest.ts'
import { DOCKER_MANIFEST } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import { type ByteStore, readSmall } from './byte-store.ts'
import { refuseOtherCompression } from './decompress.ts'
import type { ArchivedImage } from './docker-manifest-file.ts'

/** An image of an old `docker save` archive, with the manifest that the archive lacks. */
export interface MadeImage {
  readonly descriptor: Descriptor
  /** The manifest's bytes; see {@link makeDockerImage}. */
  readonly manifest: Uint8Array
  /** Where in the archive the blobs are that the manifest names. */
  readonly blobs: ReadonlyMap<Digest, string>
}

const CONFIG_TYPE = 'application/vnd.docker.container.image.v1+json'
/** Docker's type of an uncompressed layer, which Docker Engine, containerd, podman, skopeo and crane all pull. */
const LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar'

/** The largest config that is read, in bytes: what containers/image takes at most. */
const LARGEST_CONFIG = 4 * 1024 * 1024

/**
 * Makes the Docker v2 manifest of an image that an old engine saved: the config byte for byte, layers as found, so that the same archive gives the same digest everywhere.
 * The exact bytes are this JSON without any white space, members in this order, layers from the lowest:
 *
 *     {"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
 *      "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":N,"digest":"sha256:…"},
 *      "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":N,"digest":"sha256:…"},…]}
 *
 * with `.gzip` behind the media type of a layer that is compressed in the archive. Reads every layer once, to hash it; `layers` keeps what was hashed.
 * @throws RegistrishError `digest-mismatch` where an uncompressed layer is not what the config's `rootfs.diff_ids` says, or the config not what its file name says;
 * `manifest-invalid` for a broken config; `not-found` where the archive lacks a file.
 */
export async function makeDockerImage(
  store: ByteStore,
  image: ArchivedImage,
  options: CallOptions & { readonly layers: Map<string, Descriptor> },
): Promise<MadeImage> {
  const config = await readSmall(store, image.config, { ...options, most: LARGEST_CONFIG })
  if (config === undefined) throw absent(store, image.config)
  const configDigest = digestOf(config)
  checkConfigName(store, image.config, configDigest)
  const diffIds = parseDiffIds(config, image, store)
  const blobs = new Map<Digest, string>([[configDigest, image.config]])
  const layers: Descriptor[] = []
  for (const [position, path] of image.layers.entries()) {
    const layer = options.layers.get(path) ?? (await hashLayer(store, path, options))
    options.layers.set(path, layer)
    checkDiffId(store, path, layer, diffIds[position])
    layers.push(layer)
    blobs.set(layer.digest, path)
  }
  const manifest = formatManifest({ mediaType: CONFIG_TYPE, digest: configDigest, size: config.length }, layers)
  const descriptor = { mediaType: DOCKER_MANIFEST, digest: digestOf(manifest), size: manifest.length }
  return { descriptor, manifest, blobs }
}

function formatManifest(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  const entry = ({ mediaType, size, digest }: Descriptor): object => ({ mediaType, size, digest })
  const body = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config: entry(config), layers: layers.map(entry) }
  return new TextEncoder().encode(JSON.stringify(body))
}

/** Hashes a layer where it stands. */
async function hashLayer(store: ByteStore, path: string, options: CallOptions): Promise<Descriptor> {
  const size = await store.size(path)
  if (size === undefined) throw absent(store, path)
  const digester = createDigester('sha256')
  let magic: Uint8Array | undefined
  for await (const chunk of store.read(path, options)) {
    magic ??= chunk.subarray(0, 6)
    digester.update(chunk)
  }
  refuseOtherCompression(magic ?? new Uint8Array(), `${path} in ${store.title}`)
  const gzip = magic?.[0] === 0x1f && magic[1] === 0x8b
  return { mediaType: gzip ? `${LAYER_TYPE}.gzip` : LAYER_TYPE, digest: digester.digest(), size }
}

/** Engines name the config by its digest, `<hex>.json` or `blobs/sha256/<hex>`; other tools by anything. */
function checkConfigName(store: ByteStore, path: string, digest: Digest): void {
  const named = asDigest(`sha256:${posix.basename(path, '.json')}`)
  if (named !== undefined && named !== digest) throw mismatch(store, path, named, digest)
}

function checkDiffId(store: ByteStore, path: string, layer: Descriptor, diffId: Digest | undefined): void {
  if (diffId === undefined || layer.mediaType !== LAYER_TYPE || layer.digest === diffId) return
  throw mismatch(store, path, diffId, layer.digest)
}

function parseDiffIds(config: Uint8Array, image: ArchivedImage, store: ByteStore): readonly Digest[] {
  let body: unknown
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(config))
  } catch (cause) {
    throw badConfig(store, image, 'it is not JSON', cause)
  }
  const rootfs = isRecord(body) ? body['rootfs'] : undefined
  const list = isRecord(rootfs) ? (rootfs['diff_ids'] ?? []) : undefined
  if (!Array.isArray(list)) throw badConfig(store, image, 'it has no rootfs.diff_ids')
  const digests = list.flatMap(item => asDigest(item) ?? [])
  if (digests.length < list.length || digests.some(digest => algorithmOf(digest) !== 'sha256')) {
    throw badConfig(store, image, 'its rootfs.diff_ids are not sha256 digests')
  }
  if (digests.length === image.layers.length) return digests
  throw badConfig(store, image, `it names ${digests.length} layers, manifest.json ${image.layers.length}`)
}

function badConfig(store: ByteStore, image: ArchivedImage, reason: string, cause?: unknown): RegistrishError {
  const message = `the config ${quote(image.config)} in ${store.title} is invalid: ${reason}`
  return new RegistrishError('manifest-invalid', message, {
    side: 'source',
    ...(cause === undefined ? {} : { cause }),
  })
}

function mismatch(store: ByteStore, path: string, wanted: Digest, found: Digest): RegistrishError {
  const message = `${quote(path)} in ${store.title} is not what the image says: wanted ${wanted}, found ${found}`
  return new RegistrishError('digest-mismatch', message, {
    hint: 'the archive is damaged: save it again',
    side: 'source',
  })
}

function absent(store: ByteStore, path: string): RegistrishError {
  return new RegistrishError('not-found', `${store.title} lacks ${quote(path)}, which its manifest.json names`, {
    hint: 'the archive is not whole: save it again',
    side: 'source',
  })
}
