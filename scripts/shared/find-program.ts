import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The path of a program: PATH first, then `$GOBIN`, `~/go/bin` and the system folders that a user's PATH may lack; undefined where it is not here. */
export function findProgram(name: string): string | undefined {
  if (name.startsWith('/')) return isExecutable(name) ? name : undefined
  return searchFolders()
    .map(folder => join(folder, name))
    .find(isExecutable)
}

/** The folders that {@link findProgram} looks into, in order. */
export function searchFolders(): readonly string[] {
  const { PATH = '', GOBIN } = process.env
  const added = [GOBIN ?? '', join(homedir(), 'go/bin'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return [...PATH.split(delimiter), ...added].filter(folder => folder !== '')
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
