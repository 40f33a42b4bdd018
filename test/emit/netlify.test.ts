import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import type { EmitProblem } from '../../src/emit/emitter.ts'
import { netlify } from '../../src/emit/netlify.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import type { Route } from '../../src/tree/route.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { route, routeTable, textOf } from '../contract/emitter-routes.ts'
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

  test('is a rule for each tag and digest, at both of its paths, and few for all else', async () => {
    expect((await print(table)).get('v2/_headers')?.replaceAll(A, '<A>').replaceAll(B, '<B>')).toMatchInlineSnapshot(`
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
      /app/manifests/latest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
        Docker-Content-Digest: <A>
      /v2/app/manifests/<A>
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <A>
      /app/manifests/<A>
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <A>
      /v2/app/manifests/<B>
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <B>
      /app/manifests/<B>
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=31536000, immutable, no-transform
        Docker-Content-Digest: <B>
      /v2/team/tool/manifests/1.0.gz
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=60, no-transform
        Docker-Content-Digest: <B>
      /team/tool/manifests/1.0.gz
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Cache-Control: public, max-age=60, no-transform
        Docker-Content-Digest: <B>

      # Blobs, which a digest names: the header that says it could not be the same for all of them.
      /:name1/blobs/:digest
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform
      /:name1/:name2/blobs/:digest
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform
      /:name1/:name2/:name3/blobs/:digest
        Content-Type: application/octet-stream
        Cache-Control: public, max-age=31536000, immutable, no-transform

      # Documents.
      /v2/
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /index.json
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /v2/_catalog
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /_catalog
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /:name1/tags/list
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /:name1/:name2/tags/list
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /:name1/:name2/:name3/tags/list
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
      /:name1/referrers/:digest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
      /:name1/:name2/referrers/:digest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
      /:name1/:name2/:name3/referrers/:digest
        Content-Type: application/vnd.oci.image.index.v1+json
        Cache-Control: public, max-age=60, no-transform
      /_referrers.json
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
    expect((await print(table)).get('v2/_redirects')?.replaceAll(A, '<A>').replaceAll(B, '<B>')).toMatchInlineSnapshot(`
      "# The command above writes this file again: what you change here is lost. Rules of your own belong into netlify.toml.

      /v2/ /index.json 200
      /v2/app/referrers/<A> /app/referrers/<A> 200
      /v2/app/manifests/<B> /app/manifests/alone 200
      /v2/:name1/referrers/:digest /_referrers.json 200
      /v2/:name1/:name2/referrers/:digest /_referrers.json 200
      /v2/* /:splat 200
      "
    `)
  })

  test('is an empty list of referrers and a page for what is missing, both JSON', async () => {
    const files = await print(table)
    expect(JSON.parse(files.get('v2/_referrers.json') ?? '')).toEqual({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [],
    })
    expect(JSON.parse(files.get('v2/404.html') ?? '')).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
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
      ['/app/manifests/RC1', false],
      ['/v2/app/manifests/rc1', false],
      ['/app/manifests/rc2', true],
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

  test('a repository that stands where another, or a page, is looked for is refused', async () => {
    const tags = (names: readonly string[]): Route[] => names.map(name => route(name, 'tag', 'x', OCI_MANIFEST, A))
    expect(await problems(tags(['app/x', 'v2', 'v2/app']))).toEqual([])
    for (const names of [['app', 'v2/app'], ['404.html'], ['404.html/x']])
      expect(await problems(tags(names))).toEqual([expect.objectContaining({ level: 'refuse', code: 'limit' })])
  })

  test('what is not published is warned of, with figures', async () => {
    const many = Array.from({ length: 5001 }, (_, index) => route('app', 'tag', `${index}`, OCI_MANIFEST, A))
    expect(await problems(many.slice(1))).toEqual([])
    expect(await problems(many)).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('10,002 header rules, 3 MB') }),
    ])
    const lists = Array.from({ length: 10_001 }, () => referrers('app', A))
    expect(await problems(lists)).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('10,001 lists of referrers') }),
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

describe('the files in the published folder', () => {
  const ours = ['404.html', '_headers', '_redirects', '_referrers.json']

  test('are no strangers in the tree, and say how to publish', async () => {
    const root = await makeTree()
    const [result] = await emitHosts(openTree(root), [{ name: 'netlify' }])
    expect(result).toMatchObject({ links: 0, warnings: [], reload: 'netlify deploy --prod --no-build --dir v2' })
    expect([...(result?.changed ?? [])].sort()).toEqual(ours.map(name => `v2/${name}`))
    expect(await verifyTree(openTree(root))).toMatchObject({ problems: [], notes: [] })
    expect(await openTree(root).repositories()).toEqual(['app'])
    expect(await emitHosts(openTree(root), [])).toEqual([expect.objectContaining({ changed: [] })])
  })

  test('follow the tree', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    await writeTree(root, 'app', { next: await makeImage({ seed: 'next' }) })
    expect(await refreshHosts(openTree(root), { repositories: ['app'] })).toEqual([
      expect.objectContaining({ changed: ['v2/_headers'] }),
    ])
    expect(await readFile(join(root, 'v2/_headers'), 'utf8')).toContain('\n/v2/app/manifests/next\n')
  })

  test.for(ours)('%s that is someone’s own stops everything', async name => {
    const root = await makeTree()
    await writeFile(join(root, 'v2', name), 'my own\n')
    await expect(emitHosts(openTree(root), [{ name: 'netlify' }])).rejects.toMatchObject({ code: 'conflict' })
    expect((await readdir(join(root, 'v2'))).filter(entry => ours.includes(entry))).toEqual([name])
  })

  test('that have no first line of ours are known by their text, and where the host is in use are written again', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name: 'netlify' }])
    for (const name of ['_headers', '_redirects']) await rm(join(root, 'v2', name))
    expect(await emitHosts(openTree(root), [{ name: 'netlify' }])).toEqual([
      expect.objectContaining({ changed: ['v2/_headers', 'v2/_redirects'] }),
    ])
    await writeFile(join(root, 'v2/404.html'), 'of an older version')
    expect(await refreshHosts(openTree(root))).toEqual([expect.objectContaining({ changed: ['v2/404.html'] })])
  })

  test('are not written where the host cannot hold the tree', async () => {
    const root = await makeTree()
    await mkdir(join(root, 'v2/404.html/manifests'), { recursive: true })
    await writeTree(root, '404.html', { x: await makeImage() })
    await expect(emitHosts(openTree(root), [{ name: 'netlify' }])).rejects.toMatchObject({ code: 'limit' })
    expect(existsSync(join(root, 'v2/_headers'))).toBe(false)
  })
})

async function makeTree(): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  return root
}

function referrers(repository: string, digest: string): Route {
  const { digest: _, ...tag } = route(repository, 'tag', 'x', OCI_INDEX, digest)
  return { ...tag, kind: 'referrers', path: `/v2/${repository}/referrers/${digest}` }
}

async function print(routes: readonly Route[]): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for await (const { path, chunks } of netlify.emit(routeTable(routes), {})) files.set(path, await textOf(chunks))
  return files
}

async function headers(routes: readonly Route[]): Promise<string> {
  return (await print(routes)).get('v2/_headers') ?? ''
}

/** The rule of one path. */
function block(text: string, path: string): string {
  const [, after = ''] = text.split(`\n${path}\n`)
  return after.split(/\n(?! )/)[0] ?? ''
}

async function problems(routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  const found: EmitProblem[] = []
  for await (const problem of netlify.check(routeTable(routes), {})) found.push(problem)
  return found
}
