import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { blobPath, blobsFolder, manifestPath, manifestsFolder } from '../../src/tree/layout.ts'
import { repositoryName } from './make-tree.ts'

/** A tree that was made, all of it right. */
export interface WholeTree {
  readonly root: string
  readonly repositories: number
  /** Names in it: tags, manifests by digest, blobs. */
  readonly files: number
  /** Request path of a tag. */
  readonly path: string
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Tags of each repository, an image each; layers of each image. One of them is the image's own, as its config is. */
const TAGS = 20
const LAYERS = 7
/** Repositories that share all other layers. */
const SHARING = 20

/** Makes a tree as fetches leave it, in which every name's bytes are right and small: 200 names for each repository, of 100 bytes to a KB and a half. */
export async function makeWholeTree(root: string, repositories: number): Promise<WholeTree> {
  mkdirSync(root, { recursive: true, mode: 0o755 })
  for (let index = 0; index < repositories; index += 1) {
    const repository = repositoryName(index)
    mkdirSync(join(root, manifestsFolder(repository)), { recursive: true })
    mkdirSync(join(root, blobsFolder(repository)), { recursive: true })
    const lender = repositoryName(index - (index % SHARING))
    for (let tag = 0; tag < TAGS; tag += 1) {
      const digest = putImage({ root, repository, lender }, `1.${tag}`)
      linkSync(join(root, manifestPath(repository, digest)), join(root, manifestPath(repository, `1.${tag}`)))
    }
  }
  await rebuildDocuments(root)
  const path = `/${manifestPath(repositoryName(0), '1.0')}`
  return { root, repositories, files: repositories * TAGS * (LAYERS + 3), path }
}

/** Adds an image to each repository that no tag leads to: a manifest, and blobs that no other repository has. */
export function addUntagged({ root, repositories }: WholeTree): void {
  for (let index = 0; index < repositories; index += 1) {
    const repository = repositoryName(index)
    putImage({ root, repository, lender: repository }, 'untagged')
  }
}

interface Place {
  readonly root: string
  readonly repository: string
  /** Whose layers it shares: its own, or those of one that was made before. */
  readonly lender: string
}

function putImage({ root, repository, lender }: Place, tag: string): Digest {
  const put = (mediaType: string, text: string): Descriptor => {
    const digest = digestOf(text)
    writeFileSync(join(root, blobPath(repository, digest)), text, { mode: 0o644 })
    return { mediaType, digest, size: text.length }
  }
  const share = (text: string): Descriptor => {
    if (lender === repository) return put(LAYER, text)
    const digest = digestOf(text)
    linkSync(join(root, blobPath(lender, digest)), join(root, blobPath(repository, digest)))
    return { mediaType: LAYER, digest, size: text.length }
  }
  const platform = { architecture: 'amd64', os: 'linux' }
  const config = put(
    OCI_CONFIG,
    JSON.stringify({ ...platform, rootfs: { type: 'layers', diff_ids: [] }, author: `${repository}:${tag}` }),
  )
  const shared = Array.from({ length: LAYERS - 1 }, (_, layer) =>
    share(`layer ${layer} of ${tag}, that ${lender} shares with others`),
  )
  const layers = [...shared, put(LAYER, `the last layer of ${repository}:${tag}`)]
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers })
  const digest = digestOf(bytes)
  writeFileSync(join(root, manifestPath(repository, digest)), bytes, { mode: 0o644 })
  return digest
}
