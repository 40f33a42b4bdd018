import { existsSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import type { EmitProblem } from '../../src/emit/emitter.ts'
import { netlify } from '../../src/emit/netlify.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import type { Route } from '../../src/tree/route.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { emittedFiles, problemsOf, route, routeTable, textOf } from '../contract/emitter-routes.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

const A = `sha256:${'a'.repeat(64)}`
const B = `sha256:${'b'.repeat(64)}`
const BLOB = 'application/octet-stream'

describe('what Netlify gets', () => {
  const table = [
    route('app', 'blob', B, BLOB, B),
    route('app', 'tag', 'latest', OCI_INDEX, A),
    route('app', 'manifest', A, OCI_INDEX, A),
    referrers('app', A),
    { ...route('app', 'manifest', B, OCI_MANIFEST, B), body: { file: 'v2/app/manifests/alone' } },
    route('team/tool', 'tag', '1.0.gz', OCI_MANIFEST, B),
  ]

  test('is a rule for each tag and digest, and few for all else', async () => {
    expect(
      (await print(table)).get('netlify/site/_headers')?.replaceAll(A, '<A>').replaceAll(B, '<B>'),
    ).toMatchInlineSnapshot(`
      "# The command above writes this file again: what you change here is lost. Rules of your own belong into netlify.toml.

      # What holds for every answer.
      /*
        Docker-Distribution-API-Version: registry/2.0
        X-Content-Type-Options: nosniff

      # Manifests: values are literal, so each tag and each digest needs rules of its own.
      /v2/app/manifests/latest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
        Docker-Content-Digest: <A>
      /v2/app/manifests/<A>
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <A>
      /v2/app/manifests/<B>
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <B>
      /v2/team/tool/manifests/1.0.gz
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=60, no-transform
        Docker-Content-Digest: <B>

      # Blobs, which a digest names: the header that says it could not be the same for all of them.
      /v2/:name1/blobs/:digest
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform
      /v2/:name1/:name2/blobs/:digest
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform
      /pool/*
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform

      # Documents.
      /v2/
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/index.json
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/_catalog
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/:name1/tags/list
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/:name1/:name2/tags/list
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/:name1/referrers/:digest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
      /v2/:name1/:name2/referrers/:digest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
      /referrers.json
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform

      # What is not there.
      /404.html
        Content-Type: application/json
        Cache-Control: no-store
      "
    `)
  })

  test('is redirects in the order in which they are tried', async () => {
    expect(
      (await print(table)).get('netlify/site/_redirects')?.replaceAll(A, '<A>').replaceAll(B, '<B>'),
    ).toMatchInlineSnapshot(`
      "# The command above writes this file again: what you change here is lost. Rules of your own belong into netlify.toml.

      /v2/ /v2/index.json 200
      /v2/:name1/blobs/:digest /pool/:digest 200
      /v2/:name1/referrers/:digest /referrers.json 200
      /v2/:name1/:name2/blobs/:digest /pool/:digest 200
      /v2/:name1/:name2/referrers/:digest /referrers.json 200
      "
    `)
  })

  test('is each file of the registry once, an empty list of referrers and a page for what is missing, both JSON', async () => {
    const files = await listSite(table)
    expect([...files.keys()].sort()).toEqual(
      [
        '/404.html',
        `/pool/${B}`,
        '/referrers.json',
        `/v2/app/manifests/${A}`,
        `/v2/app/manifests/${B}`,
        '/v2/app/manifests/latest',
        `/v2/app/referrers/${A}`,
        '/v2/team/tool/manifests/1.0.gz',
      ]
        .map(path => `netlify/site${path}`)
        .sort(),
    )
    expect(files.get(`netlify/site/v2/app/manifests/${B}`)).toBe('v2/app/manifests/alone')
    const parse = (path: string): unknown => JSON.parse(files.get(`netlify/site${path}`) ?? '')
    expect(parse('/referrers.json')).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
    expect(parse('/404.html')).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
  })

  test('is never half of it: redirects follow from what the header rules found', async () => {
    for await (const { path, chunks } of netlify.emit(routeTable(table), {}))
      if (path === netlify.marker) await expect(textOf(chunks)).rejects.toThrow(TypeError)
  })
})

describe('tags that differ only by case', () => {
  test('say no digest where they name different manifests', async () => {
    const text = await headers([
      route('app', 'tag', 'RC1', OCI_MANIFEST, A),
      route('app', 'tag', 'rc1', OCI_MANIFEST, B),
      route('app', 'tag', 'rc2', OCI_MANIFEST, B),
      route('other', 'tag', 'Rc1', OCI_MANIFEST, B),
    ])
    for (const [path, digest] of [
      ['/v2/app/manifests/RC1', false],
      ['/v2/app/manifests/rc1', false],
      ['/v2/app/manifests/rc2', true],
      ['/v2/other/manifests/Rc1', true],
    ] as const) {
      expect(block(text, path)).toContain(`Content-Type: ${OCI_MANIFEST}`)
      expect(block(text, path).includes('Docker-Content-Digest'), path).toBe(digest)
    }
  })

  test('keep it where they name the same', async () => {
    const tags = ['LATEST', 'latest'].map(tag => route('app', 'tag', tag, OCI_MANIFEST, A))
    expect(block(await headers(tags), '/v2/app/manifests/LATEST')).toContain(`Docker-Content-Digest: ${A}`)
    expect(await problems(tags)).toEqual([])
  })

  test('are refused where the types differ', async () => {
    expect(
      await problems([
        route('app', 'tag', 'RC1', OCI_MANIFEST, A),
        route('app', 'tag', 'rc1', DOCKER_MANIFEST, B),
        route('other', 'tag', 'rc1', OCI_MANIFEST, A),
      ]),
    ).toEqual([
      {
        level: 'refuse',
        code: 'limit',
        text: expect.stringContaining('RC1 and rc1 of app'),
        hint: expect.stringContaining('registrish remove app:RC1'),
      },
    ])
  })
})

describe('limits', () => {
  test('54,000 files in a folder are taken, one more is refused', async () => {
    const tags = Array.from({ length: 54_001 }, (_, index) => route('app', 'tag', `${index}`, OCI_MANIFEST, A))
    expect((await problems(tags.slice(1))).map(({ level }) => level)).toEqual(['warn'])
    expect(await problems(tags)).toContainEqual(
      expect.objectContaining({
        level: 'refuse',
        code: 'limit',
        text: 'app has 54,001 files in manifests/, Netlify takes 54,000 in a folder',
      }),
    )
  })

  test('a blob counts once for the folder of all, and one more than 54,000 are refused', async () => {
    const digests = Array.from({ length: 54_001 }, (_, index) => `sha256:${String(index).padStart(64, '0')}`)
    const blobs = digests.map(digest => route('app', 'blob', digest, BLOB, digest))
    const again = digests.map(digest => route('other', 'blob', digest, BLOB, digest))
    expect(await problems([...blobs.slice(1), ...again.slice(1)])).toEqual([])
    expect(await problems([...blobs.slice(1), ...again])).toEqual([
      expect.objectContaining({
        level: 'refuse',
        code: 'limit',
        text: 'the images have 54,001 blobs, which stand in one folder, and Netlify takes 54,000 files in a folder',
      }),
    ])
  })

  test('what is not published is warned of, with figures', async () => {
    const many = Array.from({ length: 10_001 }, (_, index) => route('app', 'tag', `${index}`, OCI_MANIFEST, A))
    expect(await problems(many.slice(1))).toEqual([])
    expect(await problems(many)).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('10,001 header rules, 3 MB') }),
    ])
  })

  test('large files and tags like pages are warned of', async () => {
    const layer = { ...route('app', 'blob', B, BLOB, B), size: 20_000_000 }
    expect(await problems([{ ...layer, size: 10_000_000 }])).toEqual([])
    expect(await problems([layer, route('app', 'tag', 'x.html', OCI_MANIFEST, A)])).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringContaining('1 file is larger than 10 MB, up to 20 MB'),
      }),
      expect.objectContaining({ level: 'warn', text: expect.stringMatching(/^app:x.html ends like a page/) }),
    ])
  })
})

