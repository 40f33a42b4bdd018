import { type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileError, systemCode } from '../errors.ts'
import { blobsFolder, manifestsFolder, PUBLIC, repositoryFolder } from './layout.ts'

/** Hops of one symbolic link that are followed, as many as Linux does. */
const MOST_HOPS = 40

/**
 * What symbolic links of a tree lead to, hop by hop: target → link, root-relative. In a tree made by hand a tag may be a link to another (`ln -s 1.0 latest`),
 * a blob one to another repository's, `blobs` one to another's folder: what is deleted would be missed there.
 */
export async function findLinkTargets(
  root: string,
  repositories: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const targets = new Map<string, string>()
  for (const repository of repositories) {
    await setImmediate()
    for (const folder of [repositoryFolder(repository), manifestsFolder(repository), blobsFolder(repository)]) {
      for (const entry of listFolder(join(root, folder))) {
        if (!entry.isSymbolicLink()) continue
        const link = `${folder}/${entry.name}`
        for (const hop of followHops(root, link)) targets.set(hop, link)
      }
    }
  }
  return targets
}

function* followHops(root: string, link: string): Generator<string> {
  try {
    const top = realpathSync(join(root, PUBLIC))
    let path = join(root, link)
    for (let hop = 0; hop < MOST_HOPS && lstatSync(path).isSymbolicLink(); hop += 1) {
      const target = resolve(dirname(path), readlinkSync(path))
      path = join(realpathSync(dirname(target)), basename(target))
      yield join(PUBLIC, relative(top, path))
    }
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) throw fileError(error, 'read', link)
  }
}

/** A folder that is a link itself counts as empty: what is behind it is the target's. */
function listFolder(folder: string): readonly Dirent[] {
  try {
    return lstatSync(folder).isDirectory() ? readdirSync(folder, { withFileTypes: true }) : []
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw fileError(error, 'list', folder)
  }
}
