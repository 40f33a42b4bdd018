import { describe, expect, test } from 'vitest'
import { nginx } from '../../src/emit/nginx.ts'
import { DOCKER_MANIFEST, OCI_INDEX } from '../../src/oci/media-types.ts'
import { route, routeTable, textOf } from '../contract/emitter-routes.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const SHA512 = `sha512:${'b'.repeat(128)}`
const WIDGET = 'application/vnd.example.widget.v3+json'

describe('options of nginx', () => {
  test.for([
    ['/srv/registrish', '/srv/registrish'],
    ['/srv/registrish/', '/srv/registrish'],
    ['/', '/'],
    ['/srv/with space/(x);@', '/srv/with space/(x);@'],
  ])('--web-root %j is %j', ([text = '', value]) => {
    expect(parse('web-root', text)).toBe(value)
  })

  test.for([
    '',
    'srv',
    './x',
    '~/x',
    '/a/../b',
    '/a/.',
    '/a//b',
    '/a$b',
    '/a"b',
    "/a'b",
    '/a\\b',
    '/a\nb',
    '/a\u0000b',
    '/a\u007fb',
    '/a%{b}',
    '/a{b}',
    '/a*',
    '/a[b]',
    '/a#b',
    '/a`b',
    '/a|b',
  ])('--web-root %j is refused', text => {
    expect(() => parse('web-root', text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  test.for(['0', '65536', '-1', '80 default_server', '80;', '0x50', '', '8080 ', '127.0.0.1:80'])(
    '--port %j is refused',
    text => {
      expect(() => parse('port', text)).toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )

  test('reach the configuration quoted, and only where they belong', async () => {
    const text = await emitServer({ 'web-root': '/srv/with space/(x);@', port: '80' })
    expect(text).toContain('root "/srv/with space/(x);@";')
    expect(text).toContain('disable_symlinks on "from=/srv/with space/(x);@/v2";')
    expect(text).toContain('listen 80;')
    expect(text.split('with space').length - 1).toBe(
      text.split('"/srv/with space').length - 1 + text.split('"from=/srv/with space').length - 1,
    )
  })

  test('a web root of "/" gives no double slash', async () => {
    const text = await emitServer({ 'web-root': '/' })
    expect(text).toContain('root "/";')
    expect(text).not.toContain('"//')
  })
})

describe('links of nginx', () => {
  test('a tag points to its digest, in a folder that is the media type', () => {
    expect(links(route('app', 'tag', '1.0', OCI_INDEX, SHA256))).toEqual([
      {
        type: 'link',
        path: `nginx/links/app:/application:vnd.oci.image.index.v1+json/${SHA256}`,
        to: 'v2/app/manifests/1.0',
        digest: SHA256,
      },
      {
        type: 'symlink',
        path: 'nginx/links/app:/1.0',
        to: `nginx/links/app:/application:vnd.oci.image.index.v1+json/${SHA256}`,
      },
    ])
  })

  test('a digest of a usual type needs no more than its folder', () => {
    expect(links(route('a/b', 'manifest', SHA512, DOCKER_MANIFEST, SHA512))).toEqual([
      {
        type: 'link',
        path: `nginx/links/a/b:/application:vnd.docker.distribution.manifest.v2+json/${SHA512}`,
        to: `v2/a/b/manifests/${SHA512}`,
        digest: SHA512,
      },
    ])
  })

  test('a digest of another type has a link that says so', () => {
    expect(links(route('app', 'manifest', SHA256, WIDGET, SHA256)).at(-1)).toEqual({
      type: 'symlink',
      path: `nginx/links/app:/${SHA256}`,
      to: `nginx/links/app:/application:vnd.example.widget.v3+json/${SHA256}`,
    })
  })

  test('a blob has none', () => {
    expect(links(route('app', 'blob', SHA256, 'application/octet-stream', SHA256))).toEqual([])
  })
})

function parse(name: string, text: string): string | undefined {
  return nginx.options.find(option => option.name === name)?.parse(text)
}

function links(entry: Parameters<NonNullable<typeof nginx.farm>['links']>[0]): unknown[] {
  return [...(nginx.farm?.links(entry) ?? [])]
}

async function emitServer(options: Readonly<Record<string, string>>): Promise<string> {
  let text = ''
  for await (const { path, chunks } of nginx.emit(routeTable([]), options))
    if (path === nginx.marker) text = await textOf(chunks)
  return text
}
