import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { RegistrishError } from '../../errors.ts'
import type { SiteProgram } from './program.ts'

/** Where a program is looked for. */
export interface ProgramPlaces {
  /** The value of PATH. */
  readonly path: string | undefined
  /** Folders whose `node_modules/.bin`, and that of every folder above them, is looked into after PATH. */
  readonly folders: readonly string[]
}

/** The file of a program, as an absolute path. @throws RegistrishError `tool-missing`. */
export async function findProgram(
  { name, install }: Pick<SiteProgram, 'name' | 'install'>,
  { path = '', folders }: ProgramPlaces,
): Promise<string> {
  const places = [
    ...path.split(delimiter).filter(folder => folder !== ''),
    ...folders.flatMap(folder => [...upwards(resolve(folder))]).map(folder => join(folder, 'node_modules', '.bin')),
  ]
  for (const place of new Set(places)) {
    const file = resolve(place, name)
    if (await isProgram(file)) return file
  }
  throw new RegistrishError('tool-missing', `${name} is not installed: neither on the PATH nor in node_modules`, {
    hint: install,
  })
}

function* upwards(folder: string): Generator<string> {
  yield folder
  if (dirname(folder) !== folder) yield* upwards(dirname(folder))
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}
