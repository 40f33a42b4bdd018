import type { FileHandle } from 'node:fs/promises'
import { abortedError, fileError, RegistrishError } from '../errors.ts'
import type { CallOptions, Content } from '../oci/source.ts'

/**
 * Where the bytes of a layout are: files by relative path with "/", in a folder or in a tar archive. Read-only.
 * Paths that lead out of the place, by themselves or through a link, are refused.
 */
export interface ByteStore {
  /** What it is, for messages: `oci:dir`. */
  readonly title: string
  /** Size in bytes of the file at `path`, or undefined where there is none. @throws RegistrishError `unsupported` for a path that leads out. */
  size(path: string): Promise<number | undefined>
  /** The bytes of the file at `path` from `offset` on; nothing is opened before the first chunk is asked for. */
  read(path: string, options: ReadOptions): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Which bytes are read: from `offset` (in bytes, default 0) to the end. */
export interface ReadOptions extends CallOptions {
  readonly offset?: number
}

/** The largest `index.json` or `manifest.json` that is read, in bytes: some hundred thousand images. */
export const LARGEST_DOCUMENT: number = 64 * 1024 * 1024

const CHUNK = 256 * 1024

/** Opens a file of a store as {@link Content}, or gives undefined where there is none. An offset beyond the end begins anew. */
export async function openContent(
  store: ByteStore,
  path: string,
  options: ReadOptions = {},
): Promise<Content | undefined> {
  throwIfAborted(options.signal)
  const size = await store.size(path)
  if (size === undefined) return undefined
  const { offset: wanted = 0, signal } = options
  const offset = wanted <= size ? wanted : 0
  return { offset, body: store.read(path, { offset, ...(signal === undefined ? {} : { signal }) }) }
}

/**
 * Reads a whole small file of a store; undefined where there is none.
 * @throws RegistrishError `limit` where it has more than `most` bytes.
 */
export async function readSmall(
  store: ByteStore,
  path: string,
  options: CallOptions & { readonly most: number },
): Promise<Uint8Array | undefined> {
  throwIfAborted(options.signal)
  const size = await store.size(path)
  if (size === undefined) return undefined
  if (size > options.most) {
    const message = `${path} in ${store.title} has ${size} bytes; ${options.most} at most are read`
    throw new RegistrishError('limit', message, { side: 'source' })
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read(path, options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads the bytes from `start` to before `end` of an open file, in chunks of their own memory. `path` is for messages. */
export async function* readRange(
  file: FileHandle,
  range: { readonly start: number; readonly end: number; readonly path: string },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = range.start
  while (position < range.end) {
    throwIfAborted(signal)
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, range.end - position))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position).catch((error: unknown) => {
      throw fileError(error, 'read', range.path, 'source')
    })
    if (bytesRead === 0) {
      throw new RegistrishError('io', `cannot read ${range.path}: it became shorter while it was read`, {
        side: 'source',
      })
    }
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

/** Throws the error of an interrupted call where `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal.reason)
}
