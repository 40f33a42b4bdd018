import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { vercel } from '../../src/emit/vercel.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { createRouteTable } from '../../src/tree/routes.ts'
import { emittedFiles, routeTable, siteFiles } from '../contract/emitter-routes.ts'
import { SHARED_ROUTES, shorten } from '../contract/emitter-table.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { deploy, READINGS, type VercelAnswer } from '../support/vercel-routes.ts'

const NOWHERE = `sha256:${'0'.repeat(64)}`
const BLOB = 'application/octet-stream'
const JSON_TYPE = 'application/json'
const IMMUTABLE = 'public, max-age=31536000, immutable, no-transform'
const SHORT = 'public, max-age=60, no-transform'
const SITE = 'vercel/.vercel/output/static'

describe('what Vercel gets', () => {
  test('is a route for each image with tags, few for all else, and the type of each file', async () => {
    const text = (await emittedFiles(vercel, routeTable(SHARED_ROUTES))).get('vercel/.vercel/output/config.json') ?? ''
    expect(shorten(text)).toMatchInlineSnapshot(`
      "{
        "version": 3,
        "routes": [
          {"src":"^/.*$","caseSensitive":true,"methods":["POST","PUT","PATCH","DELETE"],"status":405,"dest":"/405.json","headers":{"Content-Type":"application/json","Cache-Control":"no-store","Docker-Distribution-API-Version":"registry/2.0","X-Content-Type-Options":"nosniff","Allow":"GET, HEAD"}},
          {"src":"^/v2(?:/.*)?$","caseSensitive":true,"headers":{"Docker-Distribution-API-Version":"registry/2.0","X-Content-Type-Options":"nosniff"},"continue":true},
          {"src":"^/v2/?$","caseSensitive":true,"dest":"/version.json"},
          {"src":"^/v2/[a-z0-9][a-z0-9._/-]*/blobs/(sha256|sha512)(?::|%3[Aa])([0-9a-f]{64}|[0-9a-f]{128})$","caseSensitive":true,"dest":"/blobs/$1/$2"},
          {"src":"^/v2/([a-z0-9][a-z0-9._/-]*)/(manifests|referrers)/(sha256|sha512)(?::|%3[Aa])([0-9a-f]{64}|[0-9a-f]{128})$","caseSensitive":true,"dest":"/digests/$1/$2/$3/$4"},
          {"src":"^/v2/([a-z0-9][a-z0-9._/-]*)/manifests/([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$","caseSensitive":true,"dest":"/tags/$1/manifests/$2/manifest"},
          {"handle":"filesystem"},
          {"src":"^/(?:v2|digests)/[a-z0-9][a-z0-9._/-]*/referrers/(sha256|sha512)(?::|%3[Aa]|/)([0-9a-f]{64}|[0-9a-f]{128})$","caseSensitive":true,"dest":"/referrers.json"},
          {"handle":"hit"},
          {"src":"^/(?:v2/[a-z0-9][a-z0-9._/-]*/)?blobs/(sha256|sha512)(?::|%3[Aa]|/)([0-9a-f]{64}|[0-9a-f]{128})$","caseSensitive":true,"headers":{"Content-Type":"application/octet-stream","Docker-Content-Digest":"$1:$2","Cache-Control":"public, max-age=31536000, immutable, no-transform"},"continue":true},
          {"src":"^/(?:v2|digests)/[a-z0-9][a-z0-9._/-]*/manifests/(sha256|sha512)(?::|%3[Aa]|/)([0-9a-f]{64}|[0-9a-f]{128})$","caseSensitive":true,"headers":{"Docker-Content-Digest":"$1:$2","Cache-Control":"public, max-age=31536000, immutable, no-transform"},"continue":true},
          {"src":"^/(?:v2/?|version[.]json|referrers[.]json|v2/_catalog|v2/[a-z0-9][a-z0-9._/-]*/tags/list|(?:v2|digests)/[a-z0-9][a-z0-9._/-]*/referrers/(sha256|sha512)(?::|%3[Aa]|/)([0-9a-f]{64}|[0-9a-f]{128})|(?:v2|tags)/[a-z0-9][a-z0-9._/-]*/manifests/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(?:/manifest)?)$","caseSensitive":true,"headers":{"Cache-Control":"public, max-age=60, no-transform"},"continue":true},
          {"src":"^/(?:v2|tags)/(?:app/manifests/(?:latest|1[.]0)|team/t[.]ool/manifests/same)(?:/manifest)?$","caseSensitive":true,"headers":{"Docker-Content-Digest":"sha256:<a>"},"continue":true},
          {"src":"^/(?:v2|tags)/team/t[.]ool/manifests/1[.]0[.]gz(?:/manifest)?$","caseSensitive":true,"headers":{"Docker-Content-Digest":"sha256:<b>"},"continue":true},
          {"handle":"error"},
          {"src":"^/.*$","caseSensitive":true,"status":404,"dest":"/404.json","headers":{"Content-Type":"application/json","Cache-Control":"no-store","Docker-Distribution-API-Version":"registry/2.0","X-Content-Type-Options":"nosniff"}}
        ],
        "overrides": {
          "referrers.json": {"contentType":"application/vnd.oci.image.index.v1+json"},
          "tags/app/manifests/latest/manifest": {"contentType":"application/vnd.oci.image.index.v1+json"},
          "tags/app/manifests/1.0/manifest": {"contentType":"application/vnd.oci.image.index.v1+json"},
          "digests/app/manifests/sha256/<a>": {"contentType":"application/vnd.oci.image.index.v1+json"},
          "digests/app/manifests/sha512/<c>": {"contentType":"application/vnd.oci.image.index.v1+json"},
          "tags/team/t.ool/manifests/1.0.gz/manifest": {"contentType":"application/vnd.docker.distribution.manifest.v2+json"},
          "tags/team/t.ool/manifests/same/manifest": {"contentType":"application/vnd.oci.image.index.v1+json"}
        }
      }
      "
    `)
  })

  test('is files, each blob once, none with a colon or the name of a tag', async () => {
    const files = await siteFiles(vercel, routeTable(SHARED_ROUTES))
    const links = files.flatMap(file => ('to' in file ? [`${file.path.slice(SITE.length)} <- ${file.to}`] : []))
    expect(links.map(line => line.replaceAll(/[abc]{64,}/g, hex => `<${hex[0]}>`))).toEqual([
      '/blobs/sha256/<b> <- v2/app/blobs/sha256:<b>',
      '/tags/app/manifests/latest/manifest <- v2/app/manifests/latest',
      '/tags/app/manifests/1.0/manifest <- v2/app/manifests/1.0',
      '/digests/app/manifests/sha256/<a> <- v2/app/manifests/sha256:<a>',
      '/digests/app/manifests/sha512/<c> <- v2/app/manifests/sha512:<c>',
      '/tags/team/t.ool/manifests/1.0.gz/manifest <- v2/team/t.ool/manifests/1.0.gz',
      '/tags/team/t.ool/manifests/same/manifest <- v2/team/t.ool/manifests/same',
    ])
    expect(files.filter(({ path }) => path.includes(':'))).toEqual([])
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length)
  })

  test('hides itself from git', async () => {
    expect((await emittedFiles(vercel, routeTable([]))).get('vercel/.gitignore')).toBe('*\n')
  })
})

