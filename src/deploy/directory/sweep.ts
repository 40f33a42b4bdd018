import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileError, systemCode } from '../../errors.ts'
import { incomingFolder } from '../../tree/layout.ts'

/** Milliseconds after which nobody is still at work on a temporary file. */
const OLD = 24 * 60 * 60 * 1000

/** Removes what writers that were killed long ago have left; gives the number of files. */
export function sweepFiles(folder: string, now: number): number {
  const place = join(folder, incomingFolder)
  try {
    const old = readdirSync(place).filter(name => {
      const stats = statSync(join(place, name), { throwIfNoEntry: false })
      // A link has the dates of the file it is a name of, but ctime tells when it was made.
      return stats?.isFile() === true && now - stats.ctimeMs > OLD
    })
    for (const name of old) rmSync(join(place, name), { force: true })
    return old.length
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return 0
    throw fileError(error, 'tidy', place)
  }
}
