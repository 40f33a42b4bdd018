import { createReadStream, fchmodSync, fstatSync, renameSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, createDigester, type Digester } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { ensureFolder, ensureFolderInside } from './files.ts'
import { blobPath, partialPath, partialsFolder, verifiedPath } from './layout.ts'
import { acquireNamedLock, blobLock } from './lock.ts'
import type { BlobWriter } from './tree.ts'

/** Bytes worth a write of their own; smaller chunks are joined. */
const WRITE_SIZE = 256 * 1024
/** Bytes of one read of what an earlier run has left. */
const READ_SIZE = 1024 * 1024
/** Written bytes between two flushes, so that the end does not wait for the disk. */
const FLUSH_SIZE = 32 * 1024 * 1024

/**
 * Opens a blob for writing into `.registrish/partial/`, after what an earlier run has left there; the digest is seeded from it.
 * A partial belongs to one process at a time: waits for another that is at it.
 */
export async function openBlobWriter(
  root: string,
  repository: string,
  descriptor: Descriptor,
  options: CallOptions & { readonly onVisible?: () => void } = {},
): Promise<BlobWriter> {
  const lock = await acquireNamedLock(root, blobLock(descriptor.digest), options)
  try {
    const path = join(root, partialPath(descriptor.digest))
    await ensureFolder(join(root, partialsFolder))
    const handle = await open(path, 'a+', 0o644)
    try {
      const writer = new PartialWriter({
        root,
        handle,
        path,
        descriptor,
        target: join(root, blobPath(repository, descriptor.digest)),
        aside: join(root, verifiedPath(descriptor.digest)),
        onVisible: options.onVisible ?? (() => {}),
        release: () => lock.release(),
      })
      await writer.seed()
      return writer
    } catch (error) {
      await handle.close()
      throw error
    }
  } catch (error) {
    await lock.release()
    throw fileError(error, 'write', partialPath(descriptor.digest))
  }
}

interface Partial {
  readonly root: string
  readonly handle: FileHandle
  readonly path: string
  readonly target: string
  /** Where it stands when it is verified and not visible. */
  readonly aside: string
  readonly descriptor: Descriptor
  readonly onVisible: () => void
  readonly release: () => Promise<void>
}

/** Owns the open partial file, its running digest and its lock. */
class PartialWriter implements BlobWriter {
  offset = 0
  readonly #partial: Partial
  #digester: Digester
  #joined: Uint8Array = new Uint8Array()
  #joinedBytes = 0
  #sinceFlush = 0
  #flushing: Promise<void> = Promise.resolve()
  #closed = false

  constructor(partial: Partial) {
    this.#partial = partial
    this.#digester = createDigester(algorithmOf(partial.descriptor.digest))
  }

  /** Hashes what is there; a part longer than the blob is worthless. */
  async seed(): Promise<void> {
    const { size } = fstatSync(this.#partial.handle.fd)
    if (size > this.#partial.descriptor.size) {
      await this.restart()
      return
    }
    if (size === 0) return
    for await (const chunk of createReadStream(this.#partial.path, { highWaterMark: READ_SIZE }))
      this.#digester.update(chunk)
    this.offset = size
  }

  async restart(): Promise<void> {
    this.#joinedBytes = 0
    await this.#partial.handle.truncate(0)
    this.#digester = createDigester(algorithmOf(this.#partial.descriptor.digest))
    this.offset = 0
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.offset += chunk.length
    if (this.#joinedBytes + chunk.length > WRITE_SIZE) await this.#drain()
    if (chunk.length < WRITE_SIZE) {
      this.#digester.update(chunk)
      this.#join(chunk)
      return
    }
    const writing = this.#append(chunk)
    // While it is written.
    this.#digester.update(chunk)
    await writing
  }

  async commit(): Promise<void> {
    await this.#finish(this.#partial.target)
    this.#partial.onVisible()
  }

  stage(): Promise<void> {
    return this.#finish(this.#partial.aside)
  }

  async #finish(target: string): Promise<void> {
    const { root, descriptor, path, handle } = this.#partial
    await this.#drain()
    await this.#flushing
    const digest = this.#digester.digest()
    if (this.offset !== descriptor.size || digest !== descriptor.digest) {
      const error = mismatch(descriptor, this.offset, digest)
      await this.restart()
      throw error
    }
    try {
      fchmodSync(handle.fd, 0o644)
      await handle.datasync()
      await ensureFolderInside(root, dirname(target))
      renameSync(path, target)
    } catch (error) {
      throw fileError(error, 'write', target)
    }
    await this.close()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.#drain()
      await this.#flushing
    } finally {
      await this.#end()
    }
  }

  /** Gives up the file and, whatever comes, the lock. */
  async #end(): Promise<void> {
    const { handle, path, release } = this.#partial
    try {
      await handle.close()
      if (this.offset === 0) await rm(path, { force: true })
    } finally {
      await release()
    }
  }

  #join(chunk: Uint8Array): void {
    if (this.#joined.length === 0) this.#joined = new Uint8Array(WRITE_SIZE)
    this.#joined.set(chunk, this.#joinedBytes)
    this.#joinedBytes += chunk.length
  }

  async #drain(): Promise<void> {
    const bytes = this.#joined.subarray(0, this.#joinedBytes)
    this.#joinedBytes = 0
    if (bytes.length > 0) await this.#append(bytes)
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#partial.handle.appendFile(bytes)
      this.#sinceFlush += bytes.length
      if (this.#sinceFlush < FLUSH_SIZE) return
      await this.#flushing
      this.#sinceFlush = 0
      this.#flushing = this.#partial.handle.datasync()
      this.#flushing.catch(() => {}) // reported by the next flush or by commit, which await it
    } catch (error) {
      throw fileError(error, 'write', this.#partial.target)
    }
  }
}

function mismatch({ digest, size }: Descriptor, received: number, found: string): RegistrishError {
  if (received !== size) {
    return new RegistrishError(
      'size-mismatch',
      `blob ${digest} should have ${size} bytes, but the source sent ${received}`,
      {
        side: 'source',
        hint: 'the source is damaged or something on the way changes its answers; nothing of it was kept',
      },
    )
  }
  return new RegistrishError('digest-mismatch', `blob ${digest} came with other bytes, those of ${found}`, {
    side: 'source',
    hint: 'the source is damaged or something on the way changes its answers; nothing of it was kept',
  })
}
