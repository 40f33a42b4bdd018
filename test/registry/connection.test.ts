import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpClient } from '../../src/http/client.ts'
import { freePort, makeClient } from '../http/http-support.ts'
import { startProxy } from '../http/proxy-support.ts'
import { makeArtifact, makeImage } from '../support/made-images.ts'
import { fails, first, redirects } from '../support/registry-faults.ts'
import { failureOf, openRegistry, openSource, read, startRegistry } from './registry-support.ts'

describe('a registry on this machine', () => {
  test.each(['127.0.0.1', 'localhost'])('is spoken to in plain HTTP without a flag: %s', async name => {
    const image = await makeImage()
    const registry = await startRegistry({ repositories: { app: { latest: image } } })
    const { source } = openSource({ registry: `${name}:${registry.port}` })
    expect(await source.resolve('app', 'latest')).toEqual(image.root)
    expect(registry.log).toHaveLength(1)
  })

  test('costs one connection to find that out, and none with the flag; many requests ask once', async () => {
    const image = await makeImage()
    for (const plainHttp of [false, true]) {
      const { registry, source } = await openRegistry({ latest: image }, { source: { plainHttp } })
      await source.resolve('app', 'latest')
      await source.resolve('app', 'latest')
      expect(registry.connections()).toBe(plainHttp ? 1 : 2)
    }
    const { registry, source } = await openRegistry({ latest: image })
    await Promise.all(Array.from({ length: 5 }, async () => source.resolve('app', 'latest')))
    expect(registry.connections()).toBe(6)
  })

  test('that is down says so at once', async () => {
    const port = await freePort()
    const { source, pauses } = openSource({ registry: `127.0.0.1:${port}` })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({
      code: 'unreachable',
      side: 'source',
      message: `127.0.0.1:${port} refuses connections: nothing listens there`,
    })
    expect(pauses).toEqual([])
  })

  test('sends nobody to another machine in plain HTTP', async () => {
    const image = makeArtifact({ payload: 'text' })
    const blob = [...image.blobs].find(([, bytes]) => Buffer.from(bytes).equals(Buffer.from('text')))
    if (blob === undefined) throw new Error('the artifact lacks its payload')
    const descriptor = { mediaType: 'text/plain', digest: blob[0], size: 4 }
    const hook = redirects(() => 'http://store.invalid/blob?signature=secret')
    const { registry, source } = await openRegistry({ latest: image }, { registry: { hook } })
    const error = await failureOf(source.open('app', descriptor, { kind: 'blob' }))
    expect(error).toMatchObject({
      code: 'bad-answer',
      message: `${registry.host} redirects to store.invalid in plain HTTP`,
    })
    const allowing = openSource({ registry: registry.host, plainHttp: true })
    expect(await failureOf(allowing.source.open('app', descriptor, { kind: 'blob' }))).toMatchObject({
      code: 'unreachable',
    })
  })
})

describe('a registry elsewhere', () => {
  test('that speaks plain HTTP is refused with the way out, and spoken to with the flag', async () => {
    const image = await makeImage()
    const registry = await startRegistry({ repositories: { app: { latest: image } } })
    const proxy = await startProxy(registry.port)
    const env = { HTTP_PROXY: proxy.host, HTTPS_PROXY: proxy.host }
    const wary = openSource({ registry: 'registry.example:5000', env })
    const error = await failureOf(wary.source.resolve('app', 'latest'))
    expect(error).toMatchObject({
      code: 'unreachable',
      message: 'registry.example:5000 does not speak HTTPS: it speaks plain HTTP',
    })
    expect(error.hint).toContain('add --plain-http')
    expect([registry.log, wary.pauses]).toEqual([[], []])
    const trusting = openSource({ registry: 'registry.example:5000', env, plainHttp: true })
    expect(await trusting.source.resolve('app', 'latest')).toEqual(image.root)
    expect(proxy.log).toEqual([
      'CONNECT registry.example:5000',
      'HEAD http://registry.example:5000/v2/app/manifests/latest',
    ])
  })

  test('that hangs up during the handshake is refused with a way out', async () => {
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      sockets.add(socket.on('error', () => {}))
      socket.once('data', () => socket.destroy())
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const proxy = await startProxy((server.address() as AddressInfo).port)
    const { source } = openSource({ registry: 'registry.example', env: { HTTPS_PROXY: proxy.host }, retryTimes: 0 })
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error.code).toBe('unreachable')
    expect(error.hint).toContain('--plain-http')
  })

  test('called docker.io stands at registry-1.docker.io', async () => {
    const image = await makeImage()
    const registry = await startRegistry({ repositories: { 'library/alpine': { latest: image } } })
    const asked: string[] = []
    const { source } = openSource({ registry: 'docker.io', http: pretend(registry.url, asked) })
    expect(await source.resolve('library/alpine', 'latest')).toEqual(image.root)
    expect(source.title).toBe('docker.io')
    expect(asked).toEqual(['https://registry-1.docker.io/v2/library/alpine/manifests/latest'])
  })
})

