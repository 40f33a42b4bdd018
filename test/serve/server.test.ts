import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Handler, ServeRequest, ServeResponse } from '../../src/serve/handler.ts'
import { listen, type ServeEvent } from '../../src/serve/listen.ts'
import { createRegistry } from '../../src/serve/registry.ts'
import { serve } from '../../src/serve/server.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { connectTo, eventually, serveTree } from './serve-support.ts'

const PING = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'

test('a folder without v2 is refused with the command that makes one; an empty v2 is served', async () => {
  const root = await makeTemporaryFolder()
  await expect(serve(root, { listen: '127.0.0.1:0' })).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining(root),
    hint: expect.stringContaining('registrish fetch'),
  })
  mkdirSync(join(root, 'v2'))
  const server = await serve(root, { listen: '127.0.0.1:0' })
  onTestFinished(() => server.close())
  expect((await rawRequest(server.url, { path: '/v2/' })).status).toBe(200)
})

test('an address that is taken is a conflict, and the hint names a free port', async () => {
  const { server, tree } = await serveTree()
  await expect(serve(tree.root, { listen: `127.0.0.1:${server.port}` })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`127.0.0.1:${server.port}`),
    hint: expect.stringContaining('--listen 127.0.0.1:0'),
  })
})

test('a host that is not of this machine is a usage error', async () => {
  const { tree } = await serveTree()
  await expect(serve(tree.root, { listen: '192.0.2.1:0' })).rejects.toMatchObject({ code: 'usage' })
})

test('an open tree is served as well as a folder, on IPv6 too', async context => {
  const { tree } = await serveTree()
  const hasIpv6 = await new Promise<boolean>(resolve => {
    const probe = createServer().once('error', () => resolve(false))
    probe.listen(0, '::1', () => probe.close(() => resolve(true)))
  })
  if (!hasIpv6) context.skip('this machine has no ::1')
  const server = await serve(openTree(tree.root), { listen: '[::1]:0' })
  onTestFinished(() => server.close())
  expect(server).toMatchObject({ host: '::1', url: `http://[::1]:${server.port}` })
  const answer = await fetch(`${server.url}/v2/app/manifests/latest`)
  expect(answer.status).toBe(200)
})

test('events tell what was asked and answered', async () => {
  const { get, send, events, server } = await serveTree()
  await get('/v2/app/manifests/latest?ns=docker.io')
  await send({ method: 'DELETE', path: '/v2/app/manifests/latest' })
  await server.close()
  expect(events).toEqual([
    { type: 'listening', url: server.url },
    { type: 'answered', method: 'GET', target: '/v2/app/manifests/latest?ns=docker.io', status: 200 },
    { type: 'answered', method: 'DELETE', target: '/v2/app/manifests/latest', status: 405 },
    { type: 'stopped' },
  ])
})

