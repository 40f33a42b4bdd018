import { RegistrishError } from '../errors.ts'

/** The block size of tar archives, in bytes. */
export const BLOCK = 512

/** What one header block says (POSIX ustar, with GNU's and pax' ways of saying more, which are blocks of their own). */
export interface TarHeader {
  readonly name: string
  /** The type flag: `0` file, `1` hard link, `2` symbolic link, `5` folder, `x` and `g` pax records, `L` and `K` GNU long names, `S` GNU sparse file. */
  readonly type: string
  /** Bytes of data that follow the header. */
  readonly size: number
  readonly linkname: string
}

/** Overrides for the next header, from pax records or GNU long names. */
export interface TarOverrides {
  readonly name?: string
  readonly linkname?: string
  readonly size?: number
  /** A file with holes: its data is not what its name says. */
  readonly sparse?: boolean
}

/** Type flags whose header has no data whatever its size says. */
const WITHOUT_DATA = new Set(['1', '2', '3', '4', '5', '6'])

/**
 * Parses one header block; undefined for a block of zeros, which ends the archive.
 * @throws RegistrishError `bad-answer` where the block is no header.
 */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (block.every(byte => byte === 0)) return undefined
  const stated = parseNumber(block.subarray(148, 156))
  if (stated !== sumOf(block)) throw malformed('a header has a wrong checksum')
  const type = block.subarray(156, 157).toString('latin1').replace('\0', '0')
  const ustar = block.subarray(257, 263).toString('latin1') === 'ustar\0'
  const prefix = ustar ? text(block.subarray(345, 500)) : ''
  const name = text(block.subarray(0, 100))
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type,
    size: WITHOUT_DATA.has(type) ? 0 : parseNumber(block.subarray(124, 136)),
    linkname: text(block.subarray(157, 257)),
  }
}

/**
 * Parses pax records, `LENGTH KEY=VALUE\n` each (POSIX pax, "pax Extended Header").
 * @throws RegistrishError `bad-answer`.
 */
export function parsePaxRecords(bytes: Buffer): TarOverrides {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const space = bytes.indexOf(0x20, at)
    const length = Number.parseInt(bytes.subarray(at, space).toString('latin1'), 10)
    // The length counts its own digits, the space and the newline.
    if (space < at || !(at + length > space + 1 && at + length <= bytes.length))
      throw malformed('a pax record is broken')
    const record = bytes.subarray(space + 1, at + length - 1).toString('utf8')
    const equals = record.indexOf('=')
    if (equals < 1) throw malformed('a pax record has no key')
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += length
  }
  return paxOverrides(records)
}

/** Whether a header of this type has no data after it, whatever its size says: links, devices, folders. */
export function isHeaderOnly(type: string): boolean {
  return WITHOUT_DATA.has(type)
}

/** The text of a GNU long name. */
export function parseLongName(bytes: Buffer): string {
  return text(bytes)
}

/** The error for an archive that is not what tar writes. */
export function malformed(reason: string): RegistrishError {
  return new RegistrishError('bad-answer', `the archive is damaged: ${reason}`, {
    hint: 'save or copy the archive again',
    side: 'source',
  })
}

function paxOverrides(records: ReadonlyMap<string, string>): TarOverrides {
  const [name, linkname, size] = [records.get('path'), records.get('linkpath'), records.get('size')]
  const bytes = size === undefined ? undefined : Number(size)
  if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= 0)) throw malformed('a size is not a number')
  const sparse = [...records.keys()].some(key => key.startsWith('GNU.sparse.'))
  return {
    ...(name === undefined ? {} : { name }),
    ...(linkname === undefined ? {} : { linkname }),
    ...(bytes === undefined ? {} : { size: bytes }),
    ...(sparse ? { sparse } : {}),
  }
}

/** Text up to the first zero byte. */
function text(field: Buffer): string {
  const end = field.indexOf(0)
  return field.subarray(0, end < 0 ? field.length : end).toString('utf8')
}

/** An octal number, or with the highest bit set GNU's big-endian binary one. */
function parseNumber(field: Buffer): number {
  const first = field[0] ?? 0
  let value: number
  if (first >= 0x80) {
    if (first !== 0x80) throw malformed('a size is negative or beyond reason')
    value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
  } else {
    const digits = text(field).trim()
    if (!/^[0-7]*$/.test(digits)) throw malformed('a number is not octal')
    value = digits === '' ? 0 : Number.parseInt(digits, 8)
  }
  if (!Number.isSafeInteger(value)) throw malformed('a size is beyond reason')
  return value
}

/** The sum of all bytes with the checksum's own field read as spaces. */
function sumOf(block: Buffer): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0)
}
