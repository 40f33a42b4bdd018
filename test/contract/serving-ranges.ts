import { describe, expect, test } from 'vitest'
import type { RawAnswer } from './raw-request.ts'
import { expectWhole, GREEDY, type ServingContext } from './serving-expectations.ts'

const OCTETS = 'application/octet-stream'

/** Blobs: whole, in ranges, never encoded. */
export function rangeContract(context: () => ServingContext): void {
  const text = (): { readonly path: string; readonly bytes: Buffer; readonly etag: string } => {
    const { digest, bytes } = context().tree.text
    return { path: `/v2/app/blobs/${digest}`, bytes, etag: `"${digest}"` }
  }

  describe('blobs', () => {
    test('every blob is served whole, the empty one and the one named by sha512 too', async () => {
      for (const { repository, digest, bytes } of context().tree.blobs)
        await expectWhole(context(), `/v2/${repository}/blobs/${digest}`, {
          bytes,
          mediaType: OCTETS,
          digest,
          cache: 'immutable',
        })
    })

    test('a colon may come as %3A, and a query changes nothing', async () => {
      const { digest, bytes } = context().tree.text
      for (const path of [digest.replace(':', '%3A'), `${digest}?ns=docker.io`])
        await expectWhole(context(), `/v2/app/blobs/${path}`, { bytes, mediaType: OCTETS, digest, cache: 'immutable' })
    })

    test('ranges are offered', async () => {
      expect((await context().get(text().path)).header('accept-ranges')).toBe('bytes')
    })

    test.for([
      ['bytes=0-0', 0, 1],
      ['bytes=100-199', 100, 200],
      ['bytes=128900-', 128_900, 129_000],
      ['bytes=-50', 128_950, 129_000],
      ['bytes=128990-999999', 128_990, 129_000],
    ] as const)('%s gives 206 and those bytes, not encoded', async ([Range, first, end]) => {
      const { path, bytes, etag } = text()
      expect(bytes.length).toBe(129_000)
      const answer = await context().get(path, { ...GREEDY, Range })
      expect(answer.status).toBe(206)
      expect(answer.header('content-range')).toBe(`bytes ${first}-${end - 1}/129000`)
      expect(answer.header('content-length')).toBe(String(end - first))
      expect(answer.header('content-encoding')).toBeUndefined()
      expect(answer.header('content-type')).toBe(OCTETS)
      expect(answer.header('etag')).toBe(etag)
      expect(answer.body.equals(bytes.subarray(first, end))).toBe(true)
    })

    test('the last 0 bytes are no range: refused, or the whole', async () => {
      const { path, bytes } = text()
      const answer = await context().get(path, { Range: 'bytes=-0' })
      expect([200, 416]).toContain(answer.status)
      if (answer.status === 200) expect(answer.body.equals(bytes)).toBe(true)
    })

    test('several ranges give one part each', async () => {
      const { path, bytes } = text()
      const answer = await context().get(path, { ...GREEDY, Range: 'bytes=0-9,1000-1099,-5' })
      expect(answer.status).toBe(206)
      expect(answer.header('content-length')).toBe(String(answer.body.length))
      expect(readParts(answer)).toEqual([
        { type: OCTETS, range: 'bytes 0-9/129000', text: bytes.subarray(0, 10).toString() },
        { type: OCTETS, range: 'bytes 1000-1099/129000', text: bytes.subarray(1000, 1100).toString() },
        { type: OCTETS, range: 'bytes 128995-128999/129000', text: bytes.subarray(-5).toString() },
      ])
    })

    test('a range beyond the end is 416 and says the length', async () => {
      const answer = await context().get(text().path, { Range: 'bytes=129000-' })
      expect(answer.status).toBe(416)
      const length = context().excepted('no-length-beyond-the-end') ? undefined : 'bytes */129000'
      expect(answer.header('content-range')).toBe(length)
      const plain = context().excepted('ranges-refused-as-text')
      expect(answer.header('content-type')).toBe(plain ? 'text/plain; charset=utf-8' : 'application/json')
      // nginx has said how long the blob lives before it looks at the range: what it adds then must overrule that.
      const control = (answer.headers['cache-control'] ?? []).join(', ')
      expect(control.includes('immutable') && !control.includes('no-store'), control).toBe(false)
    })

    test('If-Range keeps the range for this ETag and drops it for another', async () => {
      const { path, bytes, etag } = text()
      const same = await context().get(path, { Range: 'bytes=5-9', 'If-Range': etag })
      expect(same.status).toBe(206)
      expect(same.body.equals(bytes.subarray(5, 10))).toBe(true)
      const other = await context().get(path, { Range: 'bytes=5-9', 'If-Range': '"other"' })
      expect(other.status).toBe(200)
      expect(other.body.equals(bytes)).toBe(true)
    })

    test('a range that is none is ignored', async () => {
      const { path, bytes } = text()
      const answer = await context().get(path, { Range: 'lines=1-2' })
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
    })
  })
}

function readParts(
  answer: RawAnswer,
): readonly { readonly type: string; readonly range: string; readonly text: string }[] {
  const boundary = /^multipart\/byteranges; ?boundary="?([^"]+)"?$/.exec(answer.header('content-type') ?? '')?.[1]
  expect(boundary, answer.header('content-type')).toBeDefined()
  const parts = answer.body.toString('latin1').split(`--${boundary}`)
  expect(parts.at(-1)?.trim()).toBe('--')
  return parts.slice(1, -1).map(part => {
    const [head = '', ...rest] = part.replace(/^\r\n/, '').split('\r\n\r\n')
    const headers = new Map(head.split('\r\n').map(line => [line.split(': ')[0]?.toLowerCase(), line.split(': ')[1]]))
    return {
      type: headers.get('content-type') ?? '',
      range: headers.get('content-range') ?? '',
      text: rest.join('\r\n\r\n').replace(/\r\n$/, ''),
    }
  })
}
