import { lstatSync, unlinkSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { fileKey } from './files.ts'

/** Deletes files, or only pretends to, and counts what that frees. */
export interface Deleter {
  readonly dryRun: boolean
  /** Bytes that are free afterwards: those of a file with several names when its last one goes. */
  freed(): number
  /** Deletes a file by its root-relative path; a symbolic link, not what it points to. False where it is gone already. */
  file(path: string): boolean
  /** Deletes a folder that is empty. False where it is not, or is gone. */
  emptyFolder(path: string): Promise<boolean>
}

export function createDeleter(root: string, dryRun: boolean): Deleter {
  const pretended = new Map<string, number>()
  let freed = 0
  return {
    dryRun,
    freed: () => freed,
    file(path) {
      const stats = lstatSync(join(root, path), { bigint: true, throwIfNoEntry: false })
      if (stats === undefined) return false
      let names = Number(stats.nlink)
      if (dryRun && names > 1) {
        const gone = (pretended.get(fileKey(stats)) ?? 0) + 1
        pretended.set(fileKey(stats), gone)
        names -= gone - 1
      }
      if (!dryRun && !unlinked(join(root, path))) return false
      if (names === 1) freed += Number(stats.size)
      return true
    },
    async emptyFolder(path) {
      if (dryRun) return false
      try {
        await rmdir(join(root, path))
        return true
      } catch (error) {
        if (['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
        throw fileError(error, 'remove', path)
      }
    },
  }
}

/** Whether a folder is there and a real one: nothing is deleted through a symbolic link. */
export function isRealFolder(root: string, path: string): boolean {
  return lstatSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() === true
}

function unlinked(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw fileError(error, 'remove', path)
  }
}
