import { createReadStream, fchmodSync, lstatSync } from 'node:fs'
import { type FileHandle, link, open, readFile, realpath, rm, stat } from 'node:fs/promises'
import { fileError, RegistrishError, throwIfAborted } from '../../errors.ts'
import { algorithmOf, createDigester, type Digest, digestOf } from '../../oci/digest.ts'
import { newTemporary } from '../../tree/files.ts'
import { hashFile } from '../../tree/hash-file.ts'
import type { NewObject, PutOptions } from '../store.ts'

interface StageOptions extends PutOptions {
  /** A file that may hold the same bytes, and never changes: a tag is another name of its manifest. */
  readonly twin?: string
}

/** Bytes of one read, and written bytes between two flushes, so that the end does not wait for the disk. */
const PIECE = 1024 * 1024
const FLUSH_SIZE = 32 * PIECE

/**
 * Brings the bytes of an object to a new name below `.registrish/`, whole, verified and flushed; gives that name (absolute).
 * @throws RegistrishError `size-mismatch`, `digest-mismatch` or `io` of side `source`; `no-space`, `io`.
 */
export async function stage(folder: string, object: NewObject, options: StageOptions): Promise<string> {
  const { signal } = options
  throwIfAborted(signal)
  const temporary = await newTemporary(folder).catch((error: unknown) => {
    throw fileError(error, 'write into', folder)
  })
  try {
    if ('bytes' in object.body) await writeBytes(temporary, object, object.body.bytes, options)
    else await takeFile(temporary, object, object.body.file, options)
    throwIfAborted(signal)
    return temporary
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeBytes(
  temporary: string,
  object: NewObject,
  bytes: Uint8Array,
  { onBytes, twin }: StageOptions,
): Promise<void> {
  checkSize(object, bytes.length)
  if (object.digest !== undefined) checkDigest(object, digestOf(bytes, algorithmOf(object.digest)))
  if (await isTwin(temporary, twin, bytes)) {
    onBytes?.(bytes.length)
    return
  }
  await write(temporary, async handle => {
    await handle.writeFile(bytes)
    onBytes?.(bytes.length)
  })
}

async function isTwin(temporary: string, twin: string | undefined, bytes: Uint8Array): Promise<boolean> {
  if (twin === undefined || lstatSync(twin, { throwIfNoEntry: false })?.isFile() !== true) return false
  if (!(await isLinked(twin, temporary))) return false
  if ((await readFile(temporary)).equals(bytes)) return true
  await rm(temporary)
  return false
}

/** What a digest names never changes, so that it may have a name in two trees; all else is copied. */
async function takeFile(temporary: string, object: NewObject, named: string, options: PutOptions): Promise<void> {
  const file = await reading(named, async () => {
    const stats = await stat(named)
    checkSize(object, stats.isFile() ? stats.size : Number.NaN)
    return { path: await realpath(named), isOpen: (stats.mode & 0o444) === 0o444 }
  })
  const { digest, size } = object
  if (digest === undefined || !file.isOpen || !(await isLinked(file.path, temporary))) {
    await copyFile(temporary, object, file.path, options)
    return
  }
  // The link holds the file, whatever is done to its other name meanwhile.
  const found = await reading(named, async () =>
    hashFile(temporary, { size, algorithm: algorithmOf(digest) }, hashOptions(options)),
  )
  checkDigest(object, found)
  checkSize(object, (await stat(temporary)).size)
}

async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch {
    // Another file system, one without links, or a file of another user's: it is copied, or the copy says why not.
    return false
  }
}

async function copyFile(temporary: string, object: NewObject, from: string, options: PutOptions): Promise<void> {
  const { digest, size } = object
  const { onBytes, signal } = options
  const digester = digest === undefined ? undefined : createDigester(algorithmOf(digest))
  let copied = 0
  await write(temporary, async handle => {
    let flushed = 0
    for await (const chunk of chunksOf(from)) {
      throwIfAborted(signal)
      copied += chunk.length
      if (copied > size) checkSize(object, copied)
      digester?.update(chunk)
      await handle.appendFile(chunk)
      onBytes?.(chunk.length)
      if (copied - flushed < FLUSH_SIZE) continue
      await handle.datasync()
      flushed = copied
    }
  })
  checkSize(object, copied)
  if (digester !== undefined) checkDigest(object, digester.digest())
}

async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: PIECE })) yield chunk as Uint8Array
  } catch (error) {
    throw fileError(error, 'read', file, 'source')
  }
}

/** Writes a new file, readable by all whatever the umask, and flushes it. */
async function write(path: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o644)
    try {
      await fill(handle)
      fchmodSync(handle.fd, 0o644)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}

async function reading<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw fileError(error, 'read', file, 'source')
  }
}

function hashOptions({ signal, onBytes }: PutOptions): Parameters<typeof hashFile>[2] {
  return { ...(signal === undefined ? {} : { signal }), ...(onBytes === undefined ? {} : { onBytes }) }
}

function checkSize({ key, size }: NewObject, found: number): void {
  if (found === size) return
  const actual = Number.isNaN(found) ? 'is no file' : `has ${found}`
  throw new RegistrishError('size-mismatch', `${key} should have ${size} bytes, but what is there ${actual}`, {
    side: 'source',
    hint: 'registrish verify --repair mends the tree',
  })
}

function checkDigest({ key, digest }: NewObject, found: Digest): void {
  if (found === digest) return
  throw new RegistrishError('digest-mismatch', `${key} has other bytes than ${digest}, those of ${found}`, {
    side: 'source',
    hint: 'registrish verify --repair mends the tree',
  })
}
