import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { apache } from '../../src/emit/apache.ts'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import { DOCKER_MANIFEST, OCI_INDEX } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { headersOf, type Route, type RouteFamily } from '../../src/tree/route.ts'
import { FAMILIES } from '../../src/tree/routes.ts'
import { emittedFiles, route, routeTable } from '../contract/emitter-routes.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

const SHA256 = `sha256:${'a'.repeat(64)}`
const SHA512 = `sha512:${'b'.repeat(128)}`
const WIDGET = 'application/vnd.example.widget.v3+json'
const TAGS = [route('app', 'tag', '1.0', OCI_INDEX, SHA256), route('a/b', 'tag', 'x', WIDGET, SHA256)]

describe('options of apache', () => {
  test('reach the configuration quoted, and only where they belong', async () => {
    const text = await emit('apache/registry.conf', { 'web-root': '/srv/with space/(x);@', port: '80' })
    expect(text).toContain('<Directory "/srv/with space/(x);@/v2">')
    expect(text).toContain('Listen 80\n')
    expect(text).toContain('<VirtualHost *:80>')
    const places = [...text.matchAll(/(.{2})\/srv\/with space\/\(x\);@/g)].map(([, before]) => before)
    expect(new Set(places)).toEqual(new Set([' "', "('"]))
    expect(text.match(/\[[^\]]*E=[^\]]*\]/g)?.join()).not.toContain('with space')
  })

  test('a web root of "/" gives no double slash', async () => {
    const text = await emit('apache/registry.conf', { 'web-root': '/' })
    expect(text).toContain('<Directory "/v2">')
    expect(text).not.toContain('"//')
    expect(text).not.toContain("'//")
  })

  test('the snippet listens to nothing and leaves all but /v2 alone', async () => {
    const text = await emit('apache/snippets/locations.conf', {})
    expect(text).not.toMatch(/^\s*(?:Listen|<VirtualHost|DocumentRoot|TraceEnable)/m)
    const patterns = [...text.matchAll(/^RewriteRule "([^"]*)"/gm)].map(([, pattern]) => pattern)
    expect(patterns.length).toBeGreaterThan(10)
    for (const pattern of patterns) expect(pattern).toMatch(/^\^\/v2/)
    for (const line of text.replace(/^<(\w+).*\n(?:(?: .*)?\n)*<\/\1>/gm, '').split('\n'))
      expect(line).toMatch(/^(?:$|#|Rewrite(?:Engine|Cond|Rule) )/)
  })
})

describe('headers of apache', () => {
  test('come from the route table', async () => {
    const changed = FAMILIES.map(
      (family): RouteFamily => ({
        ...family,
        headers: { ...headersOf(family.kind, 'a/b', '{digest}'), 'X-Own': 'yes' },
      }),
    )
    const lines = (await emit('apache/registry.conf', {}, changed)).split('\n').map(line => line.trim())
    expect(lines).toContain('Header set X-Own "yes" env=REGISTRISH_KIND')
    expect(lines).toContain('Header set ETag "\\"%{REGISTRISH_DIGEST}e\\"" env=REGISTRISH_KIND')
  })

  test('a value that Apache would read as more than a text is refused', async () => {
    const changed = FAMILIES.map((family): RouteFamily => ({ ...family, headers: { 'X-Own': '%{PATH}e' } }))
    await expect(emit('apache/registry.conf', {}, changed)).rejects.toThrow(TypeError)
  })
})

describe('links of apache', () => {
  test('a tag is a small file that names its digest, in a folder that is the media type', () => {
    const named = `application:vnd.oci.image.index.v1+json/${SHA256}`
    expect(links(route('app', 'tag', '1.0', OCI_INDEX, SHA256))).toEqual([
      { type: 'link', path: `apache/links/app:/${named}`, to: 'v2/app/manifests/1.0', digest: SHA256 },
      { type: 'text', path: 'apache/links/app:/1.0', text: `${named}\n` },
    ])
  })

  test('a digest of a usual type needs no more than its folder', () => {
    expect(links(route('a/b', 'manifest', SHA512, DOCKER_MANIFEST, SHA512)).map(({ path }) => path)).toEqual([
      `apache/links/a/b:/application:vnd.docker.distribution.manifest.v2+json/${SHA512}`,
    ])
  })

  test('a digest of another type has a small file that says so', () => {
    expect(links(route('app', 'manifest', SHA256, WIDGET, SHA256)).at(-1)).toEqual({
      type: 'text',
      path: `apache/links/app:/${SHA256}`,
      text: `application:vnd.example.widget.v3+json/${SHA256}\n`,
    })
  })

  test('a blob has none', () => {
    expect(links(route('app', 'blob', SHA256, 'application/octet-stream', SHA256))).toEqual([])
  })

  test('the answers that the tree has no file for are there, and come back', async () => {
    const root = await makeTemporaryFolder()
    await writeTree(root, 'app', { latest: await makeImage() })
    await emitHosts(openTree(root), [{ name: 'apache' }])
    const folder = join(root, 'apache/links/:')
    expect(readdirSync(folder).sort()).toEqual(['405', 'referrers', 'version'])
    expect(readFileSync(join(folder, 'version'), 'utf8')).toBe('{}')
    rmSync(join(folder, 'version'))
    await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(readdirSync(folder).sort()).toEqual(['405', 'referrers', 'version'])
    await refreshHosts(openTree(root))
    expect(readdirSync(folder).sort()).toEqual(['405', 'referrers', 'version'])
  })
})

test('the configuration of apache is the same whatever the tree holds', async () => {
  for (const path of ['apache/registry.conf', 'apache/snippets/locations.conf'])
    expect(await emit(path, {}, FAMILIES, TAGS)).toBe(await emit(path, {}))
})

test('apache reads its configuration anew where that changed, and nothing where links did', () => {
  expect(apache.reload?.({}, ['apache/registry.conf', 'apache/links'])).toBe('apachectl graceful')
  expect(apache.reload?.({}, ['apache/links'])).toBeUndefined()
})

function links(entry: Parameters<NonNullable<typeof apache.farm>['links']>[0]): { path: string }[] {
  return [...(apache.farm?.links(entry) ?? [])]
}

async function emit(
  wanted: string,
  options: Readonly<Record<string, string>>,
  families: readonly RouteFamily[] = FAMILIES,
  routes: readonly Route[] = [],
): Promise<string> {
  return (await emittedFiles(apache, { ...routeTable(routes), families }, options)).get(wanted) ?? ''
}
