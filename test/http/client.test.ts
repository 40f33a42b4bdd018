import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { failureOf } from '../registry/registry-support.ts'
import { freePort, makeClient, startServer } from './http-support.ts'

describe('a request', () => {
  test('says who asks, wants no compression, and gives bytes, status and headers as they came', async () => {
    const body = Buffer.from([0, 255, 1, 254])
    const { url, requests } = await startServer((_, response) => {
      response.writeHead(418, { 'X-Odd': ['a', 'b'], 'content-encoding': 'gzip' }).end(body)
    })
    const response = await makeClient().request(url, { headers: { accept: 'x/y' } })
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      readonly version: string
    }
    expect(requests[0]?.headers).toMatchObject({
      'user-agent': `registrish/${version}`,
      'accept-encoding': 'identity',
      accept: 'x/y',
    })
    expect([response.status, response.header('x-odd'), response.header('absent')]).toEqual([418, 'a, b', undefined])
    expect(await response.bytes(4)).toEqual(body)
  })

  test('sends a body where it has one', async () => {
    const { url } = await startServer((request, response) => void request.pipe(response))
    const response = await makeClient().request(url, { method: 'POST', body: 'a=b' })
    expect(await response.text(10)).toBe('a=b')
  })

  test('keeps its connection for the next, also after a discarded answer and a HEAD', async () => {
    const { url, connections } = await startServer((_, response) => response.end('x'.repeat(1000)))
    const client = makeClient()
    await (await client.request(url)).discard()
    await (await client.request(url, { method: 'HEAD' })).discard()
    await (await client.request(url)).text(1000)
    expect(connections()).toBe(1)
  })

  test('reads no more than it was told to', async () => {
    const { url, host } = await startServer((_, response) => response.end('x'.repeat(1000)))
    const error = await failureOf((await makeClient().request(url)).bytes(999))
    expect(error).toMatchObject({ code: 'bad-answer', message: `${host} sent an answer of more than 999 bytes` })
  })

  test('shares its signal with many others without a warning', async () => {
    const { url } = await startServer((_, response) => response.end())
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    onTestFinished(() => void process.off('warning', note))
    const client = makeClient()
    const { signal } = new AbortController()
    const ask = async (): Promise<void> => (await client.request(url, { signal })).discard()
    await Promise.all(Array.from({ length: 20 }, ask))
    await new Promise(resolve => setImmediate(resolve))
    expect(warnings).toEqual([])
  })

  test('that is given up ends as aborted: before, while waiting, while reading', async () => {
    const { url } = await startServer((request, response) => {
      if (request.url === '/body') response.writeHead(200, { 'content-length': 10 }).write('x')
    })
    const client = makeClient()
    const dead = AbortSignal.abort(new Error('enough'))
    expect(await failureOf(client.request(url, { signal: dead }))).toMatchObject({ code: 'aborted' })
    const waiting = new AbortController()
    const asked = failureOf(client.request(url, { signal: waiting.signal }))
    waiting.abort()
    expect(await asked).toMatchObject({ code: 'aborted' })
    const reading = new AbortController()
    const { body } = await client.request(new URL('/body', url), { signal: reading.signal })
    const drain = async (): Promise<void> => {
      for await (const _ of body) reading.abort()
    }
    expect(await failureOf(drain())).toMatchObject({ code: 'aborted' })
  })
})

describe('a body that came to its end before it was read', () => {
  test('since its connection broke: unreachable', async () => {
    const { url } = await startServer((_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 }).write('x'.repeat(100), () => response.destroy())
    })
    const { body } = await makeClient().request(url)
    await aWhile()
    expect(await failureOf(drain(body))).toMatchObject({ code: 'unreachable' })
  })

  test('since it was given up: aborted', async () => {
    const { url } = await startServer(
      (_, response) => void response.writeHead(200, { 'content-length': 10 }).write('x'),
    )
    const giving = new AbortController()
    const { body } = await makeClient().request(url, { signal: giving.signal })
    giving.abort()
    await aWhile()
    expect(await failureOf(drain(body))).toMatchObject({ code: 'aborted' })
  })

  test('since all of it is there: whole', async () => {
    const { url } = await startServer((_, response) => void response.end('whole'))
    const response = await makeClient().request(url)
    await aWhile()
    expect(await response.text(10)).toBe('whole')
  })
})

/** Long enough for a body to come to its end on this machine. */
async function aWhile(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await nextTurn()
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

describe('a server that does not do its part', () => {
  test('refuses connections: unreachable, and says so', async () => {
    const port = await freePort()
    const error = await failureOf(makeClient().request(new URL(`http://127.0.0.1:${port}/x?secret=1`)))
    expect(error).toMatchObject({
      code: 'unreachable',
      side: 'source',
      message: `127.0.0.1:${port} refuses connections: nothing listens there`,
    })
  })

  test('has a name that nobody knows: unreachable', async () => {
    const error = await failureOf(makeClient().request(new URL('http://registry.invalid/')))
    expect(error.code).toBe('unreachable')
    expect(error.message).toContain('registry.invalid')
  })

  test('never answers: timeout after the time given', async () => {
    const { url, host } = await startServer(() => {})
    const error = await failureOf(makeClient({ headerTimeout: 50 }).request(url))
    expect(error).toMatchObject({ code: 'timeout', side: 'source', message: `${host} did not answer for 0.05 s` })
  })

  test('stalls in the middle: timeout after the time given, and what came is there', async () => {
    const { url, host } = await startServer((_, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('12345')
    })
    const { body } = await makeClient({ stallTimeout: 300 }).request(url)
    const received: Uint8Array[] = []
    const drain = async (): Promise<void> => {
      for await (const chunk of body) received.push(chunk)
    }
    const error = await failureOf(drain())
    expect(error).toMatchObject({ code: 'timeout', message: `${host} stalled: it sent nothing for 0.3 s` })
    expect(Buffer.concat(received).toString()).toBe('12345')
  })

  test('is not blamed for a reader who takes his time', async () => {
    const { url } = await startServer((_, response) => response.end(Buffer.alloc(3_000_000)))
    const { body } = await makeClient({ stallTimeout: 200 }).request(url)
    let length = 0
    for await (const chunk of body) {
      if (length === 0) await new Promise(resolve => setTimeout(resolve, 600))
      length += chunk.length
    }
    expect(length).toBe(3_000_000)
  })

  test.each([
    ['ends its answer early', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345'],
    ['ends a chunked answer early', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n'],
    ['hangs up without an answer', ''],
    ['answers something that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('%s: unreachable', async (_, answer) => {
    const { port } = await startRaw(answer)
    const reading = async (): Promise<void> => {
      await (await makeClient().request(new URL(`http://127.0.0.1:${port}/`))).text(100)
    }
    expect(await failureOf(reading())).toMatchObject({ code: 'unreachable', side: 'source' })
  })
})

/** Starts a server that answers the first bytes of every connection with a text and hangs up. */
async function startRaw(answer: string): Promise<{ readonly port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port }
}
