import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { flushFolder } from '../tree/files.ts'
import type { FarmPlace } from './write-links.ts'

/** Flushes the folders that hold a host's links of some repositories, so that no loss of power takes away what was made there, or brings back what went. */
export async function flushLinks({ root, farm }: FarmPlace, repositories: Iterable<string>): Promise<void> {
  const folders = new Set<string>()
  for (const repository of repositories) {
    for (const folder of foldersIn(root, farm.folderOf(repository))) folders.add(folder)
    for (let path = farm.folderOf(repository); path.startsWith(farm.folder); path = dirname(path)) folders.add(path)
  }
  for (const folder of folders) await flushFolder(join(root, folder))
}

/** All folders below one. */
function* foldersIn(root: string, folder: string): Generator<string> {
  for (const name of listFolders(join(root, folder))) {
    yield `${folder}/${name}`
    yield* foldersIn(root, `${folder}/${name}`)
  }
}

function listFolders(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', path)
  }
}
