import { statSync } from 'node:fs'
import { join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { PUBLIC } from '../tree/layout.ts'
import { textOr } from './arguments.ts'
import type { Arguments } from './command.ts'

/**
 * The folder that --root names. A command that only looks at a tree does not take one that is not there for an empty one: a misspelt path must not pass.
 * @throws RegistrishError `usage` where it, or v2 in it, is not a folder, or with `mustExist` where it is not there.
 */
export function rootOf(args: Arguments, { mustExist }: { readonly mustExist: boolean }): string {
  const root = textOr(args, 'root', '.')
  const kind = kindOf(root)
  if (kind === 'nothing' && mustExist) {
    throw new RegistrishError('usage', `there is no folder ${root}`, { hint: 'check the path given with --root' })
  }
  const file = kind === 'file' ? root : kindOf(join(root, PUBLIC)) === 'file' ? join(root, PUBLIC) : undefined
  if (file === undefined) return root
  throw new RegistrishError('usage', `${file} is a file, not a folder`, {
    hint: '--root takes the folder that holds v2/',
  })
}

/** What cannot be looked at is left to the command, which says why. */
function kindOf(path: string): 'folder' | 'file' | 'nothing' | 'unknown' {
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return 'nothing'
    return stats.isDirectory() ? 'folder' : 'file'
  } catch {
    return 'unknown'
  }
}