/** A client that leads every request to one server and keeps its answer's pretended address. */
function pretend(server: string, asked: string[]): HttpClient {
  const client = makeClient()
  return {
    async request(url, request) {
      asked.push(url.href)
      const response = await client.request(new URL(`${url.pathname}${url.search}`, server), request)
      return { ...response, url }
    },
    close: () => client.close(),
  }
}

describe('a request that may succeed later', () => {
  test.each([408, 429, 500, 502, 503, 504])('is sent again for %d, and each pause is told', async status => {
    const image = await makeImage()
    const { registry, source, events, pauses } = await openRegistry(
      { latest: image },
      { registry: { hook: first(2, fails(status)) } },
    )
    expect(await source.resolve('app', 'latest')).toEqual(image.root)
    expect(registry.log.map(entry => entry.status)).toEqual([status, status, 200])
    expect(pauses).toHaveLength(2)
    expect(events).toMatchObject([1, 2].map(() => ({ type: 'retry', what: `${registry.host}/app:latest` })))
  })

  test('is sent as often as told', async () => {
    for (const retryTimes of [0, 2]) {
      const { registry, source } = await openRegistry({}, { registry: { hook: fails(503) }, source: { retryTimes } })
      const error = await failureOf(source.resolve('app', 'latest'))
      expect(error).toMatchObject({ code: 'unreachable', side: 'source' })
      expect(error.message).toBe(`${registry.host} is out of order: ${registry.host} answers 503 Service Unavailable`)
      expect(registry.log).toHaveLength(retryTimes + 1)
    }
  })

  test('is sent after the pause that the registry asks for', async () => {
    const image = await makeImage()
    const hook = first(1, fails(429, { 'retry-after': '13' }))
    const { source, pauses } = await openRegistry({ latest: image }, { registry: { hook } })
    await source.resolve('app', 'latest')
    expect(pauses).toEqual([13_000])
  })

  test('is not sent again where the registry wants to be left alone for longer', async () => {
    const hook = fails(429, { 'retry-after': '3600', 'ratelimit-limit': '100;w=21600' })
    const { registry, source, pauses } = await openRegistry({}, { registry: { hook } })
    const before = Date.now()
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error).toMatchObject({ code: 'rate-limited', side: 'source' })
    expect(error.message).toMatch(/\(100 in 6 h allowed\): it resets at .* UTC, in 1 h$/)
    expect(error.retryAt).toBeGreaterThanOrEqual(before + 3_600_000)
    expect([registry.log.length, pauses.length]).toEqual([1, 0])
  })

  test('is not waited for once the caller has given up', async () => {
    const controller = new AbortController()
    const { source } = await openRegistry(
      {},
      {
        registry: { hook: fails(503, { 'retry-after': '60' }) },
        source: { onProgress: () => controller.abort(), sleep: (_, signal) => Promise.reject(signal?.reason) },
      },
    )
    expect(await failureOf(source.resolve('app', 'latest', { signal: controller.signal }))).toMatchObject({
      code: 'aborted',
    })
  })
})

test('a client that was handed in is left open', async () => {
  const image = await makeImage()
  const registry = await startRegistry({ repositories: { app: { latest: image } } })
  const http = makeClient()
  const one = openSource({ registry: registry.host, http })
  await one.source.resolve('app', 'latest')
  await one.source.close?.()
  const { source } = openSource({ registry: registry.host, http })
  expect(await read(await source.open('app', image.root, { kind: 'manifest' }))).toHaveLength(image.root.size)
})

test('close breaks what is open', async () => {
  const image = makeArtifact({ payload: new Uint8Array(5_000_000) })
  const { source } = await openRegistry({ latest: image })
  const [digest] = [...image.blobs].find(([, bytes]) => bytes.length === 5_000_000) ?? []
  if (digest === undefined) throw new Error('the artifact lacks its payload')
  const { body } = await source.open('app', { mediaType: 'x/y', digest, size: 5_000_000 }, { kind: 'blob' })
  const drain = async (): Promise<void> => {
    for await (const _ of body) await source.close?.()
  }
  expect(await failureOf(drain())).toMatchObject({ code: 'unreachable' })
})
