import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { RegistrishError } from '../../errors.ts'
import { PUBLIC } from '../../tree/layout.ts'

/**
 * The folder that a registry is deployed into, as an absolute path. It may be absent, but not what it stands in: a misspelt path must not pass.
 * @throws RegistrishError `usage` where it is no folder, or the tree itself.
 */
export function parseDirectoryTarget(text: string, root: string): string {
  const folder = resolve(text)
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats?.isDirectory() === false)
    throw new RegistrishError('usage', `${text} is a file, not a folder`, { hint: 'give a folder with --dir' })
  if (stats === undefined && statSync(dirname(folder), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new RegistrishError('usage', `there is no folder ${dirname(folder)} for ${basename(folder)} to be made in`, {
      hint: 'check the path given with --dir',
    })
  const [target, tree] = [real(folder), real(resolve(root))]
  if (target !== tree && !isInside(target, join(tree, PUBLIC)) && !isInside(tree, join(target, PUBLIC))) return folder
  throw new RegistrishError('usage', `${text} is the registry of files that is to be deployed, or within it`, {
    hint: 'give another folder with --dir; to serve this one no deploy is needed',
  })
}

/** A path with its links resolved, as far as it is there. */
function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path === dirname(path) ? path : join(real(dirname(path)), basename(path))
  }
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`))
}