describe('the site on disk', () => {
  test.each(['_headers', '_redirects', '__MACOSX', '__MACOSX.1'])(
    'a tag %s, which its tool leaves out, is refused',
    async tag => {
      const table = [route('app', 'tag', tag, OCI_MANIFEST, A)]
      expect(await problemsOf(netlify, table)).toEqual([
        expect.objectContaining({ level: 'refuse', text: expect.stringContaining(`app:${tag} `) }),
      ])
    },
  )

  test('is beside the tree, and says how to publish', async () => {
    const root = await makeTree()
    const [result] = await emitHosts(openTree(root), [{ name: 'netlify' }])
    expect(result).toMatchObject({ warnings: [], reload: 'registrish deploy --netlify SITE', changed: RULES })
    expect(await readdir(join(root, 'v2'))).toEqual(expect.not.arrayContaining(['_headers', '_redirects', '404.html']))
    expect(await verifyTree(openTree(root))).toMatchObject({ problems: [], notes: [] })
    expect(await emitHosts(openTree(root), [])).toEqual([expect.objectContaining({ changed: [], links: 0 })])
  })

  test('has a blob once, whichever repositories share it', async () => {
    const root = await makeTree()
    const image = await makeImage()
    for (const name of ['other', 'team/third']) await writeTree(root, name, { latest: image })
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    const files = await listFiles(join(root, 'netlify/site'))
    const blobs = await readdir(join(root, 'v2/app/blobs'))
    expect(blobs.length).toBeGreaterThan(1)
    expect(files.filter(path => path.includes('blobs') || path.startsWith('pool/')).sort()).toEqual(
      blobs.map(digest => `pool/${digest}`).sort(),
    )
    for (const digest of blobs)
      expect(statSync(join(root, 'netlify/site/pool', digest)).ino).toBe(
        statSync(join(root, 'v2/app/blobs', digest)).ino,
      )
  })

  test('follows the tree', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    await writeTree(root, 'app', { next: await makeImage({ seed: 'next' }) })
    const [result] = await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(result?.changed).toEqual(['netlify/site/_headers'])
    expect(await readFile(join(root, 'netlify/site/_headers'), 'utf8')).toContain('\n/v2/app/manifests/next\n')
    expect(await listFiles(join(root, 'netlify/site'))).toContain('v2/app/manifests/next')
  })

  test.for(['_headers', '_redirects', '404.html'])('%s that is someone’s own stops everything', async name => {
    const root = await makeTree()
    await mkdir(join(root, 'netlify/site'), { recursive: true })
    await writeFile(join(root, 'netlify/site', name), 'my own\n')
    await expect(emitHosts(openTree(root), [{ name: 'netlify' }])).rejects.toMatchObject({ code: 'conflict' })
    expect(await listFiles(join(root, 'netlify/site'))).toEqual([name])
  })

  test('is mended where the host is in use', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    await rm(join(root, 'netlify/site/_headers'))
    await writeFile(join(root, 'netlify/site/404.html'), 'of an older version')
    const [result] = await refreshHosts(openTree(root))
    expect(result).toMatchObject({ changed: ['netlify/site/_headers'], links: 1 })
    expect(await readFile(join(root, 'netlify/site/404.html'), 'utf8')).toContain('MANIFEST_UNKNOWN')
  })

  test('is not written where the host cannot hold the tree', async () => {
    const root = await makeTree()
    const types = { RC1: await makeImage(), rc1: await makeImage({ docker: true }) }
    await writeTree(root, 'app', types)
    await expect(emitHosts(openTree(root), [{ name: 'netlify' }])).rejects.toMatchObject({ code: 'limit' })
    expect(existsSync(join(root, 'netlify'))).toBe(false)
  })
})

