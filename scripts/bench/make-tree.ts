import { closeSync, ftruncateSync, linkSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { blobPath, blobsFolder, manifestPath, manifestsFolder } from '../../src/tree/layout.ts'

/** How large a tree is to be. */
export interface TreeSize {
  readonly repositories: number
  /** Tags of each repository. */
  readonly tags: number
}

/** The tree that aims are about, 100,000 tags; less than a third of it where time is short. */
export function largeSize(quick: boolean): TreeSize {
  return { repositories: quick ? 300 : 1000, tags: 100 }
}

/** A tree that was made. */
export interface MadeTree {
  readonly root: string
  readonly size: TreeSize
  /** Request paths of all manifests, by tag and by digest, in the same order. */
  readonly byTag: readonly string[]
  readonly byDigest: readonly string[]
}

/** Bytes of the one layer of all images. It takes no room, being a hole; its digest is made up, since nothing that is measured may read it. */
export const LAYER_SIZE: number = 64 * 2 ** 30

/** Makes a tree as fetches leave it: each tag its own small image of one config and one layer, which all repositories share as hard links. */
export async function makeTree(root: string, size: TreeSize): Promise<MadeTree> {
  mkdirSync(root, { recursive: true, mode: 0o755 })
  const shared = makeBlobs(root)
  const byTag: string[] = []
  const byDigest: string[] = []
  for (let index = 0; index < size.repositories; index += 1) {
    const repository = repositoryName(index)
    mkdirSync(join(root, manifestsFolder(repository)), { recursive: true })
    mkdirSync(join(root, blobsFolder(repository)), { recursive: true })
    for (const digest of Object.values(DIGESTS))
      linkSync(join(shared, digest), join(root, blobPath(repository, digest)))
    for (let tag = 0; tag < size.tags; tag += 1) {
      const bytes = formatImage(`${repository}:1.${tag}`)
      const paths = [manifestPath(repository, `1.${tag}`), manifestPath(repository, digestOf(bytes))] as const
      writeFileSync(join(root, paths[1]), bytes)
      linkSync(join(root, paths[1]), join(root, paths[0]))
      byTag.push(`/${paths[0]}`)
      byDigest.push(`/${paths[1]}`)
    }
  }
  await rebuildDocuments(root)
  return { root, size, byTag, byDigest }
}

/** The name of one of the repositories. */
export function repositoryName(index: number): string {
  return `team-${index % 10}/app-${String(index).padStart(4, '0')}`
}

const CONFIG = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } })
const DIGESTS = { config: digestOf(CONFIG), layer: digestOf('a layer') } as const satisfies Record<string, Digest>

/** The first of each blob, in a folder outside of what is published. */
function makeBlobs(root: string): string {
  const folder = join(root, '.blobs')
  mkdirSync(folder)
  writeFileSync(join(folder, DIGESTS.config), CONFIG)
  const layer = openSync(join(folder, DIGESTS.layer), 'w', 0o644)
  ftruncateSync(layer, LAYER_SIZE)
  closeSync(layer)
  return folder
}

function formatImage(name: string): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: DIGESTS.config, size: CONFIG.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGESTS.layer, size: LAYER_SIZE }],
    annotations: { 'org.opencontainers.image.ref.name': name },
  })
}
