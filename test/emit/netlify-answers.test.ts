import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import type { Route } from '../../src/tree/route.ts'
import { createRouteTable } from '../../src/tree/routes.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { answerOf, type HeaderPath, type Site } from '../support/netlify-rules.ts'

const SPELLINGS: readonly HeaderPath[] = ['asked', 'rewritten']
const NOWHERE = `sha256:${'0'.repeat(64)}`

describe('by the documented meaning of the rules', () => {
  let root: string
  let tree: ServingTree
  let site: Site
  let routes: readonly Route[]

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'registrish-netlify-'))
    tree = writeServingTree(root)
    await rebuildDocuments(root)
    await expect(emitHosts(openTree(root), [{ name: 'netlify' }])).rejects.toMatchObject({
      code: 'limit',
      message: expect.stringContaining('differ only by case'),
    })
    // Two that differ in type go, one more comes that differs from `latest` by case, digest and not type.
    const manifests = join(root, 'v2/app/manifests')
    for (const tag of ['RC1', 'LATEST']) rmSync(join(manifests, tag))
    copyFileSync(join(manifests, 'nested'), join(manifests, 'Latest'))
    await rebuildDocuments(root)
    const table = createRouteTable(openTree(root))
    const found: Route[] = []
    for await (const route of table.routes()) found.push(route)
    routes = found
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    site = publish(root)
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  test.for(SPELLINGS)(
    'every route is answered with its file, type and cache life, rules seeing the path %s',
    spelling => {
      expect(routes.length).toBeGreaterThan(150)
      for (const route of routes) {
        const { status, file, headers } = answerOf(site, route.path, spelling)
        expect({ path: route.path, status, file }).toEqual({ path: route.path, status: 200, file: fileOf(route) })
        for (const [name, value] of Object.entries(route.headers)) {
          if (name === 'ETag' || name === 'Docker-Content-Digest') continue
          expect(headers[name.toLowerCase()], `${name} of ${route.path}`).toBe(value)
        }
        expect(headers).not.toHaveProperty('etag')
      }
    },
  )

  test.for(SPELLINGS)('the digest is that of the bytes wherever it is said, rules seeing the path %s', spelling => {
    const silent: string[] = []
    for (const { path, kind, digest } of routes) {
      const said = answerOf(site, path, spelling).headers['docker-content-digest']
      if (kind !== 'tag' && kind !== 'manifest') expect(said, path).toBeUndefined()
      else if (said === undefined) silent.push(path)
      else expect(said, path).toBe(digest)
    }
    expect(silent).toEqual(['/v2/app/manifests/Latest', '/v2/app/manifests/latest'])
  })

  test('referrers of a digest that nothing refers to are the empty list', () => {
    for (const { repository = '' } of routes.filter(({ kind }) => kind === 'tags')) {
      for (const spelling of SPELLINGS) {
        const { status, file, headers } = answerOf(site, `/v2/${repository}/referrers/${NOWHERE}`, spelling)
        expect({ status, file }).toEqual({ status: 200, file: '/referrers.json' })
        expect(headers['content-type']).toBe('application/vnd.oci.image.index.v1+json')
      }
    }
  })

  test.for([
    '/v2/app/manifests/nothing',
    '/v2/app/manifests/lAtEsT',
    `/v2/app/blobs/${NOWHERE}`,
    '/v2/app/blobs/',
    '/v2/nobody/manifests/latest',
    '/v2/app/nested/tags/list',
    '/v2/app/referrers/',
    '/v2/other/manifests',
    '/v2/other/manifests/',
    '/V2/',
    '/v1/_ping',
    '/nothing',
  ])('%s is 404', path => {
    for (const spelling of SPELLINGS) {
      const { status, file } = answerOf(site, path, spelling)
      expect({ status, file }).toEqual({ status: 404, file: '/404.html' })
    }
  })

  test('a tag like a page answers for its folder too, as is warned of', () => {
    expect(answerOf(site, '/v2/app/manifests/', 'asked').file).toBe('/v2/app/manifests/index.html')
  })

  test('the fixture has what the rules must tell apart', () => {
    expect(tree.tags.get('app')).toEqual(expect.arrayContaining(['latest', 'latest.html', 'index.html', 'x.js']))
    expect([...tree.tags.keys()]).toEqual(expect.arrayContaining(['v2', 'a/v2/b', 'app/nested/deep']))
  })
})

/** The file that a route must be answered with, as it stands on the site. */
function fileOf({ kind, path, digest }: Route): string {
  if (kind === 'version') return '/v2/index.json'
  return kind === 'blob' ? `/pool/${digest}` : path
}

/** What Netlify would have: the folder that is published. */
function publish(root: string): Site {
  const folder = join(root, 'netlify/site')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter(entry => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length))
  const served = files.filter(path => path !== '/_headers' && path !== '/_redirects')
  return { headers: read('_headers'), redirects: read('_redirects'), files: new Set(served) }
}
