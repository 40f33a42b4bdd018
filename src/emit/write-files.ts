import {
  chmodSync,
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { EmitOptions, EmittedFile, Emitter } from './emitter.ts'
import { formatMarker, isOurs, readFirstLine } from './marker.ts'

/** Refuses to go on where one of the files is someone's own: it is there and its first line is not ours. @throws RegistrishError `conflict`. */
export function refuseForeign(root: string, emitter: Emitter, paths: readonly string[]): void {
  for (const path of paths) {
    const line = readFirstLine(join(root, path))
    if (line === undefined || isOurs(emitter, line)) continue
    throw new RegistrishError('conflict', `${path} was not written by registrish: it is left as it is`, {
      hint: `move it away and run registrish emit --host ${emitter.name} again`,
      side: 'target',
    })
  }
}

/** Writes a host's files, each with our first line, where they differ from what is there; returns the paths that changed. A reader sees a file whole or not at all. */
export function writeFiles(
  root: string,
  emitter: Emitter,
  { files, options }: { readonly files: readonly EmittedFile[]; readonly options: EmitOptions },
): readonly string[] {
  const first = `${formatMarker(emitter, options)}\n`
  return files.filter(({ path, chunks }) => replaceFile(join(root, path), [first, ...chunks])).map(({ path }) => path)
}

/** Makes a folder and its parents, readable by all whatever the umask, and opens one that is there (git makes it under a tight umask): the web server is another user. */
export function ensureFolder(path: string): void {
  const made = mkdirSync(path, { recursive: true })
  if (made === undefined) {
    const { mode } = statSync(path)
    if ((mode & 0o755) !== 0o755) chmodSync(path, mode | 0o755)
    return
  }
  for (let folder = path; folder.length >= made.length; folder = dirname(folder)) chmodSync(folder, 0o755)
}

/** A name beside `path` for what will be renamed to it: hidden, so that no server takes it for something. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${process.pid}.${basename(path).slice(0, 64)}~`)
}

function replaceFile(path: string, chunks: readonly string[]): boolean {
  try {
    const bytes = Buffer.from(chunks.join(''))
    if (holds(path, bytes)) return false
    ensureFolder(dirname(path))
    const temporary = temporaryBeside(path)
    try {
      const file = openSync(temporary, 'w', 0o644)
      try {
        for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset)
        fdatasyncSync(file)
      } finally {
        closeSync(file)
      }
      chmodSync(temporary, 0o644)
      renameSync(temporary, path)
    } finally {
      rmSync(temporary, { force: true })
    }
    return true
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}

function holds(path: string, bytes: Buffer): boolean {
  try {
    return readFileSync(path).equals(bytes)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false
    throw error
  }
}
