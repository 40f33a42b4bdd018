import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf } from '../../../src/oci/digest.ts'
import { type Graph, rootBytes } from '../../support/made-images.ts'

/*
 * Trees made by plain file operations, as a person, `cp -a` or an S3 sync would make them: no links, no documents, no private folder.
 */

/** Writes the manifests of graphs at their digests (and sha256 ones), and each root at its tag; `tag: ''` writes none. */
export async function writeManifests(
  root: string,
  repository: string,
  ...graphs: readonly (readonly [tag: string, graph: Graph])[]
): Promise<void> {
  for (const [tag, graph] of graphs) {
    for (const [digest, bytes] of graph.manifests) {
      await write(root, `v2/${repository}/manifests/${digest}`, bytes)
      await write(root, `v2/${repository}/manifests/${digestOf(bytes)}`, bytes)
    }
    if (tag !== '') await write(root, `v2/${repository}/manifests/${tag}`, rootBytes(graph))
  }
}

/** Writes one file below a root, and the folders above it. */
export async function write(root: string, path: string, content: Uint8Array | string): Promise<string> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await rm(file, { force: true })
  await writeFile(file, content)
  return file
}

/** Reads a JSON document of a tree. */
export async function readJson(root: string, path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(root, path), 'utf8'))
}

/** Path, inode, date and size of every file below v2/, sorted: equal lists mean that nothing was written. */
export async function statesOf(root: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, 'v2'), { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Promise.all(
    files.sort().map(async file => {
      const { ino, mtimeNs, ctimeNs, size } = await stat(file, { bigint: true })
      return `${file.slice(root.length)} ${ino} ${mtimeNs} ${ctimeNs} ${size}`
    }),
  )
}
