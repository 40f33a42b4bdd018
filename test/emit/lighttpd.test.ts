import { describe, expect, test } from 'vitest'
import { lighttpd } from '../../src/emit/lighttpd.ts'
import { luaString } from '../../src/emit/lua-text.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { headersOf, type Route, type RouteFamily } from '../../src/tree/route.ts'
import { FAMILIES } from '../../src/tree/routes.ts'
import { emittedFiles, route, routeTable } from '../contract/emitter-routes.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const WIDGET = 'application/vnd.example.widget.v3+json'
const TAGS = [route('app', 'tag', '1.0', OCI_INDEX, SHA256), route('a/b', 'tag', 'x', WIDGET, SHA256)]
const FILES = [
  'lighttpd/scripts/registry.lua',
  'lighttpd/scripts/headers.lua',
  'lighttpd/snippets/registry.conf',
  'lighttpd/lighttpd.conf',
]

describe('options of lighttpd', () => {
  test('reach the configuration and the scripts quoted', async () => {
    const options = { 'web-root': '/srv/with space/(é);@', port: '80' }
    const config = await emit('lighttpd/lighttpd.conf', options)
    expect(config).toContain('server.port = 80\n')
    expect(config).toContain('server.document-root = "/srv/with space/(é);@/v2"\n')
    expect(config).toContain('( "/srv/with space/(é);@/lighttpd/scripts/registry.lua" )')
    const script = await emit('lighttpd/scripts/registry.lua', options)
    expect(script).toContain('local root = "/srv/with space/(é);@"\n')
    expect(script).toContain('local links = "/srv/with space/(é);@/lighttpd/links/"\n')
  })

  test('a web root of "/" gives no double slash', async () => {
    for (const file of FILES) expect(await emit(file, { 'web-root': '/' }), file).not.toMatch(/"\/\/[^"]/)
  })

  test('the snippet loads, listens to and hides nothing', async () => {
    const text = await emit('lighttpd/snippets/registry.conf', {})
    expect(text).not.toMatch(/server\.(?:modules|port|document-root|errorfile-prefix|http-parseopts)/)
    expect(text).not.toContain('nothing.lua')
    // What the user has attached stays.
    expect(text.match(/magnet\.\S+ \S+/g)).toEqual([
      'magnet.attract-physical-path-to +=',
      'magnet.attract-response-start-to +=',
    ])
  })
})

describe('headers of lighttpd', () => {
  test('come from the route table', async () => {
    const changed = FAMILIES.map(
      (family): RouteFamily => ({
        ...family,
        headers: { ...headersOf(family.kind, 'a/b', '{digest}'), 'X-Own': 'a "quoted" \\' },
      }),
    )
    const text = await emit('lighttpd/scripts/headers.lua', {}, changed)
    expect(text).toContain('["ETag"] = "\\"{digest}\\""')
    expect(text).toContain('["X-Own"] = "a \\"quoted\\" \\\\"')
    expect(text).toMatch(/local names = \{[^}]*"X-Own",/)
  })

  test('a value that would end its line is refused', () => {
    for (const text of ['a\nb', 'a\rb', 'a\0b']) expect(() => luaString(text)).toThrow(TypeError)
  })
})

describe('links of lighttpd', () => {
  test('a tag is a small file that names its digest, in a folder that is the media type', () => {
    const named = `application:vnd.oci.image.index.v1+json/${SHA256}`
    expect(links(route('app', 'tag', '1.0', OCI_INDEX, SHA256))).toEqual([
      { type: 'link', path: `lighttpd/links/app:/${named}`, to: 'v2/app/manifests/1.0', digest: SHA256 },
      { type: 'text', path: 'lighttpd/links/app:/1.0', text: `${named}\n` },
    ])
  })

  test('a digest of other than the usual types has a small file that says so, a blob has none', () => {
    expect(links(route('a/b', 'manifest', SHA256, WIDGET, SHA256)).at(-1)).toEqual({
      type: 'text',
      path: `lighttpd/links/a/b:/${SHA256}`,
      text: `application:vnd.example.widget.v3+json/${SHA256}\n`,
    })
    expect(links(route('app', 'blob', SHA256, 'application/octet-stream', SHA256))).toEqual([])
  })
})

test('the configuration of lighttpd is the same whatever the tree holds', async () => {
  for (const path of FILES) {
    expect(await emit(path, {}), path).not.toBe('')
    expect(await emit(path, {}, FAMILIES, TAGS), path).toBe(await emit(path, {}))
  }
})

test('lighttpd is restarted where its configuration changed: scripts and links are read at each request', () => {
  expect(lighttpd.reload?.({}, ['lighttpd/lighttpd.conf', 'lighttpd/links'])).toContain('restart')
  expect(lighttpd.reload?.({}, ['lighttpd/scripts/registry.lua', 'lighttpd/links'])).toBeUndefined()
})

function links(entry: Route): readonly unknown[] {
  return [...(lighttpd.farm?.links(entry) ?? [])]
}

async function emit(
  wanted: string,
  options: Readonly<Record<string, string>>,
  families: readonly RouteFamily[] = FAMILIES,
  routes: readonly Route[] = [],
): Promise<string> {
  return (await emittedFiles(lighttpd, { ...routeTable(routes), families }, options)).get(wanted) ?? ''
}
