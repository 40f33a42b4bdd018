import { describe, expect, test } from 'vitest'
import { nextHop } from '../../src/http/redirect.ts'
import { failureOf } from '../registry/registry-support.ts'
import { makeClient, startServer } from './http-support.ts'

const SECRET = { authorization: 'Bearer secret', range: 'bytes=5-' }

describe('redirects are followed', () => {
  test.each([301, 302, 303, 307, 308])('for status %d, with all headers where the host stays', async status => {
    const { url, requests } = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(status, { location: '/there?x=1' }).end('elsewhere')
      else response.end('here')
    })
    const response = await makeClient().request(url, { headers: SECRET })
    expect(await response.text(10)).toBe('here')
    expect(response.url.href).toBe(`${url.href}there?x=1`)
    expect(requests.map(request => request.headers.authorization)).toEqual(['Bearer secret', 'Bearer secret'])
    expect(requests[1]?.headers.range).toBe('bytes=5-')
  })

  test('without credentials to another port, and not with them again on the way back', async () => {
    const home = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(307, { location: away.url.href }).end()
      else response.end('home again')
    })
    const away = await startServer((_, response) => {
      response.writeHead(307, { location: `${home.url.href}back` }).end()
    })
    const response = await makeClient().request(home.url, { headers: SECRET })
    expect(await response.text(20)).toBe('home again')
    expect([...home.requests, ...away.requests].map(({ headers }) => headers.authorization)).toEqual([
      'Bearer secret',
      undefined,
      undefined,
    ])
    expect(away.requests[0]?.headers.range).toBe('bytes=5-')
  })

  test('without credentials to another name of the same machine', async () => {
    const { url, port, requests } = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: `http://localhost:${port}/x` }).end()
      else response.end()
    })
    await (await makeClient().request(url, { headers: SECRET })).discard()
    expect(requests[1]?.headers).not.toHaveProperty('authorization')
  })

  test('for HEAD as HEAD, and never for POST', async () => {
    const { url, requests } = await startServer((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/x' })
      response.end()
    })
    const client = makeClient()
    expect((await client.request(url, { method: 'HEAD' })).status).toBe(200)
    expect((await client.request(url, { method: 'POST', body: 'x' })).status).toBe(302)
    expect(requests.map(request => request.method)).toEqual(['HEAD', 'HEAD', 'POST'])
  })
})

describe('redirects are refused', () => {
  test.each<[string, (hop: number) => string | undefined]>([
    ['in a circle', hop => (hop === 0 ? '/a' : '/')],
    ['to itself', () => '/'],
    ['more than ten times', hop => `/${hop}`],
  ])('%s', async (_, target) => {
    let hop = 0
    const { url, host, requests } = await startServer((_, response) => {
      response.writeHead(302, { location: target(hop) }).end()
      hop += 1
    })
    const error = await failureOf(makeClient().request(url))
    expect(error).toMatchObject({ code: 'bad-answer', side: 'source', message: `${host} redirects in a circle` })
    expect(requests.length).toBeLessThanOrEqual(11)
  })

  test.each([undefined, 'ftp://127.0.0.1/x', 'http://', 'file:///etc/passwd'])('to %s', async location => {
    const { url } = await startServer((_, response) => {
      response.writeHead(302, location === undefined ? {} : { location }).end()
    })
    expect(await failureOf(makeClient().request(url))).toMatchObject({ code: 'bad-answer' })
  })

  const rules = (first: string, plain = false): Parameters<typeof nextHop>[2] => ({
    first: new URL(first),
    mayBePlain: () => plain,
  })
  const hop = { url: new URL('https://registry.example/v2/'), headers: {} }

  test('from https to http, unless plain HTTP is allowed; no signature is in the message', () => {
    const target = 'http://store.example/blob?X-Amz-Signature=secret'
    expect(() => nextHop(hop, target, rules('https://registry.example'))).toThrow(
      'registry.example redirects to store.example in plain HTTP',
    )
    expect(nextHop(hop, target, rules('https://registry.example', true)).url.href).toBe(target)
  })

  test.each([
    'https://127.0.0.1/',
    'https://localhost:8443/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
  ])('from the internet to %s', target => {
    expect(() => nextHop(hop, target, rules('https://registry.example'))).toThrow('an address of this machine')
    expect(nextHop(hop, target, rules('https://127.0.0.1')).url.href).toBe(target)
  })

  test('never with the credentials of an address', () => {
    const { url } = nextHop(hop, 'https://user:password@store.example/', rules('https://registry.example'))
    expect(url.href).toBe('https://store.example/')
  })
})
