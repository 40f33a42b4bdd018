import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { HttpResponse } from '../../src/http/client.ts'
import { makeClient, startServer } from './http-support.ts'

const bytes = randomBytes(9_000_000)

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Looks at each chunk for a while before the next is asked for, as a slow disk does. */
async function readSlowly({ body }: HttpResponse): Promise<{ readonly digest: string; readonly memory: number }> {
  const digester = createHash('sha256')
  const memory = new Set<ArrayBufferLike>()
  for await (const chunk of body) {
    memory.add(chunk.buffer)
    if (memory.size % 3 === 0) await delay(1)
    digester.update(chunk)
  }
  return { digest: digester.digest('hex'), memory: memory.size }
}

describe('a body whose chunks may be overwritten', () => {
  test('comes right, in memory that is used again and again', async () => {
    const { url } = await startServer((_, response) => void response.end(bytes))
    const client = makeClient()
    for (let round = 0; round < 3; round += 1) {
      const { digest, memory } = await readSlowly(await client.request(url, { reuse: true }))
      expect(digest).toBe(sha256(bytes))
      expect(memory).toBeLessThan(12)
    }
  })

  test('comes right from several connections at once, of servers that send it in pieces of any size', async () => {
    const { url } = await startServer((request, response) => {
      const size = Number(new URL(request.url ?? '', 'http://x').searchParams.get('size'))
      // Without a length it comes in HTTP's own chunks: several, or parts of them, in one read.
      if (size % 2 === 1) response.setHeader('content-length', bytes.length)
      const send = (start: number): void => {
        if (start >= bytes.length) response.end()
        else response.write(bytes.subarray(start, start + size), () => send(start + size))
      }
      send(0)
    })
    const client = makeClient()
    const sizes = [1_000, 1_001, 65_536, 65_537, 524_288, 524_289, 3_000_000, 3_000_001]
    const read = await Promise.all(
      sizes.map(async size => readSlowly(await client.request(new URL(`?size=${size}`, url), { reuse: true }))),
    )
    expect(read.map(({ digest }) => digest)).toEqual(sizes.map(() => sha256(bytes)))
  })

  test('does not touch what comes later on the same connection', async () => {
    const { url, connections } = await startServer((request, response) => void response.end(request.url))
    const client = makeClient()
    for (const path of ['/a', '/b', '/c']) {
      const { body } = await client.request(new URL(path, url), { reuse: true })
      let text = ''
      for await (const chunk of body) text += Buffer.from(chunk).toString()
      expect(text).toBe(path)
    }
    expect(connections()).toBe(1)
  })
})

test("chunks are the reader's for good where it does not say otherwise", async () => {
  const { url } = await startServer((_, response) => void response.end(bytes))
  const chunks: Uint8Array[] = []
  for await (const chunk of (await makeClient().request(url)).body) chunks.push(chunk)
  expect(chunks.length).toBeGreaterThan(2)
  expect(sha256(Buffer.concat(chunks))).toBe(sha256(bytes))
})
