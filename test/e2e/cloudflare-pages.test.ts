import { lstatSync, readdirSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { JSON_TYPE } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import type { Route } from '../../src/tree/route.ts'
import { createRouteTable } from '../../src/tree/routes.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import { GREEDY } from '../contract/serving-expectations.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { headersAt, parseHeaderRules, rewrittenPath } from '../support/pages-rules.ts'
import { describeWith } from './support/suites.ts'
import { startPages, type Wrangler } from './support/wrangler.ts'

const NOWHERE = `sha256:${'0'.repeat(64)}`
const SITE = 'cloudflare-pages/site'

/** Cloudflare's own development server, whose rules are its production's, on what the emitter makes of the tree with the odd tags. */
describeWith(['wrangler'], 'wrangler pages dev', () => {
  let root: string
  let tree: ServingTree
  let server: Wrangler
  let routes: readonly Route[]
  let rules: { readonly headers: string; readonly redirects: string }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'registrish-pages-'))
    tree = writeServingTree(root)
    await emitHosts(openTree(root), [{ name: 'cloudflare-pages' }])
    routes = await readRoutes(root)
    rules = {
      headers: await readFile(join(root, SITE, '_headers'), 'utf8'),
      redirects: await readFile(join(root, SITE, '_redirects'), 'utf8'),
    }
    server = await startPages(join(root, SITE))
  })
  afterAll(async () => {
    await server.close()
    await rm(root, { recursive: true, force: true })
  })

  const send = (request: RawRequest): Promise<RawAnswer> => rawRequest(server.url, request)

  test('every route of the tree has its exact bytes and headers; only the length of HEAD, the digest of tags and the ETag are not ours', async () => {
    expect(routes.length).toBeGreaterThan(150)
    for (const route of routes) {
      const { path, mediaType, kind, headers } = route
      const bytes = await bodyOf(root, route)
      for (const method of ['GET', 'HEAD']) {
        const answer = await send({ method, path, headers: GREEDY })
        const what = `${method} ${path}`
        expect(answer.status, what).toBe(200)
        expect(decoded(answer).equals(method === 'GET' ? bytes : Buffer.alloc(0)), what).toBe(true)
        expect(answer.header('content-type'), what).toBe(mediaType)
        // Documents are compressed here whatever Cache-Control says, which production heeds; nothing that has a digest is.
        if (mediaType !== JSON_TYPE) expect(answer.header('content-encoding'), what).toBeUndefined()
        expect(answer.header('cache-control'), what).toBe(headers['Cache-Control'])
        expect(answer.header('docker-distribution-api-version'), what).toBe('registry/2.0')
        expect(answer.header('x-content-type-options'), what).toBe('nosniff')
        const digest = kind === 'tag' ? undefined : headers['Docker-Content-Digest']
        expect(answer.header('docker-content-digest'), what).toBe(digest)
        // A digest on HEAD without a length makes Docker before 29 fail: this is why tags have none.
        const lengths = method === 'HEAD' ? [undefined] : [undefined, String(bytes.length)]
        expect(lengths, what).toContain(answer.header('content-length'))
      }
    }
  })

  test('its ETag gives 304', async () => {
    for (const { path } of routes.filter(({ kind }) => kind !== 'blob').slice(0, 20)) {
      const etag = (await send({ path })).header('etag') ?? ''
      expect((await send({ path, headers: { 'If-None-Match': etag } })).status, path).toBe(304)
    }
  })

  test('what is missing is 404 in JSON with the code of what it would be', async () => {
    for (const [path, code, type] of [
      ['/v2/app/manifests/nothing', 'MANIFEST_UNKNOWN', undefined],
      ['/v2/app/manifests/lAtEsT', 'MANIFEST_UNKNOWN', undefined],
      [`/v2/app/manifests/${NOWHERE}`, 'MANIFEST_UNKNOWN', undefined],
      [`/v2/app/blobs/${NOWHERE}`, 'BLOB_UNKNOWN', 'application/octet-stream'],
      ['/v2/nobody/tags/list', 'NAME_UNKNOWN', 'application/json'],
      ['/v2/app/nested/tags/list', 'NAME_UNKNOWN', 'application/json'],
      ['/nothing', 'NAME_UNKNOWN', 'application/json'],
      ['/V2/', 'NAME_UNKNOWN', 'application/json'],
    ] as const) {
      const answer = await send({ path })
      expect(answer.status, path).toBe(404)
      expect(JSON.parse(answer.body.toString()), path).toMatchObject({ errors: [{ code }] })
      if (type !== undefined) expect(answer.header('content-type'), path).toBe(type)
      expect(answer.header('cache-control'), path).toBe('no-store')
      expect((await send({ method: 'HEAD', path })).status, path).toBe(404)
    }
  })

  test('a colon that comes as %3A finds nothing rather than something of the wrong type', async () => {
    for (const { path } of routes.filter(({ kind }) => kind === 'manifest' || kind === 'blob' || kind === 'referrers'))
      expect((await send({ path: path.replace(':', '%3A') })).status, path).toBe(404)
  })

  test('for a digest that nothing refers to there is an empty list', async () => {
    for (const digest of [NOWHERE, `sha512:${'f'.repeat(128)}`]) {
      const answer = await send({ path: `/v2/app/referrers/${digest}` })
      expect([answer.status, answer.header('content-type')]).toEqual([200, 'application/vnd.oci.image.index.v1+json'])
      expect(JSON.parse(answer.body.toString())).toMatchObject({ schemaVersion: 2, manifests: [] })
    }
  })

  test('no file beside the registry is served', async () => {
    for (const path of tree.hidden) {
      // The page for what is missing has a name of its own: the site is public, and holds nothing else.
      const { body } = await send({ path })
      expect(body.toString(), path).not.toContain(tree.secret)
    }
  })

  test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is 405 everywhere', async method => {
    for (const path of [
      '/v2/',
      '/v2/app/manifests/latest',
      '/v2/app/blobs/uploads/',
      `/v2/app/blobs/${tree.text.digest}`,
    ]) {
      const answer = await send({ method, path, body: 'x' })
      expect([answer.status, answer.body.length], path).toEqual([405, 0])
    }
  })

  test('a range is ignored, and tags/list?last= gives the whole list', async () => {
    const path = `/v2/app/blobs/${tree.text.digest}`
    const { status, body } = await send({ path, headers: { Range: 'bytes=0-9' } })
    expect([status, body.equals(tree.text.bytes)]).toEqual([200, true])
    const all = (await send({ path: '/v2/app/tags/list' })).body
    expect((await send({ path: '/v2/app/tags/list?last=latest&n=1' })).body.equals(all)).toBe(true)
  })

  test('a blob stands on the site once, whatever repositories have it, and no file is copied', () => {
    const blobs = new Set(routes.filter(({ kind }) => kind === 'blob').map(({ digest }) => digest))
    expect(filesBelow(join(root, SITE, 'blobs')).filter(path => !path.endsWith('404.html'))).toHaveLength(blobs.size)
    for (const path of filesBelow(join(root, SITE, 'blobs/sha256'))) expect(lstatSync(path).nlink).toBeGreaterThan(1)
  })

  test('the tool takes every rule, and answers as the interpreter of the other tests does', async () => {
    const parsed = parseHeaderRules(rules.headers)
    const log = await server.log()
    expect(log).toContain(`Parsed ${parsed.length} valid header rules`)
    const redirects = rules.redirects.split('\n').filter(line => line.startsWith('/')).length
    expect(log).toContain(`Parsed ${redirects} valid redirect rules`)
    expect(log).not.toMatch(/invalid|Skipping|Ignoring/)
    for (const { path } of routes) {
      const answer = await send({ method: 'HEAD', path })
      for (const [name, value] of Object.entries(headersAt(parsed, path))) expect(answer.header(name), path).toBe(value)
      expect((await send({ path: rewrittenPath(rules.redirects, path) })).status, path).toBe(200)
    }
  })
})

