import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** All that a tree publishes, folders included, by path: what each file holds, byte for byte. Inodes and dates do not count. */
export async function publishedTree(root: string): Promise<Readonly<Record<string, string>>> {
  const top = join(root, 'v2')
  const entries = await readdir(top, { recursive: true, withFileTypes: true })
  const described = entries.map(async entry => {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(top.length + 1)
    if (entry.isDirectory()) return [`${name}/`, ''] as const
    if (entry.isSymbolicLink()) return [name, `-> ${await readlink(path)}`] as const
    return [name, await readFile(path, 'base64')] as const
  })
  return Object.fromEntries((await Promise.all(described)).sort(([a], [b]) => (a < b ? -1 : 1)))
}
