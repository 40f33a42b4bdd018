import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError } from '../errors.ts'

/** A temporary folder that is made when it is first asked for. */
export interface Place {
  /** The folder. @throws RegistrishError `io`, `no-space`. */
  folder(): Promise<string>
  /** Folder with the certificate authority as skopeo wants it (`*.crt`, containers-certs.d(5)); undefined where none was named. */
  certificates(): Promise<string | undefined>
  /** Removes what was made. */
  remove(): Promise<void>
}

/** Creates a {@link Place} in `folder`, which is made where it is missing. */
export function createPlace(options: { readonly folder: string; readonly caFile?: string }): Place {
  const { folder: parent, caFile } = options
  let made: Promise<string> | undefined
  let copied: Promise<string> | undefined
  const folder = async (): Promise<string> => {
    made ??= makeFolder(parent)
    return made
  }
  return {
    folder,
    async certificates(): Promise<string | undefined> {
      if (caFile === undefined) return undefined
      copied ??= copyCertificate(caFile, join(await folder(), 'certificates'))
      return copied
    },
    async remove(): Promise<void> {
      // A folder that could not be made was reported to whoever asked for it.
      const path = await made?.catch(() => undefined)
      if (path !== undefined) await rm(path, { recursive: true, force: true })
    },
  }
}

async function makeFolder(parent: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true })
    return await mkdtemp(join(parent, 'skopeo-'))
  } catch (error) {
    throw fileError(error, 'make a temporary folder in', parent)
  }
}

async function copyCertificate(caFile: string, folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true })
    await copyFile(caFile, join(folder, 'ca.crt'))
    return folder
  } catch (error) {
    throw fileError(error, 'read', caFile, 'source')
  }
}