describe.each(READINGS)('by Vercel’s documentation, headers: $headers, hit: $hit', reading => {
  let tree: ServingTree
  let ask: (method: string, path: string) => VercelAnswer

  beforeAll(async () => {
    const root = await mkdtemp(join(tmpdir(), 'registrish-vercel-'))
    tree = writeServingTree(root)
    await rebuildDocuments(root)
    const table = createRouteTable(openTree(root))
    const files = new Map<string, Uint8Array>()
    for (const file of await siteFiles(vercel, table))
      files.set(file.path.slice(SITE.length + 1), 'to' in file ? await readFile(join(root, file.to)) : file.bytes)
    ask = deploy({
      config: (await emittedFiles(vercel, table)).get('vercel/.vercel/output/config.json') ?? '',
      files,
      reading,
    })
    await rm(root, { recursive: true, force: true })
  })

  function expectAnswer(path: string, want: Wanted): void {
    const { status, headers, body } = ask('GET', path)
    expect(status, path).toBe(200)
    if (want.bytes !== undefined) expect(Buffer.from(body ?? []).equals(want.bytes), path).toBe(true)
    expect(Object.fromEntries(headers), path).toEqual({
      'content-type': want.type,
      'cache-control': want.cache,
      'docker-distribution-api-version': 'registry/2.0',
      'x-content-type-options': 'nosniff',
      ...(want.digest === undefined ? {} : { 'docker-content-digest': want.digest }),
    })
    expect(ask('HEAD', path)).toEqual({ status, headers, body: undefined })
  }

  test('every manifest is there by tag and digest, an escaped colon too', () => {
    for (const { repository, tags, digests, bytes, mediaType: type } of tree.manifests) {
      const [digest = ''] = digests
      const base = `/v2/${repository}/manifests`
      for (const tag of tags) expectAnswer(`${base}/${tag}`, { bytes, type, digest, cache: SHORT })
      for (const named of digests) {
        expectAnswer(`${base}/${named}`, { bytes, type, digest: named, cache: IMMUTABLE })
        if (reading.hit === 'file')
          expectAnswer(`${base}/${named.replace(':', '%3A')}`, { bytes, type, digest: named, cache: IMMUTABLE })
      }
    }
  })

  test('every blob is there, and in the one pool of all repositories', () => {
    for (const { repository, digest, bytes } of tree.blobs)
      expectAnswer(`/v2/${repository}/blobs/${digest}`, { bytes, type: BLOB, digest, cache: IMMUTABLE })
    expect(ask('GET', `/v2/other/blobs/${tree.text.digest}`).status).toBe(200)
  })

  test('documents are there', () => {
    for (const path of ['/v2/', '/v2']) expectAnswer(path, { bytes: Buffer.from('{}'), type: JSON_TYPE, cache: SHORT })
    for (const [name, tags] of tree.tags) {
      const path = `/v2/${name}/tags/list`
      expectAnswer(path, { type: JSON_TYPE, cache: SHORT })
      expect(parse(ask('GET', path))).toEqual({ name, tags })
    }
    expectAnswer('/v2/_catalog', { type: JSON_TYPE, cache: SHORT })
    expect(parse(ask('GET', '/v2/_catalog'))).toEqual({ repositories: [...tree.tags.keys()].sort() })
  })

  test('referrers are listed, and for a digest that nothing refers to there is an empty list', () => {
    for (const { repository, subject, descriptors } of tree.referrers) {
      const path = `/v2/${repository}/referrers/${subject}`
      expectAnswer(path, { type: OCI_INDEX, cache: SHORT })
      expect(parse(ask('GET', path))).toMatchObject({ manifests: expect.arrayContaining([...descriptors]) })
    }
    for (const digest of [NOWHERE, `sha512:${'0'.repeat(128)}`]) {
      expectAnswer(`/v2/app/referrers/${digest}`, { type: OCI_INDEX, cache: SHORT })
      expect(parse(ask('GET', `/v2/app/referrers/${digest}`))).toMatchObject({ manifests: [] })
    }
  })

  test('what is not there is 404, an error of the distribution API that claims no digest', () => {
    const absent = [
      ...['nothing', 'lAtEsT', 'rC1', '.hidden', `t${'0'.repeat(128)}`, NOWHERE].map(
        name => `/v2/app/manifests/${name}`,
      ),
      ...[`/v2/app/blobs/${NOWHERE}`, '/v2/app/blobs/latest', '/v2/app/blobs/uploads/', '/v2/nobody/manifests/latest'],
      ...['/v2/nobody/tags/list', '/v2/app/referrers/latest', '/v2/app/manifests/', '/v2/app', '/V2/', '/', '/v2x'],
    ]
    for (const path of [...absent, ...tree.hidden]) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = ask(method, path)
        expect([status, headers.get('content-type'), headers.get('cache-control')], path).toEqual([
          404,
          JSON_TYPE,
          'no-store',
        ])
        expect(headers.has('docker-content-digest'), path).toBe(false)
      }
      expect(parse(ask('GET', path)), path).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    }
  })

  test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is 405', method => {
    for (const path of [
      '/v2/app/blobs/uploads/',
      '/v2/app/manifests/latest',
      `/v2/app/blobs/${tree.text.digest}`,
      '/v2/',
    ]) {
      const answer = ask(method, path)
      expect([answer.status, answer.headers.get('allow'), answer.headers.get('content-type')]).toEqual([
        405,
        'GET, HEAD',
        JSON_TYPE,
      ])
      expect(parse(answer)).toMatchObject({ errors: [{ code: 'UNSUPPORTED' }] })
    }
  })
})

/** What an answer must be. */
interface Wanted {
  readonly bytes?: Buffer
  readonly type: string
  readonly digest?: string
  readonly cache: string
}

function parse({ body }: VercelAnswer): unknown {
  return JSON.parse(new TextDecoder().decode(body))
}
