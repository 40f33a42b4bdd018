import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeImage } from './made-images.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { writeTree } from './write-images.ts'

/** A tree of two repositories, `app` and `other`, with the same image. */
export async function makeTwins(): Promise<string> {
  const root = await makeTemporaryFolder()
  for (const name of ['app', 'other']) await writeTree(root, name, { latest: await makeImage() })
  return root
}

/** Root-relative paths of all files below a folder. */
export async function listFiles(root: string, folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name).slice(root.length + 1))
}