test('a stop ends idle connections at once, finishes what is being sent, and takes no more', async () => {
  const size = 64 * 1024 * 1024
  const { server, tree, events } = await serveTree(made => void made.blob('app', Buffer.alloc(size)), { stop: 60_000 })
  const idle = await connectTo(server)
  idle.socket.write(PING)
  await idle.until(text => text.endsWith('{}'))
  const fresh = await connectTo(server)
  const busy = await connectTo(server, { reads: false })
  busy.socket.write(`GET /v2/app/blobs/${tree.blobs[0]?.digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => events.filter(({ type }) => type === 'answered').length === 2, 'the blob is on its way')

  const stopped = server.close()
  await Promise.all([idle.ended(), fresh.ended()])
  await expect(rawRequest(server.url, { path: '/v2/' })).rejects.toThrow('ECONNREFUSED')
  let received = 0
  busy.socket.on('data', chunk => {
    received += chunk.length
  })
  busy.socket.resume()
  await busy.ended()
  expect(received).toBeGreaterThan(size)
  await stopped
  await server.closed
})

test('a stop does not wait for ever, and aborting the signal is a stop', async () => {
  const { tree } = await serveTree(made => void made.blob('app', Buffer.alloc(64 * 1024 * 1024)))
  const abort = new AbortController()
  const events: ServeEvent[] = []
  const server = await serve(tree.root, {
    listen: '127.0.0.1:0',
    signal: abort.signal,
    timeouts: { stop: 50 },
    onEvent: event => events.push(event),
  })
  const stuck = await connectTo(server, { reads: false })
  stuck.socket.write(`GET /v2/app/blobs/${tree.blobs[0]?.digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => events.some(({ type }) => type === 'answered'), 'the blob is on its way')
  abort.abort()
  await server.closed
  await server.close()
  expect(events.filter(({ type }) => type === 'stopped')).toHaveLength(1)
})

test('without descriptors the answer is 503, any other failure is 500, both in JSON, and the server stays up', async () => {
  const failures = ['EMFILE', 'ENFILE', 'EIO']
  const events: ServeEvent[] = []
  const registry = createRegistry({
    content: {
      find: path => {
        const code = failures.find(name => path.endsWith(name))
        throw Object.assign(new Error(`failed with ${code}`), { code })
      },
      hasRepository: () => false,
    },
  })
  const server = await listen(registry, { host: '127.0.0.1', port: 0 }, { onEvent: event => events.push(event) })
  onTestFinished(() => server.close())
  const statuses = []
  for (const code of failures) {
    const answer = await rawRequest(server.url, { path: `/v2/app/manifests/${code}` })
    expect(answer.header('content-type')).toBe('application/json')
    expect(answer.body.toString()).not.toContain(code)
    statuses.push([answer.status, answer.header('retry-after')])
  }
  expect(statuses).toEqual([
    [503, '1'],
    [503, '1'],
    [500, undefined],
  ])
  expect(events.filter(({ type }) => type === 'failed')).toHaveLength(3)
})

test('an answer that cannot be sent is 500, also where it comes later, and gives its file back', async () => {
  const closed: string[] = []
  const file = { fd: -1, stamp: { dev: 0, ino: 0, size: 0, mtimeMs: 0, ctimeMs: 0 } }
  const answer = (url: string): ServeResponse => ({
    status: 200,
    headers: { 'Content-Type': 'a\nb' },
    body: { file: { ...file, close: () => void closed.push(url) }, segments: [] },
  })
  const handler: Handler = async ({ url }) => answer(url)
  for (const each of [handler, ({ url }: ServeRequest) => answer(url)]) {
    const server = await listen(each, { host: '127.0.0.1', port: 0 })
    onTestFinished(() => server.close())
    expect((await rawRequest(server.url, { path: '/x' })).status).toBe(500)
  }
  expect(closed).toEqual(['/x', '/x'])
})

test('a request below another path is nothing, whatever the method', async () => {
  const { send } = await serveTree()
  for (const path of ['/', '/index.html', '*'])
    for (const [method, status] of [
      ['GET', 404],
      ['HEAD', 404],
      ['POST', 405],
      ['OPTIONS', 405],
    ] as const)
      expect((await send({ method, path })).status, `${method} ${path}`).toBe(status)
})

test('an escape that is none is 400; a path that cannot be decoded otherwise is nothing', async () => {
  const { get } = await serveTree()
  for (const path of ['/v2/app/manifests/%', '/v2/%zz/manifests/latest', '/v2/%4/x', '/v2%']) {
    const answer = await get(path)
    expect(answer.status, path).toBe(400)
    expect(JSON.parse(answer.body.toString()).errors[0].code).toBe('BAD_REQUEST')
  }
  for (const path of ['/v2/app%2fmanifests%2flatest', '/v2/app/manifests/%ff', `/v2/${'a'.repeat(600)}`, '/%zz'])
    expect((await get(path)).status, path).toBe(404)
  expect((await get('/v2/?last=%zz')).status).toBe(200)
})

test('304 says nothing of a body, and a list without an entity tag has one for If-None-Match: *', async () => {
  const { get } = await serveTree()
  for (const path of ['/v2/', '/v2/_catalog', '/v2/app/tags/list', '/v2/app/manifests/latest']) {
    const { status, headers, body } = await get(path, { 'If-None-Match': '*' })
    expect(status, path).toBe(304)
    expect(body.length).toBe(0)
    for (const name of ['content-type', 'content-length', 'accept-ranges']) expect(headers[name], path).toBeUndefined()
  }
})

test('the target of a request may be a whole URL', async () => {
  const { get } = await serveTree()
  expect((await get('http://example.org/v2/app/manifests/latest')).status).toBe(200)
  expect((await get('http://example.org/etc/passwd')).status).toBe(404)
})
