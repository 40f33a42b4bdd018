import { expect, test } from 'vitest'
import { parseRange, partialContent } from '../../src/serve/range.ts'

test.for([
  ['bytes=0-0', [{ offset: 0, length: 1 }]],
  ['bytes=2-', [{ offset: 2, length: 8 }]],
  ['bytes=-3', [{ offset: 7, length: 3 }]],
  ['bytes=-99', [{ offset: 0, length: 10 }]],
  ['bytes=8-99', [{ offset: 8, length: 2 }]],
  ['BYTES=0-1', [{ offset: 0, length: 2 }]],
  [
    'bytes= 4-5 ,, 0-1',
    [
      { offset: 4, length: 2 },
      { offset: 0, length: 2 },
    ],
  ],
  ['bytes=0-1,50-60', [{ offset: 0, length: 2 }]],
  ['bytes=10-', []],
  ['bytes=-0', []],
  ['bytes=10-12,99-', []],
  ['bytes=8-18446744073709551615', [{ offset: 8, length: 2 }]],
  [`bytes=-${'9'.repeat(40)}`, [{ offset: 0, length: 10 }]],
  [`bytes=${'9'.repeat(40)}-`, []],
] as const)('%s of ten bytes is %j', ([header, ranges]) => {
  expect(parseRange(header, 10)).toEqual(ranges)
})

test.for([
  'bytes=',
  'bytes=,',
  'bytes=-',
  'bytes=3-2',
  'bytes=a-b',
  'bytes=1',
  'bytes=0x1-2',
  'lines=1-2',
  'bytes 0-1',
  'bytes=1-2;3-4',
])('%s is ignored', header => {
  expect(parseRange(header, 10)).toBeUndefined()
})

test('ranges that together are longer than the body are ignored, so that nobody gets more than the blob for a request', () => {
  expect(parseRange('bytes=0-9,0-9', 10)).toBeUndefined()
  expect(parseRange('bytes=0-4,0-4', 10)).toHaveLength(2)
})

test('an empty body is sent whole, as every server of files does: clients that always ask for a range are not refused', () => {
  expect(parseRange('bytes=0-', 0)).toBeUndefined()
  expect(parseRange('bytes=-5', 0)).toBeUndefined()
})

test('a thousand ranges keep their order, since clients take the parts by position', () => {
  const offsets = Array.from({ length: 1024 }, (_, position) => (position * 617) % 4096)
  const ranges = parseRange(`bytes=${offsets.map(offset => `${offset}-${offset}`).join(',')}`, 4096)
  expect(ranges?.map(({ offset }) => offset)).toEqual(offsets)
})

test('Content-Length of a multipart answer is the sum of its segments', () => {
  const { headers, segments } = partialContent(
    [
      { offset: 0, length: 5 },
      { offset: 7, length: 2 },
    ],
    10,
    'application/octet-stream',
  )
  const text = segments.map(segment =>
    segment instanceof Uint8Array ? segment.toString() : '#'.repeat(segment.length),
  )
  expect(headers['Content-Length']).toBe(String(text.join('').length))
  const boundary = headers['Content-Type']?.split('boundary=')[1]
  expect(text.join('')).toBe(
    `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-4/10\r\n\r\n#####` +
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 7-8/10\r\n\r\n##\r\n--${boundary}--\r\n`,
  )
})
