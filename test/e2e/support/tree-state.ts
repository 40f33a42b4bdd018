import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect } from 'vitest'
import { done } from './registrish.ts'

/** Every file below a folder but those that are nobody's business: path → sha-256 of what it holds, or where a symbolic link leads. */
export async function stateOf(root: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const state: Record<string, string> = {}
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(root.length + 1)
    if (entry.isDirectory() || name.startsWith('.registrish')) continue
    state[name] = entry.isSymbolicLink() ? `→ ${await readlink(path)}` : await digestFile(path)
  }
  return state
}

/** `registrish verify` finds nothing wrong, and all that bears a digest's name is that. */
export async function expectClean(root: string): Promise<void> {
  const { stdout } = await done(['verify', '--root', root, '--output', 'json'])
  expect((JSON.parse(stdout) as { readonly problems: unknown }).problems).toEqual([])
}

async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
