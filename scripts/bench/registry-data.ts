import { createHash, randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../src/oci/media-types.ts'

/*
 * Images where docker-registry keeps them: in its folder, as pushes would leave it, so that no push has to be waited for.
 */

/** A repository in the folder of a docker-registry. */
export interface RegistryData {
  readonly root: string
  readonly repository: string
}

/** A layer that was made. */
interface MadeLayer {
  readonly descriptor: Descriptor
  /** Digest of what it unpacks to. */
  readonly diffId: Digest
}

/** Adds a layer of random bytes, compressed as far as its form goes: nothing that copies it finds anything to compress. */
export function putRandomLayer(data: RegistryData, size: number): MadeLayer {
  const content = randomBytes(size)
  const bytes = gzipSync(content, { level: 0 })
  return { descriptor: putBlob(data, `${LAYER}+gzip`, bytes), diffId: digestOf(content) }
}

/** Adds a layer of zeros, which takes no room however large it is, being a hole. */
export function putHole(data: RegistryData, size: number): MadeLayer {
  const digest = digestOfZeros(size)
  const file = openSync(makeBlobPath(data, digest), 'w', 0o644)
  ftruncateSync(file, size)
  closeSync(file)
  putLink(data, '_layers', digest)
  return { descriptor: { mediaType: LAYER, digest, size }, diffId: digest }
}

/** Adds an image, tagged; returns its manifest. */
export function putImage(data: RegistryData, tag: string, layers: readonly MadeLayer[]): Descriptor {
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) }
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, author: tag })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: putBlob(data, OCI_CONFIG, Buffer.from(config)),
    layers: layers.map(({ descriptor }) => descriptor),
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  const digest = digestOf(bytes)
  writeFileSync(makeBlobPath(data, digest), bytes)
  putLink(data, '_manifests/revisions', digest)
  writeWithFolder(join(folderOf(data), `_manifests/tags/${tag}/current/link`), digest)
  return { mediaType: OCI_MANIFEST, digest, size: bytes.length }
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar'

function putBlob(data: RegistryData, mediaType: string, bytes: Buffer): Descriptor {
  const digest = digestOf(bytes)
  writeFileSync(makeBlobPath(data, digest), bytes)
  putLink(data, '_layers', digest)
  return { mediaType, digest, size: bytes.length }
}

/** Says that a repository has a blob. */
function putLink(data: RegistryData, kind: '_layers' | '_manifests/revisions', digest: Digest): void {
  writeWithFolder(join(folderOf(data), kind, 'sha256', hexOf(digest), 'link'), digest)
}

function folderOf({ root, repository }: RegistryData): string {
  return join(root, 'docker/registry/v2/repositories', repository)
}

/** Where a blob goes, whose folder is there then. */
function makeBlobPath({ root }: RegistryData, digest: Digest): string {
  const hex = hexOf(digest)
  const folder = join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex)
  mkdirSync(folder, { recursive: true })
  return join(folder, 'data')
}

function writeWithFolder(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** The digest of so many zeros. */
export function digestOfZeros(size: number): Digest {
  const zeros = new Uint8Array(2 ** 20)
  const hash = createHash('sha256')
  for (let left = size; left > 0; left -= zeros.length) hash.update(zeros.subarray(0, left))
  return `sha256:${hash.digest('hex')}` as Digest
}
