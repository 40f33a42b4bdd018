import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { type Graph, withAllReferrers } from './made-images.ts'
import { packTar } from './tar.ts'

/** Files by path relative to the folder they are meant for. */
export type Files = ReadonlyMap<string, Uint8Array>

/**
 * The files of an OCI layout (image spec, image-layout.md) that holds images by tag, with their referrers, which stand in index.json without a tag.
 * A tag is written as `org.opencontainers.image.ref.name`; the tag '' writes none.
 */
export function layoutFiles(images: Readonly<Record<string, Graph>>): Files {
  const files = new Map<string, Uint8Array>()
  const entries: object[] = []
  for (const [tag, image] of Object.entries(images)) {
    for (const graph of withAllReferrers(image)) {
      for (const [digest, bytes] of [...graph.manifests, ...graph.blobs]) files.set(layoutPath(digest), bytes)
      const named = graph === image && tag !== ''
      const annotations = named ? { annotations: { 'org.opencontainers.image.ref.name': tag } } : {}
      entries.push({ ...graph.root, ...annotations })
    }
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries })
  files.set('index.json', new TextEncoder().encode(index))
  files.set('oci-layout', new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}'))
  return files
}

/** Writes an OCI layout to a folder, which is made where it is missing. */
export async function writeLayout(folder: string, images: Readonly<Record<string, Graph>>): Promise<void> {
  await writeFiles(folder, layoutFiles(images))
}

/** The bytes of an OCI layout in a tar archive, as `skopeo copy … oci-archive:` writes it. */
export async function packLayout(images: Readonly<Record<string, Graph>>): Promise<Uint8Array> {
  return packTar([...layoutFiles(images)].map(([name, content]) => ({ name, content })))
}

/**
 * The published files of a repository: manifests by tag and by digest, blobs, `tags/list`. Root-relative paths.
 * Referrers stand at their digests; documents other than `tags/list` are left to the tree.
 */
export function treeFiles(repository: string, images: Readonly<Record<string, Graph>>): Files {
  const files = new Map<string, Uint8Array>()
  const folder = `v2/${repository}`
  for (const [tag, image] of Object.entries(images)) {
    for (const { root, manifests, blobs } of withAllReferrers(image)) {
      for (const [digest, bytes] of manifests) {
        files.set(`${folder}/manifests/${digest}`, bytes)
        files.set(`${folder}/manifests/${digestOf(bytes)}`, bytes)
        if (root === image.root && digest === root.digest) files.set(`${folder}/manifests/${tag}`, bytes)
      }
      for (const [digest, bytes] of blobs) files.set(`${folder}/blobs/${digest}`, bytes)
    }
  }
  const list = JSON.stringify({ name: repository, tags: Object.keys(images).sort() })
  files.set(`${folder}/tags/list`, new TextEncoder().encode(list))
  return files
}

/** Writes a repository to a tree by plain file operations, as a person would: no links, no verification, no private folder. */
export async function writeTree(
  root: string,
  repository: string,
  images: Readonly<Record<string, Graph>>,
): Promise<void> {
  await writeFiles(root, treeFiles(repository, images))
}

/** Writes files below a folder. */
export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, bytes] of files) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, bytes)
  }
}

function layoutPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`
}