const RULES = ['netlify/site/_headers', 'netlify/site/_redirects']

/** Paths below a folder, in order. */
async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => !entry.isDirectory())
  return files.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort()
}

/** The site's files: what each is a link to, or its text. */
async function listSite(routes: readonly Route[]): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for await (const file of netlify.site?.files(routeTable(routes), {}) ?? []) {
    expect(files.has(file.path), file.path).toBe(false)
    files.set(file.path, 'to' in file ? file.to : new TextDecoder().decode(file.bytes))
  }
  return files
}

async function makeTree(): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  return root
}

function referrers(repository: string, digest: string): Route {
  const { digest: _, ...tag } = route(repository, 'tag', 'x', OCI_INDEX, digest)
  return { ...tag, kind: 'referrers', path: `/v2/${repository}/referrers/${digest}`, body: { bytes: new Uint8Array() } }
}

function print(routes: readonly Route[]): Promise<ReadonlyMap<string, string>> {
  return emittedFiles(netlify, routeTable(routes))
}

async function headers(routes: readonly Route[]): Promise<string> {
  return (await print(routes)).get('netlify/site/_headers') ?? ''
}

/** The rule of one path. */
function block(text: string, path: string): string {
  const [, after = ''] = text.split(`\n${path}\n`)
  return after.split(/\n(?! )/)[0] ?? ''
}

function problems(routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  return problemsOf(netlify, routes)
}
