import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseRealm } from '../../src/http/token.ts'
import { startServer } from '../http/http-support.ts'
import { makeImage } from '../support/made-images.ts'
import { apiError } from '../support/registry-content.ts'
import { basicAuth, fails, only, redirects, sendsHeaders, tokenAuth } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import type { Hook } from '../support/test-registry.ts'
import { authorizationsOf, login, password } from './login-support.ts'
import { failureOf, openRegistry, openSource, read, startRegistry } from './registry-support.ts'

const IMAGE = await makeImage()

describe('credentials are used', () => {
  test('at the token server, not at the registry', async () => {
    const { registry, source } = await login(tokenAuth({ user: ['me', 'pass:word'] }), password('me', 'pass:word'))
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    const basic = `Basic ${Buffer.from('me:pass:word').toString('base64')}`
    expect(authorizationsOf(registry)).toEqual([undefined, basic, 'Bearer repository:app:pull#1'])
    expect(registry.log[1]?.query.get('account')).toBe('me')
  })

  test('for basic authentication', async () => {
    const { registry, source } = await login(basicAuth('me', 'secret'), password('me', 'secret'))
    for (let time = 0; time < 2; time += 1) expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    expect(registry.log.map(({ status }) => status)).toEqual([401, 200, 200])
  })

  test('as an identity token by OAuth2', async () => {
    const entry = { identitytoken: 'refresh me' }
    const { registry, source } = await login(tokenAuth({ identity: 'refresh me' }), entry)
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    expect(registry.log[1]?.method).toBe('POST')
    expect(Object.fromEntries(new URLSearchParams(registry.log[1]?.body))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh me',
      service: 'test registry',
      client_id: 'registrish',
      access_type: 'offline',
      scope: 'repository:app:pull',
    })
  })

  test.each([404, 405])('as a password where the token server knows no OAuth2 (%d)', async status => {
    const refuse: Hook = only(/^POST/, fails(status))
    const auth = tokenAuth({ user: ['<token>', 'refresh me'] })
    const { source } = await login((request, next) => refuse(request, async changed => auth(changed, next)), {
      identitytoken: 'refresh me',
    })
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
  })

  test('as a registry token, as it is', async () => {
    const hook: Hook = (request, next) =>
      request.headers['authorization'] === 'Bearer raw' ? next(request) : tokenAuth()(request, next)
    const { registry, source } = await login(hook, { registrytoken: 'raw' })
    expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    expect(registry.lines().join()).not.toContain('token')
  })

  test('of the repository they are meant for', async () => {
    const registry = await startRegistry({
      repositories: { 'team/app': { latest: IMAGE } },
      hook: basicAuth('team', 'x'),
    })
    const file = join(await makeTemporaryFolder(), 'auth.json')
    const auths = { [registry.host]: password('all', 'x'), [`${registry.host}/team`]: password('team', 'x') }
    await writeFile(file, JSON.stringify({ auths }))
    const { source } = openSource({ registry: registry.host, authFile: file })
    expect(await source.resolve('team/app', 'latest')).toEqual(IMAGE.root)
  })

  test('for bearer where both are offered, in one header or in two', async () => {
    for (const header of ['Basic realm="x", BEARER', 'BEARER']) {
      const hooks: Hook[] = [
        async (request, next) => {
          const answer = await next(request)
          const bearer = String(answer.headers['www-authenticate'] ?? '')
          if (bearer === '') return answer
          const both = header === 'BEARER' ? ['Basic realm="x"', bearer] : header.replace('BEARER', bearer)
          return { ...answer, headers: { ...answer.headers, 'www-authenticate': both } }
        },
      ]
      const { source } = await openRegistry({ latest: IMAGE }, { registry: { hooks, hook: tokenAuth() } })
      expect(await source.resolve('app', 'latest')).toEqual(IMAGE.root)
    }
  })

  test('never at another host: neither for redirected blobs nor for a redirected token server', async () => {
    const store = await startServer((request, response) => {
      if (request.url?.startsWith('/token') === true) response.end(JSON.stringify({ token: 'repository:app:pull#0' }))
      else response.writeHead(404).end()
    })
    const hook: Hook = (request, next) => {
      if (/blobs/.test(request.path)) return redirects(() => `${store.url}blob`)(request, next)
      if (request.path === '/token') return redirects(() => `${store.url}token`)(request, next)
      return tokenAuth({ user: ['me', 'secret'] })(request, next)
    }
    const { registry, source } = await login(hook, password('me', 'secret'))
    await failureOf(source.resolve('app', 'latest'))
    await failureOf(source.open('app', IMAGE.root, { kind: 'blob' }))
    expect(registry.log.some(({ headers }) => headers['authorization']?.startsWith('Basic'))).toBe(true)
    expect(store.requests.length).toBeGreaterThan(1)
    expect(store.requests.map(({ headers }) => headers.authorization)).toEqual(store.requests.map(() => undefined))
  })
})

