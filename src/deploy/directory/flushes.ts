import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { ensureFolderInside, flushFolder } from '../../tree/files.ts'
import { forEach } from '../for-each.ts'

/** Folders whose entries may not survive a power loss yet. */
export interface Flushes {
  /** Makes the folder of a file that is to get a name there. */
  prepare(file: string): Promise<void>
  /** Everything named so far survives: before something becomes visible that needs it. */
  flush(): Promise<void>
}

const AT_ONCE = 8

/** Remembers the folders of one store. */
export function createFlushes(folder: string): Flushes {
  const dirty = new Set<string>()
  let last: Promise<void> = Promise.resolve()
  const run = async (): Promise<void> => {
    const folders = [...dirty]
    dirty.clear()
    try {
      await forEach(folders, AT_ONCE, flushFolder)
    } catch (error) {
      for (const each of folders) dirty.add(each)
      throw error
    }
  }
  return {
    async prepare(file) {
      // A new folder is an entry of the one above it.
      let above = dirname(file)
      for (; above !== folder && above !== dirname(above) && !existsSync(above); above = dirname(above))
        dirty.add(above)
      dirty.add(above)
      // Nothing is made behind a link that leads elsewhere.
      await ensureFolderInside(folder, above)
      await ensureFolderInside(folder, dirname(file))
    },
    async flush() {
      last = last.then(run, run)
      await last
    },
  }
}
