import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, linkSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { blobPath, blobsFolder, manifestPath, manifestsFolder, PUBLIC } from '../../src/tree/layout.ts'
import { repositoryName } from './make-tree.ts'
import { digestOfZeros } from './registry-data.ts'

/*
 * Trees to be deployed: every name's bytes are right, since what deploys them may look.
 */

/** A tree that was made to be deployed. */
export interface DeployTree {
  readonly root: string
  /** What other programs are told to bring to a store. */
  readonly published: string
  /** Manifests by tag and by digest, and blobs; a name in each repository is an object. */
  readonly objects: number
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Repositories of {@link makeLayers}. */
const IMAGES = 4

/** Four repositories of an image each, with so many layers in all, of 5 MB that do not compress. */
export async function makeLayers(root: string, layers: number): Promise<DeployTree> {
  for (let index = 0; index < IMAGES; index += 1) {
    const repository = makeRepository(root, index)
    const all = Array.from({ length: layers / IMAGES }, () => putBlob(repository, LAYER, randomBytes(5_000_000)))
    putTag(repository, '1.0', all)
  }
  return finish(root, layers + IMAGES * 3)
}

/** Repositories with so many tags each, all of which share a small layer: nearly nothing but manifests, each by its tag and by its digest. */
export async function makeManifests(root: string, repositories: number, tags: number): Promise<DeployTree> {
  const bytes = Buffer.from('a layer that all images share')
  for (let index = 0; index < repositories; index += 1) {
    const repository = makeRepository(root, index)
    const layers = [putBlob(repository, LAYER, bytes)]
    for (let tag = 0; tag < tags; tag += 1) putTag(repository, `1.${tag}`, layers)
  }
  return finish(root, repositories * (tags * 2 + 2))
}

/** One image of one layer, which is zeros and takes no room, being a hole. */
export async function makeLargeLayer(root: string, size: number): Promise<DeployTree> {
  const repository = makeRepository(root, 0)
  const digest = digestOfZeros(size)
  const file = openSync(join(root, blobPath(repository.name, digest)), 'w', 0o644)
  ftruncateSync(file, size)
  closeSync(file)
  putTag(repository, '1.0', [{ mediaType: LAYER, digest, size }])
  return finish(root, 4)
}

/** Moves the tag `1.0` of a repository in the middle to an image that was not there, with a config of its own: three objects to write, two of them new. */
export function moveTag(root: string, seed: string): void {
  const repository = { root, name: repositoryName(5) }
  putTag(repository, '1.0', [], seed)
}

interface Repository {
  readonly root: string
  readonly name: string
}

function makeRepository(root: string, index: number): Repository {
  const name = repositoryName(index)
  mkdirSync(join(root, manifestsFolder(name)), { recursive: true, mode: 0o755 })
  mkdirSync(join(root, blobsFolder(name)), { recursive: true, mode: 0o755 })
  return { root, name }
}

function putBlob({ root, name }: Repository, mediaType: string, bytes: Buffer): Descriptor {
  const digest = digestOf(bytes)
  writeFileSync(join(root, blobPath(name, digest)), bytes, { mode: 0o644 })
  return { mediaType, digest, size: bytes.length }
}

function putTag(repository: Repository, tag: string, layers: readonly Descriptor[], author = ''): Digest {
  const { root, name } = repository
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) }
  const config = putBlob(
    repository,
    OCI_CONFIG,
    Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, author })),
  )
  const annotations = { 'org.opencontainers.image.ref.name': `${name}:${tag}` }
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, annotations }
  const bytes = JSON.stringify(image)
  const digest = digestOf(bytes)
  writeFileSync(join(root, manifestPath(name, digest)), bytes, { mode: 0o644 })
  rmSync(join(root, manifestPath(name, tag)), { force: true })
  linkSync(join(root, manifestPath(name, digest)), join(root, manifestPath(name, tag)))
  return digest
}

async function finish(root: string, objects: number): Promise<DeployTree> {
  await rebuildDocuments(root)
  return { root, published: join(root, PUBLIC), objects }
}
