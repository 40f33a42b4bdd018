import { type FileHandle, open, rm } from 'node:fs/promises'
import { fileError, RegistrishError } from '../errors.ts'
import { newTemporary } from '../tree/files.ts'

/** Keeps the bytes of manifests that are verified and not visible yet: a bounded number of them in memory, the rest on disk. */
export interface Shelf {
  /** @throws RegistrishError `no-space`, `io`. */
  keep(bytes: Uint8Array): Promise<Kept>
  /** Drops everything. */
  close(): Promise<void>
}

/** Bytes on a {@link Shelf}. */
interface Kept {
  readonly size: number
  read(): Promise<Uint8Array>
  /** They are not needed any more. */
  forget(): void
}

/** Bytes kept in memory: the manifests of thousands of ordinary images. */
const IN_MEMORY: number = 32 * 1024 * 1024

/**
 * Makes a {@link Shelf} of a tree. What memory does not hold goes into one file of the tree's private folder, whose name is removed at once: nothing
 * of it is left behind, also where the process is killed.
 */
export function createShelf(root: string, inMemory: number = IN_MEMORY): Shelf {
  let used = 0
  let end = 0
  let opening: Promise<FileHandle> | undefined

  return {
    async keep(bytes) {
      const size = bytes.length
      if (used + size > inMemory) return keepOnDisk(bytes)
      used += size
      let held: Uint8Array | undefined = bytes
      return {
        size,
        async read() {
          return held ?? forgotten()
        },
        forget() {
          if (held !== undefined) used -= size
          held = undefined
        },
      }
    },
    async close() {
      const file = await opening?.catch(() => undefined)
      opening = undefined
      await file?.close()
    },
  }

  async function keepOnDisk(bytes: Uint8Array): Promise<Kept> {
    opening ??= openNameless(root)
    const [position, size] = [end, bytes.length]
    end += size
    const file = await opening
    try {
      for (let done = 0; done < size; ) {
        done += (await file.write(bytes, done, size - done, position + done)).bytesWritten
      }
    } catch (error) {
      throw fileError(error, 'keep a manifest in', root)
    }
    return { size, read: () => readAt(file, position, size), forget: () => {} }
  }
}

async function openNameless(root: string): Promise<FileHandle> {
  try {
    const path = await newTemporary(root)
    const file = await open(path, 'wx+', 0o600)
    await rm(path, { force: true })
    return file
  } catch (error) {
    throw fileError(error, 'write into', root)
  }
}

async function readAt(file: FileHandle, position: number, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(size)
  for (let done = 0; done < size; ) {
    const { bytesRead } = await file.read(bytes, done, size - done, position + done)
    if (bytesRead === 0) return forgotten()
    done += bytesRead
  }
  return bytes
}

function forgotten(): never {
  throw new RegistrishError('io', 'a manifest that was to become visible is not kept any more', { side: 'target' })
}