describeWith(['wrangler'], 'wrangler pages dev beyond its limit', () => {
  test('drops rules with a warning only, which is why emit counts them', async () => {
    const site = await mkdtemp(join(tmpdir(), 'registrish-pages-rules-'))
    const rule = (number: number): string => `/v2/${number}\n  X-Number: ${number}\n`
    await appendFile(join(site, '_headers'), Array.from({ length: 103 }, (_, number) => rule(number)).join(''))
    await appendFile(join(site, '_redirects'), '/v2/* /answer 200\n')
    await appendFile(join(site, 'answer'), '{}')
    const server = await startPages(site)
    try {
      const header = async (number: number): Promise<string | undefined> =>
        (await rawRequest(server.url, { path: `/v2/${number}` })).header('x-number')
      expect(await header(99)).toBe('99')
      // It keeps one more than is documented, which emit does not count on.
      expect(await header(100)).toBe('100')
      expect(await header(101)).toBeUndefined()
      expect(await server.log()).toContain('Skipping remaining')
    } finally {
      await server.close()
      await rm(site, { recursive: true })
    }
  })
})

function decoded(answer: RawAnswer): Buffer {
  return answer.header('content-encoding') === 'gzip' && answer.body.length > 0 ? gunzipSync(answer.body) : answer.body
}

async function readRoutes(root: string): Promise<readonly Route[]> {
  const routes: Route[] = []
  for await (const route of createRouteTable(openTree(root)).routes()) routes.push(route)
  return routes
}

async function bodyOf(root: string, { body }: Route): Promise<Buffer> {
  return 'file' in body ? readFile(join(root, body.file)) : Buffer.from(body.bytes)
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}
