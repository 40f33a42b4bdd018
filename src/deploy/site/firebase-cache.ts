import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, systemCode } from '../../errors.ts'

/** Where firebase-tools remembers what it has hashed: below the folder of its configuration, and in older versions below the one it is run in. */
const FOLDERS = ['firebase/.firebase', '.firebase']

/**
 * Has firebase-tools hash manifests anew. It remembers the hash of a file by path and date, and a tag that moves is a link to another file at the same path, whose date
 * may be the same where a tree came out of an archive: the bytes before would be published under the new digest. Blobs stand at their digests and may stay.
 */
export async function forgetManifests(root: string): Promise<void> {
  for (const folder of FOLDERS) {
    for (const name of await list(join(root, folder))) {
      if (!/^hosting\..*\.cache$/.test(name)) continue
      const file = join(root, folder, name)
      try {
        const lines = (await readFile(file, 'utf8')).split('\n')
        await writeFile(file, lines.filter(line => !/\/manifests\//.test(line)).join('\n'))
      } catch (error) {
        throw fileError(error, 'mend', file)
      }
    }
  }
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
    throw fileError(error, 'list', folder)
  }
}
