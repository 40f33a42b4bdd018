import { randomUUID } from 'node:crypto'
import type { Segment } from './handler.ts'

/** A part of a body: first byte and number of bytes, at least one. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * Parses a Range header for a body of `size` bytes (RFC 9110 §14.2). Undefined: answer with the whole body, because the unit is another, the
 * syntax is wrong, the ranges together are longer than the body or too many to be meant well (RFC 9110 §17.15), or it is empty, of which no answer could
 * say a part. Empty: no range can be satisfied (416).
 * Ranges are kept apart and in the order asked for: clients that ask for many (containers/storage) take the parts by position.
 */
export function parseRange(header: string, size: number): readonly ByteRange[] | undefined {
  const set = UNIT.exec(header)?.[1]
  if (set === undefined || size === 0) return undefined
  const ranges: ByteRange[] = []
  let total = 0
  let specs = 0
  for (const spec of set.split(',')) {
    const text = spec.trim()
    if (text === '') continue
    const match = SPEC.exec(text)
    if (match === null) return undefined
    specs += 1
    if (specs > MOST_RANGES) return undefined
    const range = resolveSpec(match[1] ?? '', match[2] ?? '', size)
    if (range === 'invalid') return undefined
    if (range === undefined) continue
    ranges.push(range)
    total += range.length
  }
  return specs === 0 || total > size ? undefined : ranges
}

/** The headers and segments of a 206 answer with one range (Content-Range) or several (multipart/byteranges; RFC 9110 §14.6). */
export function partialContent(
  ranges: readonly ByteRange[],
  size: number,
  mediaType: string,
): { readonly headers: Readonly<Record<string, string>>; readonly segments: readonly Segment[] } {
  const [first] = ranges
  if (ranges.length === 1 && first !== undefined) {
    return {
      headers: { 'Content-Range': contentRange(first, size), 'Content-Length': String(first.length) },
      segments: [first],
    }
  }
  const boundary = randomUUID()
  const segments: Segment[] = []
  ranges.forEach((range, position) => {
    const start = position === 0 ? '' : '\r\n'
    const head = `Content-Type: ${mediaType}\r\nContent-Range: ${contentRange(range, size)}`
    segments.push(Buffer.from(`${start}--${boundary}\r\n${head}\r\n\r\n`), range)
  })
  segments.push(Buffer.from(`\r\n--${boundary}--\r\n`))
  const length = segments.reduce((sum, segment) => sum + segment.length, 0)
  return {
    headers: { 'Content-Type': `multipart/byteranges; boundary=${boundary}`, 'Content-Length': String(length) },
    segments,
  }
}

/** Twice what the greediest honest client asks for at once (containers/storage: 1,024); each costs a read and two writes. */
const MOST_RANGES = 2048
const UNIT = /^bytes=(.*)$/i
/** Numbers of any length (RFC 9110 §14.1.1): what is beyond a double's precision is beyond every file too. */
const SPEC = /^(\d*)-(\d*)$/

function resolveSpec(from: string, to: string, size: number): ByteRange | 'invalid' | undefined {
  if (from === '') {
    if (to === '') return 'invalid'
    const length = Math.min(Number(to), size)
    return length === 0 ? undefined : { offset: size - length, length }
  }
  const offset = Number(from)
  if (to !== '' && Number(to) < offset) return 'invalid'
  if (offset >= size) return undefined
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return { offset, length: last - offset + 1 }
}

function contentRange({ offset, length }: ByteRange, size: number): string {
  return `bytes ${offset}-${offset + length - 1}/${size}`
}