describe('a refusal', () => {
  test('of anonymous users says where was looked and how to log in', async () => {
    const { registry, source } = await openRegistry({}, { registry: { hook: basicAuth('me', 'secret') } })
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error).toMatchObject({
      code: 'unauthorized',
      side: 'source',
      message: `${registry.host} does not show app to anonymous users: it does not exist, or needs a login`,
    })
    expect(error.hint).toContain(`docker login ${registry.host}`)
    expect(error.hint).toContain('/nowhere/.docker/config.json, /nowhere/.config/containers/auth.json')
  })

  test('of wrong credentials names their file and not their content', async () => {
    for (const hook of [basicAuth('me', 'right'), tokenAuth({ user: ['me', 'right'] })]) {
      const { registry, source } = await login(hook, password('me', 'wrong-secret'))
      const error = await failureOf(source.resolve('app', 'latest'))
      expect(error).toMatchObject({ code: 'unauthorized', side: 'source' })
      expect(error.message).toMatch(/refuses .*credentials from .*auth\.json/)
      expect(error.hint).toContain(`docker login ${registry.host}`)
      expect(`${error.stack}${String(error.cause)}`).not.toMatch(/wrong-secret|bWU6/)
    }
  })

  test('of a password that was good before costs no second try', async () => {
    const hook: Hook = (request, next) => basicAuth('me', request.earlier < 2 ? 'old' : 'new')(request, next)
    const { registry, source } = await login(hook, password('me', 'old'))
    await source.resolve('app', 'latest')
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'unauthorized' })
    expect(registry.log.map(({ status }) => status)).toEqual([401, 200, 401])
  })

  test('that does not end ends here: a 401 for every token', async () => {
    const { registry, source } = await openRegistry({}, { registry: { hook: tokenAuth({ uses: 0 }) } })
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error).toMatchObject({ code: 'unauthorized' })
    expect(registry.lines()).toEqual([
      'HEAD /v2/app/manifests/latest 401',
      'GET /token 200',
      'HEAD /v2/app/manifests/latest 401',
    ])
  })

  test('by 403 is one too', async () => {
    const { registry, source } = await openRegistry({}, { registry: { hook: fails(403) } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'unauthorized' })
    expect(registry.log.map(({ method }) => method)).toEqual(['HEAD', 'GET'])
  })

  test.each([
    ['Negotiate', 'unsupported', 'wants to be logged in to by negotiate'],
    [undefined, 'unauthorized', 'does not say how to log in'],
  ])('by a scheme that nobody knows is told: %s', async (scheme, code, message) => {
    const hook: Hook = () => {
      const answer = apiError(401, 'UNAUTHORIZED', 'no')
      return scheme === undefined ? answer : { ...answer, headers: { ...answer.headers, 'www-authenticate': scheme } }
    }
    const { source } = await openRegistry({}, { registry: { hook } })
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
  })

  test('is noticed before anything is asked where the named file is missing', async () => {
    const { registry, source } = await openRegistry({ latest: IMAGE }, { source: { authFile: '/nowhere/auth.json' } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'usage' })
    expect(registry.log).toEqual([])
  })
})

describe('a token server', () => {
  const accept = (realm: string | undefined, registry: string): unknown => parseRealm(realm, new URL(registry)).href

  test.each([
    ['https://auth.example/token', 'https://registry.example'],
    ['https://auth.example/token', 'http://registry.example'],
    ['http://auth.example/token', 'http://registry.example'],
    ['http://127.0.0.1:1/token', 'http://127.0.0.1:5000'],
    ['http://localhost:1/token', 'http://10.0.0.1:5000'],
    ['https://10.0.0.1/token', 'https://192.168.0.1'],
  ])('%s is trusted by %s', (realm, registry) => {
    expect(accept(realm, registry)).toBe(realm)
  })

  test.each([
    ['http://auth.example/token', 'https://registry.example'],
    ['ftp://auth.example/token', 'http://registry.example'],
    ['/token', 'https://registry.example'],
    [undefined, 'https://registry.example'],
    ['https://127.0.0.1/token', 'https://registry.example'],
    ['https://localhost/token', 'https://registry.example'],
    ['https://[::1]/token', 'https://registry.example'],
    ['https://169.254.169.254/latest', 'https://registry.example'],
    ['http://10.0.0.1/token', 'http://registry.example'],
    ['https://0x7f000001/token', 'https://8.8.8.8'],
  ])('%s is not trusted by %s', (realm, registry) => {
    expect(() => accept(realm, registry)).toThrow(/token server/)
  })

  test('that is not trusted gets no request', async () => {
    const evil = await startServer((_, response) => response.end())
    const hook = sendsHeaders({ 'www-authenticate': `Bearer realm="ftp://127.0.0.1:${evil.port}/"` })
    const { source } = await openRegistry({}, { registry: { hooks: [hook], hook: tokenAuth() } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'bad-answer', side: 'source' })
    expect(evil.requests).toEqual([])
  })
})

test('a body that is read is the one of the second try', async () => {
  const { source } = await login(tokenAuth(), {})
  expect(await read(await source.open('app', IMAGE.root, { kind: 'manifest' }))).toHaveLength(IMAGE.root.size)
})
