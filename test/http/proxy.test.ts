import { describe, expect, test } from 'vitest'
import { proxyFor } from '../../src/http/proxy.ts'
import { failureOf } from '../registry/registry-support.ts'
import { freePort, makeClient, startServer } from './http-support.ts'
import { startProxy } from './proxy-support.ts'

describe('the proxy of a URL', () => {
  const env = { HTTP_PROXY: 'http://h:1', https_proxy: 'http://s:2' }

  test.each([
    ['http://registry.example/', 'h:1'],
    ['https://registry.example/', 's:2'],
    ['http://localhost:5000/', undefined],
    ['https://127.0.0.1/', undefined],
    ['http://[::1]:5000/', undefined],
  ])('%s is %s', (url, host) => {
    expect(proxyFor(new URL(url), env)?.host).toBe(host)
  })

  test.each(['', '  '])('%j in lower case does not hide what the upper case says', empty => {
    expect(proxyFor(new URL('http://a'), { HTTP_PROXY: 'p:3128', http_proxy: empty })?.host).toBe('p:3128')
    expect(proxyFor(new URL('http://a'), { HTTP_PROXY: 'p:3128', NO_PROXY: 'a', no_proxy: empty })).toBeUndefined()
    expect(proxyFor(new URL('http://a'), { http_proxy: empty })).toBeUndefined()
  })

  test('needs no scheme, in either case of the variable; the lower case wins', () => {
    expect(proxyFor(new URL('http://a'), { http_proxy: 'p:3128' })?.href).toBe('http://p:3128/')
    expect(proxyFor(new URL('http://a'), { HTTP_PROXY: 'p:3128', http_proxy: 'q:3128' })?.host).toBe('q:3128')
    expect(proxyFor(new URL('http://a'), {})).toBeUndefined()
    expect(proxyFor(new URL('https://a'), { HTTP_PROXY: 'p:3128' })).toBeUndefined()
  })

  test.each([
    'http://user:secret@:x',
    'ftp://user:secret@h:1',
    'socks5://user:secret@h:1',
    'http://user%zz:secret@h:1',
  ])('that cannot be used is refused without repeating it: %s', async value => {
    const client = makeClient({ env: { HTTP_PROXY: value } })
    expect(await failureOf(client.request(new URL('http://registry.example/')))).toMatchObject({
      code: 'usage',
      message: 'the environment variable HTTP_PROXY is not the URL of an HTTP proxy',
    })
  })

  test.each([
    ['*', 'a.example', true],
    ['a.example', 'a.example', true],
    ['example', 'a.example', true],
    ['ample', 'a.example', false],
    ['.example', 'a.example', true],
    ['.a.example', 'a.example', false],
    ['*.example', 'a.example', true],
    ['A.Example', 'a.example', true],
    ['a.example:5000', 'a.example:5000', true],
    ['a.example:5001', 'a.example:5000', false],
    ['a.example:80', 'a.example', true],
    ['x, a.example', 'a.example', true],
    ['10.0.0.0/8', '10.1.2.3:5000', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['10.0.0.0/99', '10.1.2.3', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['2.3', '10.1.2.3', false],
    ['fd00::/8', '[fd00::1]', true],
    ['fd00::1', '[fd00::1]', true],
    ['[fd00::1]:80', '[fd00::1]', true],
    ['', 'a.example', false],
  ])('is passed by for NO_PROXY=%s: %s %s', (list, host, isDirect) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const proxy = proxyFor(new URL(`http://${host}/`), { ...env, [name]: list })
      expect(proxy === undefined).toBe(isDirect)
    }
  })
})

describe('a real proxy', () => {
  test('is asked for plain HTTP by the whole URL, with its password', async () => {
    const server = await startServer((request, response) => response.end(`${request.url} for ${request.headers.host}`))
    const proxy = await startProxy(server.port)
    const client = makeClient({ env: { http_proxy: `http://user:p%40ss@${proxy.host}` } })
    const response = await client.request(new URL('http://registry.example:8080/v2/?a=1'))
    expect(await response.text(100)).toBe('/v2/?a=1 for registry.example:8080')
    expect(proxy.log).toEqual(['GET http://registry.example:8080/v2/?a=1'])
    expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`])
    expect(server.requests[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  test('is asked to connect for HTTPS', async () => {
    const server = await startServer(() => {})
    const proxy = await startProxy(server.port)
    const client = makeClient({ env: { HTTPS_PROXY: proxy.host } })
    const error = await failureOf(client.request(new URL('https://registry.example/v2/')))
    expect(proxy.log).toEqual(['CONNECT registry.example:443'])
    expect(error).toMatchObject({
      code: 'unreachable',
      message: 'registry.example does not speak HTTPS: it speaks plain HTTP',
    })
  })

  test('is not asked for what NO_PROXY names, nor for this machine', async () => {
    const server = await startServer((_, response) => response.end('direct'))
    const proxy = await startProxy(server.port)
    const client = makeClient({ env: { HTTP_PROXY: proxy.host, NO_PROXY: 'other.invalid' } })
    expect(await (await client.request(server.url)).text(10)).toBe('direct')
    expect(await failureOf(client.request(new URL('http://other.invalid/')))).toMatchObject({ code: 'unreachable' })
    expect(proxy.log).toEqual([])
  })

  test('that is down is named in the error', async () => {
    const port = await freePort()
    const client = makeClient({ env: { HTTP_PROXY: `127.0.0.1:${port}`, HTTPS_PROXY: `127.0.0.1:${port}` } })
    for (const url of ['http://registry.example/', 'https://registry.example/']) {
      const error = await failureOf(client.request(new URL(url)))
      expect(error.message).toBe(`the proxy 127.0.0.1:${port} refuses connections: nothing listens there`)
    }
  })

  test('that refuses is named in the error', async () => {
    const proxy = await startProxy(undefined)
    const client = makeClient({ env: { HTTPS_PROXY: proxy.host } })
    const error = await failureOf(client.request(new URL('https://registry.example/')))
    expect(error).toMatchObject({ code: 'unreachable', hint: 'check HTTPS_PROXY and NO_PROXY' })
    expect(error.message).toContain('the proxy did not connect to registry.example')
  })

  test('gets no credentials that are meant for the registry behind it', async () => {
    const server = await startServer((_, response) => response.end())
    const proxy = await startProxy(server.port)
    const client = makeClient({ env: { HTTPS_PROXY: proxy.host } })
    const headers = { authorization: 'Bearer secret' }
    await failureOf(client.request(new URL('https://registry.example/'), { headers }))
    expect(JSON.stringify(proxy.headers)).not.toContain('secret')
  })
})
