import {
  chmodSync,
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { EmitOptions, EmittedFile, Emitter } from './emitter.ts'
import { formatMarker, isInUse, isOurs, readFirstLine } from './marker.ts'

/** Refuses to go on where one of the files is someone's own: it is there and its first line is not ours. @throws RegistrishError `conflict`. */
export async function refuseForeign(root: string, emitter: Emitter, files: readonly EmittedFile[]): Promise<void> {
  const inUse = isInUse(root, emitter)
  for (const { path, chunks, bare } of files) {
    const line = readFirstLine(join(root, path))
    if (line === undefined || isOurs(emitter, line)) continue
    if (bare === true && (inUse || holds(join(root, path), Buffer.from(await textOf(chunks))))) continue
    throw new RegistrishError('conflict', `${path} was not written by registrish: it is left as it is`, {
      hint: `move it away and run registrish emit --host ${emitter.name} again`,
      side: 'target',
    })
  }
}

/** Writes a host's files, each with our first line, where they differ from what is there; returns the paths that changed. A reader sees a file whole or not at all. */
export async function writeFiles(
  root: string,
  emitter: Emitter,
  { files, options }: { readonly files: readonly EmittedFile[]; readonly options: EmitOptions },
): Promise<readonly string[]> {
  const first = `${formatMarker(emitter, options)}\n`
  const changed: string[] = []
  for (const { path, chunks, bare } of files) {
    if (await replaceFile(join(root, path), withFirst(bare === true ? '' : first, chunks))) changed.push(path)
  }
  return changed
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

/** Whether a file's name is one that {@link temporaryBeside} gives: left there by a kill. */
export function isTemporary(name: string): boolean {
  return /^\.[0-9]+\..*~$/s.test(name)
}

async function* withFirst(first: string, chunks: EmittedFile['chunks']): AsyncGenerator<string> {
  yield first
  yield* chunks
}

async function textOf(chunks: EmittedFile['chunks']): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}

/** Text goes to disk in pieces, so that a file of any length takes little memory; false where the same bytes are there already. */
async function replaceFile(path: string, chunks: AsyncIterable<string>): Promise<boolean> {
  const temporary = temporaryBeside(path)
  let written: number | undefined
  try {
    for await (const piece of inPieces(chunks)) {
      if (piece.last && written === undefined && holds(path, piece.bytes)) return false
      if (written === undefined) {
        ensureFolder(dirname(path))
        written = openSync(temporary, 'w', 0o644)
      }
      writeWhole(written, piece.bytes)
    }
    if (written === undefined) throw new TypeError(`${path} has no text`)
    fdatasyncSync(written)
    if (isSameFile(temporary, path)) return false
    chmodSync(temporary, 0o644)
    renameSync(temporary, path)
    return true
  } catch (error) {
    throw fileError(error, 'write', path)
  } finally {
    if (written !== undefined) {
      closeSync(written)
      rmSync(temporary, { force: true })
    }
  }
}

/** Chunks joined to pieces of about a megabyte, the last one marked. */
async function* inPieces(
  chunks: AsyncIterable<string>,
): AsyncGenerator<{ readonly bytes: Buffer; readonly last: boolean }> {
  let text: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    text.push(chunk)
    length += chunk.length
    if (length < PIECE) continue
    yield { bytes: Buffer.from(text.join('')), last: false }
    text = []
    length = 0
  }
  yield { bytes: Buffer.from(text.join('')), last: true }
}

function writeWhole(file: number, bytes: Buffer): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset)
}

/** Whether two files hold the same bytes; false where the second is absent. */
function isSameFile(one: string, two: string): boolean {
  const sizes = [one, two].map(path => statSync(path, { throwIfNoEntry: false })?.size)
  if (sizes[0] !== sizes[1]) return false
  const files = [openSync(one, 'r'), openSync(two, 'r')] as const
  try {
    const buffers = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)] as const
    for (;;) {
      const length = readSync(files[0], buffers[0])
      if (readSync(files[1], buffers[1]) !== length) return false
      if (length === 0) return true
      if (buffers[0].compare(buffers[1], 0, length, 0, length) !== 0) return false
    }
  } finally {
    files.forEach(closeSync)
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

/** Bytes, about: what is written, read or compared at once. */
const PIECE = 1_048_576
