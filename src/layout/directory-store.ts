import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import { type ByteStore, type ReadOptions, readRange } from './byte-store.ts'

/**
 * Opens a folder as a {@link ByteStore}. Links are followed inside the folder only.
 * @throws RegistrishError `not-found` where there is no such folder.
 */
export async function openDirectoryStore(directory: string, title: string): Promise<ByteStore> {
  const root = await realpath(directory).catch((error: unknown) => {
    throw missing(error, directory, title)
  })
  if (!(await stat(root)).isDirectory()) {
    throw new RegistrishError('not-found', `${title}: ${directory} is a file, not a folder`, {
      hint: 'for an archive write oci-archive:FILE or docker-archive:FILE',
      side: 'source',
    })
  }
  return {
    title,
    async size(path: string): Promise<number | undefined> {
      const file = await locate(root, path, title)
      return file?.size
    },
    read: (path: string, options: ReadOptions): AsyncIterable<Uint8Array> =>
      readFile(root, path, { ...options, title }),
    async close(): Promise<void> {},
  }
}

interface Located {
  readonly path: string
  readonly size: number
}

/** The real path of a regular file inside the folder; undefined where there is none. */
async function locate(root: string, path: string, title: string): Promise<Located | undefined> {
  const named = join(root, path)
  const real = await realpath(named).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined
    throw fileError(error, 'read', named, 'source')
  })
  if (real === undefined) return undefined
  if (!isInside(root, real)) {
    throw new RegistrishError('unsupported', `${title}: ${path} is a link that leads out of the layout`, {
      hint: 'copy the layout with its links followed (cp -rL) and use the copy',
      side: 'source',
    })
  }
  const found = await stat(real).catch((error: unknown) => {
    throw fileError(error, 'read', named, 'source')
  })
  if (found.isFile()) return { path: real, size: found.size }
  throw new RegistrishError('unsupported', `${title}: ${path} is not a file`, { side: 'source' })
}

async function* readFile(
  root: string,
  path: string,
  options: ReadOptions & { readonly title: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  const located = await locate(root, path, options.title)
  if (located === undefined) {
    throw new RegistrishError('not-found', `${options.title} has no ${path}`, { side: 'source' })
  }
  const file: FileHandle = await open(located.path).catch((error: unknown) => {
    throw fileError(error, 'open', located.path, 'source')
  })
  try {
    yield* readRange(file, { start: options.offset ?? 0, end: located.size, path: located.path }, options.signal)
  } finally {
    await file.close()
  }
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

function missing(error: unknown, directory: string, title: string): RegistrishError {
  if (systemCode(error) !== 'ENOENT') return fileError(error, 'open', directory, 'source')
  return new RegistrishError('not-found', `${title}: there is no folder ${directory}`, { side: 'source', cause: error })
}
