import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { RegistrishError } from '../../src/errors.ts'
import { makeClient, type StartedServer, startServer } from './http-support.ts'

/** A server that keeps what it is sent, and answers 200. */
async function startKeeper(): Promise<StartedServer & { readonly bodies: Buffer[] }> {
  const bodies: Buffer[] = []
  const server = await startServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks))
      response.end()
    })
  })
  return { ...server, bodies }
}

async function* piecesOf(...pieces: readonly (Uint8Array | Error)[]): AsyncGenerator<Uint8Array, void> {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece
    yield piece
  }
}

describe('a body', () => {
  test.each([0, 1, 256 * 1024, 3_000_001])('of %d bytes is sent as it is', async size => {
    const server = await startKeeper()
    const body = randomBytes(size)
    const response = await makeClient().request(server.url, { method: 'PUT', body })
    await response.discard()
    expect(response.status).toBe(200)
    expect(server.bodies[0]?.equals(body)).toBe(true)
    expect(server.requests[0]?.headers).toMatchObject({ 'content-length': `${size}` })
  })

  test('may be a stream, whose length the caller says', async () => {
    const server = await startKeeper()
    const [one, two] = [randomBytes(100_000), randomBytes(5)]
    const body = piecesOf(one, two)
    const headers = { 'content-length': '100005' }
    await (await makeClient().request(server.url, { method: 'PUT', body, headers })).discard()
    expect(server.bodies[0]?.equals(Buffer.concat([one, two]))).toBe(true)
    expect(server.requests[0]?.headers['transfer-encoding']).toBeUndefined()
  })

  test('that fails fails the request with its own error, and is never taken for whole', async () => {
    const server = await startKeeper()
    const failure = new RegistrishError('digest-mismatch', 'wrong', { side: 'source' })
    const request = {
      method: 'PUT',
      body: piecesOf(randomBytes(10), failure),
      headers: { 'content-length': '20' },
    } as const
    await expect(makeClient().request(server.url, request)).rejects.toBe(failure)
    expect(server.bodies).toEqual([])
  })
})

describe('a redirect', () => {
  const away = async (): Promise<StartedServer> =>
    startServer((_, response) => response.writeHead(307, { location: '/elsewhere' }).end())

  test.each(['GET', 'HEAD'] as const)('is an answer where it is not to be followed: %s', async method => {
    const server = await away()
    const response = await makeClient().request(server.url, { method, follow: false })
    await response.discard()
    expect(response.status).toBe(307)
    expect(response.headers()).toMatchObject({ location: '/elsewhere' })
    expect(server.requests).toHaveLength(1)
  })

  test.each(['PUT', 'POST', 'DELETE'] as const)('is never followed by %s', async method => {
    const server = await away()
    const response = await makeClient().request(server.url, { method })
    await response.discard()
    expect(response.status).toBe(307)
  })
})
