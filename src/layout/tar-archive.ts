import { type FileHandle, open } from 'node:fs/promises'
import { fileError, isRegistrishError, RegistrishError, systemCode } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { type ByteStore, type ReadOptions, readRange } from './byte-store.ts'
import { decompressToTemporary, refuseOtherCompression } from './decompress.ts'
import { indexTar, normaliseName, type TarMember } from './tar-index.ts'

/** How an archive is opened. */
export interface ArchiveOptions extends CallOptions {
  /** Folder for the temporary file that a gzip-compressed archive is unpacked into. Default: the system's. */
  readonly temporary?: string
}

/** Links between members that are followed at most, against circles. */
const MOST_LINKS = 16

/**
 * Opens a tar archive as a {@link ByteStore}: headers are read once, bytes are read where they stand. A gzip-compressed archive is decompressed once, into a temporary file.
 * @throws RegistrishError `not-found`, `bad-answer` for a damaged archive, `unsupported` for other compressions.
 */
export async function openTarArchive(path: string, title: string, options: ArchiveOptions = {}): Promise<ByteStore> {
  const opened = await openFile(path, title)
  const file = await withoutLeak(opened, async () => plainTar(opened, path, options))
  const members = await withoutLeak(file, async () => indexTar(file, path, options)).catch((error: unknown) => {
    if (!isRegistrishError(error, 'bad-answer', 'unsupported')) throw error
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new RegistrishError(error.code, `${title}: ${error.message}`, { ...hint, side: 'source', cause: error })
  })
  return {
    title,
    async size(name: string): Promise<number | undefined> {
      return find(members, name, title)?.size
    },
    read: (name: string, readOptions: ReadOptions): AsyncIterable<Uint8Array> => {
      const found = find(members, name, title)
      if (found === undefined) {
        throw new RegistrishError('not-found', `${title} has no ${quote(name)}`, { side: 'source' })
      }
      const { offset, size } = found
      const range = { start: offset + (readOptions.offset ?? 0), end: offset + size, path }
      return readRange(file, range, readOptions.signal)
    },
    async close(): Promise<void> {
      await file.close()
    },
  }
}

/** The file to read tar blocks from: the archive itself, or a temporary file with its decompressed bytes. */
async function plainTar(archive: FileHandle, path: string, options: ArchiveOptions): Promise<FileHandle> {
  const { buffer, bytesRead } = await archive.read(Buffer.alloc(6), 0, 6, 0)
  const magic = buffer.subarray(0, bytesRead)
  refuseOtherCompression(magic, path)
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return archive
  const file = await decompressToTemporary(path, options)
  await archive.close()
  return file
}

async function openFile(path: string, title: string): Promise<FileHandle> {
  const file = await open(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw fileError(error, 'open', path, 'source')
    throw new RegistrishError('not-found', `${title}: there is no file ${path}`, { side: 'source', cause: error })
  })
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new RegistrishError('not-found', `${title}: ${path} is not a file`, {
    hint: 'for a folder write oci:DIR',
    side: 'source',
  })
}

/** The file that a name stands for, links followed; undefined where there is none. */
function find(
  members: ReadonlyMap<string, TarMember>,
  name: string,
  title: string,
): { readonly offset: number; readonly size: number } | undefined {
  let path = normaliseName(name)
  for (let links = 0; links <= MOST_LINKS; links++) {
    if (path === undefined) {
      throw new RegistrishError('unsupported', `${title}: ${quote(name)} leads out of the archive`, {
        side: 'source',
      })
    }
    const member = members.get(path)
    if (member === undefined || member.kind === 'file') return member
    if (member.kind === 'other') {
      throw new RegistrishError('unsupported', `${title}: ${quote(name)} is not a file`, { side: 'source' })
    }
    path = member.target
  }
  throw new RegistrishError('bad-answer', `${title}: ${quote(name)} is a circle of links`, { side: 'source' })
}

/** Closes `file` where `use` fails. */
async function withoutLeak<T>(file: FileHandle, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    await file.close()
    throw error
  }
}
