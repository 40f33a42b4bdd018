import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import { fileError, RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import { throwIfAborted } from './byte-store.ts'
import {
  BLOCK,
  isHeaderOnly,
  malformed,
  parseLongName,
  parsePaxRecords,
  parseTarHeader,
  type TarHeader,
  type TarOverrides,
} from './tar-header.ts'

/** What an archive holds at a name: the place of a file's bytes, a link to another name, or something that cannot be read. */
export type TarMember =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  /** `target` is a normalised name, or undefined where the link leads out of the archive. */
  | { readonly kind: 'link'; readonly target: string | undefined }
  | { readonly kind: 'other' }

/** The largest pax header or long name that is read, in bytes. */
const LARGEST_EXTRA = 1024 * 1024

/**
 * Finds where each file of an uncompressed tar archive stands, reading headers only: ustar, GNU and pax, files and links. A later member of a name replaces an earlier one, as when unpacking.
 * @throws RegistrishError `bad-answer` where the archive is damaged or cut short.
 */
export async function indexTar(
  file: FileHandle,
  path: string,
  options: CallOptions = {},
): Promise<ReadonlyMap<string, TarMember>> {
  const { size: length } = await file.stat()
  const members = new Map<string, TarMember>()
  let overrides: TarOverrides = {}
  let position = 0
  while (position + BLOCK <= length) {
    throwIfAborted(options.signal)
    const header = parseTarHeader(await readAt(file, position, BLOCK, path))
    if (header === undefined) return members
    if (header.type === 'S') throw sparseFile(header.name)
    const size = isExtra(header.type) || isHeaderOnly(header.type) ? header.size : (overrides.size ?? header.size)
    const offset = position + BLOCK
    if (offset + size > length) throw malformed(`it ends inside ${quote(overrides.name ?? header.name)}`)
    if (isExtra(header.type)) {
      if (size > LARGEST_EXTRA) throw malformed('a name is longer than any name can be')
      overrides = { ...overrides, ...parseExtra(header.type, await readAt(file, offset, size, path)) }
    } else {
      const name = normaliseName(overrides.name ?? header.name)
      if (name !== undefined) members.set(name, memberOf(header, { ...overrides, size }, { name, offset }))
      overrides = {}
    }
    position = offset + Math.ceil(size / BLOCK) * BLOCK
  }
  if (members.size === 0 || position < length) throw malformed('it is not a tar archive, or its end is missing')
  return members
}

/** A name without `.`, `..` and empty parts; undefined where it leads out. */
export function normaliseName(name: string): string | undefined {
  const normal = posix.normalize(name).replace(/^\/+|\/+$/g, '')
  return normal === '..' || normal.startsWith('../') ? undefined : normal
}

function isExtra(type: string): boolean {
  return ['x', 'g', 'L', 'K'].includes(type)
}

/** What a header that only says more about the next one says; global pax headers carry comments in practice and are passed over. */
function parseExtra(type: string, bytes: Buffer): TarOverrides {
  if (type === 'x') return parsePaxRecords(bytes)
  if (type === 'L') return { name: parseLongName(bytes) }
  return type === 'K' ? { linkname: parseLongName(bytes) } : {}
}

function memberOf(
  header: TarHeader,
  { linkname = header.linkname, size = header.size, sparse = false }: TarOverrides,
  { name, offset }: { readonly name: string; readonly offset: number },
): TarMember {
  if (header.type === '1') return { kind: 'link', target: normaliseName(linkname) }
  if (header.type === '2') return { kind: 'link', target: followFrom(name, linkname) }
  return (header.type === '0' || header.type === '7') && !sparse ? { kind: 'file', offset, size } : { kind: 'other' }
}

/** Where a symbolic link leads: relative to the folder it stands in; undefined where that is outside. */
function followFrom(name: string, target: string): string | undefined {
  return target.startsWith('/') ? undefined : normaliseName(posix.join(posix.dirname(name), target))
}

function sparseFile(name: string): RegistrishError {
  return new RegistrishError('unsupported', `the archive holds a sparse file, ${quote(name)}`, {
    hint: 'pack it again without --sparse',
    side: 'source',
  })
}

async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file
      .read(buffer, filled, length - filled, position + filled)
      .catch((error: unknown) => {
        throw fileError(error, 'read', path, 'source')
      })
    if (bytesRead === 0) throw malformed('its end is missing')
    filled += bytesRead
  }
  return buffer
}
