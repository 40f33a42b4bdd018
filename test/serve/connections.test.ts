import { expect, test } from 'vitest'
import { type Connection, connectTo, eventually, serveTree } from './serve-support.ts'

const PING = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'

function answers(text: string): number {
  return text.split('HTTP/1.1 ').length - 1
}

test('a request that is not HTTP is refused in JSON, and the connection ends', async () => {
  const { server, get } = await serveTree()
  for (const garbage of [
    '\x16\x03\x01\x02\x00',
    'GET\r\n\r\n',
    'GET /v2/ HTTP/9.9\r\n\r\n',
    'G\u0000T / HTTP/1.1\r\n\r\n',
  ]) {
    const connection = await connectTo(server)
    connection.socket.write(garbage)
    const text = await connection.ended()
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/json\r\n/)
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '').errors[0].code).toBe('BAD_REQUEST')
  }
  expect((await get('/v2/')).status).toBe(200)
})

test('headers beyond all measure are 431', async () => {
  const { server } = await serveTree()
  const connection = await connectTo(server)
  connection.socket.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`)
  expect(await connection.ended()).toMatch(
    /^HTTP\/1\.1 431 Request Header Fields Too Large\r\nContent-Type: application\/json\r\n/,
  )
})

test('a head that comes too slowly, or not at all, is 408', async () => {
  const { server, get } = await serveTree(undefined, { head: 100 })
  const silent = await connectTo(server)
  const slow = await connectTo(server)
  slow.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: ')
  const timer = setInterval(() => slow.socket.write('a'), 20)
  try {
    for (const connection of [silent, slow])
      expect(await connection.ended()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nContent-Type: application\/json\r\n/)
  } finally {
    clearInterval(timer)
  }
  expect((await get('/v2/')).status).toBe(200)
})

test('an idle connection is closed', async () => {
  const { server } = await serveTree(undefined, { idle: 100 })
  const connection = await connectTo(server)
  connection.socket.write(PING)
  expect(answers(await connection.ended())).toBe(1)
})

test('pipelined requests are answered in order', async () => {
  const { server, tree } = await serveTree()
  const [blob] = tree.blobs
  const connection = await connectTo(server)
  const paths = [
    '/v2/',
    '/v2/app/manifests/latest',
    `/v2/app/blobs/${blob?.digest}`,
    '/v2/app/manifests/none',
    '/v2/app/tags/list',
  ]
  connection.socket.write(paths.map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''))
  const text = await connection.until(received => received.includes('"tags":["latest"]'))
  expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1])).toEqual(['200', '200', '200', '404', '200'])
})

test('many pipelined requests are all answered, however they are cut into packets', async () => {
  const { server } = await serveTree()
  const connection = await connectTo(server)
  const all = PING.repeat(5000)
  for (let at = 0; at < all.length; at += 7777) connection.socket.write(all.slice(at, at + 7777))
  await connection.until(received => answers(received) === 5000)
})

test('a client that sends requests and never reads is not read from for ever', async () => {
  const { server, tree, events, get } = await serveTree(made => void made.blob('app', Buffer.alloc(32 * 1024 * 1024)))
  const request = `GET /v2/app/blobs/${tree.blobs[0]?.digest} HTTP/1.1\r\nHost: x\r\n\r\n`
  const connection = await connectTo(server, { reads: false })
  // far more than the kernel's buffers hold: the rest stays in the client
  for (let sent = 0; sent < 400; sent++) connection.socket.write(request.repeat(1000))
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the first answer began')
  expect((await get('/v2/')).status).toBe(200)
  expect(connection.socket.writableLength).toBeGreaterThan(10_000_000)
  expect(events.filter(event => event.type === 'answered' && event.target !== '/v2/')).toHaveLength(1)
})

test('garbage after a request does not get into its answer', async () => {
  const { server, tree, get } = await serveTree(made => void made.blob('app', Buffer.alloc(32 * 1024 * 1024, 'x')))
  const connection = await connectTo(server)
  connection.socket.write(`GET /v2/app/blobs/${tree.blobs[0]?.digest} HTTP/1.1\r\nHost: x\r\n\r\n\x00garbage\r\n\r\n`)
  const text = await connection.ended()
  expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toMatch(/^x*$/)
  expect((await get('/v2/')).status).toBe(200)
})

test('a client that has said all it will still gets its answer', async () => {
  const { server } = await serveTree()
  const connection = await connectTo(server)
  connection.socket.end(PING)
  expect(answers(await connection.ended())).toBe(1)
})

test('a thousand idle connections do not keep others out', async () => {
  const { server, get } = await serveTree()
  const idle: Connection[] = []
  for (let opened = 0; opened < 1000; opened++) idle.push(await connectTo(server))
  expect((await get('/v2/app/manifests/latest')).status).toBe(200)
  await server.close()
  await Promise.all(idle.map(connection => connection.ended()))
})
