import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { abortedError, fileError, RegistrishError, systemCode } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'

/** First bytes of compressions that Node 20 cannot undo, and the command that can. */
const OTHERS: readonly { readonly name: string; readonly magic: readonly number[]; readonly undo: string }[] = [
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], undo: 'zstd -d' },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], undo: 'xz -dk' },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], undo: 'bzip2 -dk' },
]

/** Refuses a file whose first bytes are those of zstd, xz or bzip2. @throws RegistrishError `unsupported`. */
export function refuseOtherCompression(magic: Uint8Array, path: string): void {
  const other = OTHERS.find(candidate => candidate.magic.every((byte, at) => magic[at] === byte))
  if (other === undefined) return
  throw new RegistrishError('unsupported', `${path} is compressed with ${other.name}, which registrish does not read`, {
    hint: `decompress it first: ${other.undo} ${path}`,
    side: 'source',
  })
}

/**
 * Decompresses a gzip file into a temporary file that is gone when it is closed: its name is removed at once, also where the process is killed later.
 * @throws RegistrishError `bad-answer` where the file is damaged; `no-space`, `io`, `aborted`.
 */
export async function decompressToTemporary(
  path: string,
  options: CallOptions & { readonly temporary?: string },
): Promise<FileHandle> {
  const parent = options.temporary ?? tmpdir()
  const folder = await makeFolder(parent)
  try {
    const file = await open(join(folder, 'archive.tar'), 'wx+', 0o600)
    try {
      await gunzipInto(file, path, options.signal)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    throw fileError(error, 'decompress into', folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeFolder(parent: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true })
    return await mkdtemp(join(parent, 'archive-'))
  } catch (error) {
    throw fileError(error, 'make a temporary folder in', parent)
  }
}

async function gunzipInto(file: FileHandle, path: string, signal: AbortSignal | undefined): Promise<void> {
  const write = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) await file.appendFile(chunk)
  }
  const options = signal === undefined ? {} : { signal }
  try {
    await pipeline(createReadStream(path), createGunzip(), write, options)
  } catch (error) {
    if (signal?.aborted === true) throw abortedError(error)
    if (!(systemCode(error) ?? '').startsWith('Z_')) throw error
    const message = `${path} is damaged: its compressed data is broken or cut short`
    const hint = 'save or copy the archive again'
    throw new RegistrishError('bad-answer', message, { hint, side: 'source', cause: error })
  }
}
