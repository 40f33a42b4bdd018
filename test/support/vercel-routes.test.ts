import { describe, expect, test } from 'vitest'
import { deploy, READINGS, type Reading, type VercelAnswer } from './vercel-routes.ts'

const [FIRST, LAST] = (['first', 'last'] as const).map(headers => ({ headers, hit: 'file' as const })) as [
  Reading,
  Reading,
]

/** Each by the sentence of the documentation, or the lines of the source, that it is the reading of. */
describe('a deployment by Vercel’s documentation', () => {
  test('serves files at their paths, with the type of their ending ("Static files")', () => {
    const answer = ask({ files: ['a/b.json', 'plain'] })
    expect(answer('GET', '/a/b.json')).toMatchObject({ status: 200, body: bytes('a/b.json') })
    expect(answer('GET', '/a/b.json').headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(answer('GET', '/plain').headers.get('content-type')).toBe('application/octet-stream')
    expect(answer('GET', '/a')).toMatchObject({ status: 404, body: undefined })
  })

  test('serves index.html for its folder ("Static files")', () => {
    expect(ask({ files: ['a/index.html'] })('GET', '/a/').status).toBe(200)
  })

  test('overrides the type, and the path that a file is "accessible from" ("overrides")', () => {
    const answer = ask({
      files: ['blog.html', 'data'],
      overrides: { 'blog.html': { path: 'blog' }, data: { contentType: 'a/b' } },
    })
    expect(answer('GET', '/blog').status).toBe(200)
    expect(answer('GET', '/blog.html').status).toBe(404)
    expect(answer('GET', '/data').headers.get('content-type')).toBe('a/b')
  })

  test('embeds captures as $1 and $name in dest ("dest") and in headers (resolver.ts, replace_groups)', () => {
    const routes = [{ src: '^/x/(.*)/(?<name>.*)$', dest: '/$1', headers: { a: '$1:$name' } }]
    const { status, headers } = ask({ files: ['f'], routes })('GET', '/x/f/g')
    expect([status, headers.get('a')]).toEqual([200, 'f:g'])
  })

  test('stops at a route that matches, unless it says continue ("continue")', () => {
    const one = { src: '^/f$', headers: { a: '1' } }
    const two = { src: '^/f$', headers: { b: '2' } }
    expect([...ask({ files: ['f'], routes: [one, two] })('GET', '/f').headers.keys()]).toEqual(['content-type', 'a'])
    const both = ask({ files: ['f'], routes: [{ ...one, continue: true }, two] })('GET', '/f').headers
    expect([...both.keys()]).toEqual(['content-type', 'a', 'b'])
  })

  test('gives a header its first value (resolver.ts) or its last (router.ts)', () => {
    const routes = [
      { src: '^/f$', headers: { A: '1' }, continue: true },
      { src: '^/f$', headers: { a: '2' } },
    ]
    expect(ask({ files: ['f'], routes, reading: FIRST })('GET', '/f').headers.get('a')).toBe('1')
    expect(ask({ files: ['f'], routes, reading: LAST })('GET', '/f').headers.get('a')).toBe('2')
  })

  test('looks at case only where it is told to ("caseSensitive"), and at methods ("methods")', () => {
    const blind = ask({ files: ['f'], routes: [{ src: '^/G$', dest: '/f' }] })
    const seeing = ask({ files: ['f'], routes: [{ src: '^/G$', dest: '/f', caseSensitive: true }] })
    expect([blind('GET', '/g').status, seeing('GET', '/g').status, seeing('GET', '/G').status]).toEqual([200, 404, 200])
    const write = ask({ files: ['f'], routes: [{ src: '^/f$', methods: ['POST'], status: 405 }] })
    expect([write('POST', '/f').status, write('GET', '/f').status]).toEqual([405, 200])
  })

  test('checks routes after "filesystem" where there was no file, with the path that is left ("Handler route")', () => {
    const routes = [
      { src: '^/g$', dest: '/nothing' },
      { handle: 'filesystem' },
      { src: '^/nothing$', dest: '/f' },
      { src: '^/f$', dest: '/g' },
    ]
    const answer = ask({ files: ['f'], routes })
    expect(answer('GET', '/g').body).toEqual(bytes('f'))
    expect(answer('GET', '/f').body).toEqual(bytes('f'))
  })

  test('checks routes after "hit" only where there was a file (resolver.ts: matched_output)', () => {
    const routes = [
      { src: '^/g$', dest: '/f' },
      { handle: 'hit' },
      { src: '^/f$', headers: { a: 'file' }, continue: true },
      { src: '^/g$', headers: { a: 'asked' }, continue: true },
    ]
    const value = (path: string, hit: Reading['hit']): string | undefined =>
      ask({ files: ['f'], routes, reading: { headers: 'first', hit } })('GET', path).headers.get('a')
    expect([value('/g', 'file'), value('/g', 'request'), value('/x', 'file')]).toEqual(['file', 'asked', undefined])
  })

  test('checks routes after "error" where there is nothing, those of that status ("Handler route"; resolver.ts)', () => {
    const routes = [
      { handle: 'error' },
      { src: '^/.*$', status: 500, dest: '/500' },
      { src: '^/.*$', status: 404, dest: '/404' },
    ]
    expect(ask({ files: ['404', '500'], routes })('GET', '/x')).toMatchObject({ status: 404, body: bytes('404') })
  })

  test.for<[string, readonly object[]]>([
    ['a word that no route has', [{ src: '^/$', destinations: '/' }]],
    ['more than 4,096 characters', [{ src: `^/${'x'.repeat(4096)}$` }]],
    ['an expression that is none', [{ src: '^($' }]],
    ['a phase twice', [{ handle: 'error' }, { handle: 'error' }]],
    ['an unknown phase', [{ handle: 'nowhere' }]],
    ['a destination after hit', [{ handle: 'hit' }, { src: '^/$', dest: '/x', continue: true }]],
    ['an end after hit', [{ handle: 'hit' }, { src: '^/$', headers: { a: 'b' } }]],
    ['headers without any', [{ src: '^/$', headers: {} }]],
    ['more than 2,048 routes', Array.from({ length: 2049 }, () => ({ src: '^/$' }))],
  ])('refuses %s (schemas.ts, index.ts: normalizeRoutes)', ([, routes]) => {
    expect(() => ask({ routes })).toThrow(Error)
  })

  test('refuses what is not of version 3, and overrides of no file', () => {
    expect(() => deploy({ config: '{"version":2}', files: new Map(), reading: FIRST })).toThrow(Error)
    expect(() => ask({ overrides: { nothing: { path: 'x' } } })).toThrow(Error)
  })

  test('HEAD is GET without a body, in every reading', () => {
    for (const reading of READINGS) {
      const answer = ask({ files: ['f'], reading })
      expect(answer('HEAD', '/f')).toEqual({ ...answer('GET', '/f'), body: undefined })
    }
  })
})

interface Asked {
  readonly files?: readonly string[]
  readonly routes?: readonly object[]
  readonly overrides?: object
  readonly reading?: Reading
}

/** Files whose bytes are their paths. */
function ask({
  files = [],
  routes = [],
  overrides = {},
  reading = FIRST,
}: Asked): (method: string, path: string) => VercelAnswer {
  const config = JSON.stringify({ version: 3, routes, overrides })
  return deploy({ config, files: new Map(files.map(path => [path, bytes(path)])), reading })
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
