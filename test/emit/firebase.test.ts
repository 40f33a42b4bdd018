import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EmitProblem } from '../../src/emit/emitter.ts'
import { firebase } from '../../src/emit/firebase.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import type { Route, RouteTable } from '../../src/tree/route.ts'
import { createRouteTable } from '../../src/tree/routes.ts'
import { emittedFiles, problemsOf, route, routeTable, siteFiles } from '../contract/emitter-routes.ts'
import { A, B, SHARED_ROUTES, shorten } from '../contract/emitter-table.ts'
import { writeServingTree } from '../contract/serving-fixture.ts'

const BLOB = 'application/octet-stream'

describe('what Firebase gets', () => {
  test('is a rule for each manifest, of all its paths, and few for all else', async () => {
    const text = await settings(routeTable(SHARED_ROUTES))
    expect(shorten(text)).toMatchInlineSnapshot(`
      "{
        "hosting": {
          "public": "site",
          "ignore": [],
          "cleanUrls": false,
          "headers": [
            {"regex":"^/(?:v2(?:/|$)|version[.]json$)","headers":[{"key":"Content-Type","value":"application/json"},{"key":"Cache-Control","value":"public, max-age=60, no-transform"},{"key":"Docker-Distribution-API-Version","value":"registry/2.0"},{"key":"X-Content-Type-Options","value":"nosniff"}]},
            {"regex":"^(?:/v2/[a-z0-9][a-z0-9._/-]*/referrers/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})|/referrers[.]json)$","headers":[{"key":"Content-Type","value":"application/vnd.oci.image.index.v1+json"}]},
            {"regex":"^/v2/[a-z0-9][a-z0-9._/-]*/manifests/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$","headers":[{"key":"Cache-Control","value":"public, max-age=31536000, immutable, no-transform"}]},
            {"regex":"^/v2/[a-z0-9][a-z0-9._/-]*/blobs/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$","headers":[{"key":"Content-Type","value":"application/octet-stream"},{"key":"Cache-Control","value":"public, max-age=31536000, immutable, no-transform"}]},
            {"regex":"^/v2/(?:app/manifests/(?:latest|1[.]0|sha256:<a>)|team/t[.]ool/manifests/same)$","headers":[{"key":"Content-Type","value":"application/vnd.oci.image.index.v1+json"},{"key":"Docker-Content-Digest","value":"sha256:<a>"}]},
            {"regex":"^/v2/app/manifests/sha512:<c>$","headers":[{"key":"Content-Type","value":"application/vnd.oci.image.index.v1+json"},{"key":"Docker-Content-Digest","value":"sha512:<c>"}]},
            {"regex":"^/v2/team/t[.]ool/manifests/1[.]0[.]gz$","headers":[{"key":"Content-Type","value":"application/vnd.docker.distribution.manifest.v2+json"},{"key":"Docker-Content-Digest","value":"sha256:<b>"}]},
            {"source":"404.html","headers":[{"key":"Content-Type","value":"application/json"},{"key":"Cache-Control","value":"no-store"},{"key":"Docker-Distribution-API-Version","value":"registry/2.0"},{"key":"X-Content-Type-Options","value":"nosniff"}]}
          ],
          "rewrites": [
            {"regex":"^/v2/?$","destination":"/version.json"},
            {"regex":"^/v2/[a-z0-9][a-z0-9._/-]*/referrers/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$","destination":"/referrers.json"}
          ]
        }
      }
      "
    `)
  })

  test('is files at the paths that are asked for, blobs as links in each repository', async () => {
    const files = await siteFiles(firebase, routeTable(SHARED_ROUTES))
    const links = files.flatMap(file => ('to' in file ? [[file.path, file.to, file.digest]] : []))
    expect(links).toEqual(SHARED_ROUTES.map(({ path, digest }) => [`firebase/site${path}`, path.slice(1), digest]))
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length)
  })

  test('is pages for the version check, what is missing, and digests that nothing refers to', async () => {
    const files = await siteFiles(firebase, createRouteTable(openTree('/nowhere')))
    const texts = files.flatMap(file => ('bytes' in file ? [[file.path, new TextDecoder().decode(file.bytes)]] : []))
    expect(Object.fromEntries(texts)).toEqual({
      'firebase/site/404.html': '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
      'firebase/site/referrers.json': `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`,
      'firebase/site/version.json': '{}',
      'firebase/site/v2/_catalog': '{"repositories":[]}',
    })
  })

  test('hides itself from git', async () => {
    const files = await emittedFiles(firebase, routeTable([]))
    expect(files.get('firebase/.gitignore')).toBe('*\n')
  })
})

describe('the rules', () => {
  test('give every route the headers of the table, but for ETags and the digests of blobs', async () => {
    const root = await mkdtemp(join(tmpdir(), 'registrish-firebase-'))
    try {
      writeServingTree(root)
      await rebuildDocuments(root)
      const table = createRouteTable(openTree(root))
      const text = await settings(table)
      let seen = 0
      for await (const { kind, path, headers } of table.routes()) {
        const { ETag: _, 'Docker-Content-Digest': digest, ...rest } = headers
        const said = digest === undefined || kind === 'blob' ? {} : { 'Docker-Content-Digest': digest }
        expect(headersAt(text, path), path).toEqual({ ...rest, ...said })
        seen += 1
      }
      expect(seen).toBeGreaterThan(150)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })

  test('take a full stop for nothing else, and tell cases apart', async () => {
    const text = await settings(
      routeTable([
        route('a.b', 'tag', '1.0', OCI_MANIFEST, A),
        route('app', 'tag', 'RC1', OCI_MANIFEST, A),
        route('app', 'tag', 'rc1', OCI_MANIFEST, B),
      ]),
    )
    const said = (path: string): string | undefined => headersAt(text, path)['Docker-Content-Digest']
    expect(['/v2/a.b/manifests/1.0', '/v2/axb/manifests/1.0', '/v2/a.b/manifests/1x0'].map(said)).toEqual([
      A,
      undefined,
      undefined,
    ])
    expect(['RC1', 'rc1', 'Rc1', 'rc', 'rc10'].map(tag => said(`/v2/app/manifests/${tag}`))).toEqual([
      A,
      B,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('say of what is not there that it is JSON, no manifest and without a digest', async () => {
    const text = await settings(routeTable([route('app', 'tag', 'latest', OCI_MANIFEST, A)]))
    for (const path of ['/v2/app/manifests/x', `/v2/app/manifests/${B}`, '/v2/nobody/tags/list', '/v2/x']) {
      expect(headersAt(text, path)).toMatchObject({ 'Content-Type': 'application/json' })
      expect(headersAt(text, path)).not.toHaveProperty('Docker-Content-Digest')
    }
    expect(JSON.parse(text).hosting.headers.at(-1)).toMatchObject({
      source: '404.html',
      headers: expect.arrayContaining([
        { key: 'Content-Type', value: 'application/json' },
        { key: 'Cache-Control', value: 'no-store' },
      ]),
    })
    expect(headersAt(text, '/index.html')).toEqual({})
  })

  test('are as many for 10,000 manifests as there are digests, a line each', async () => {
    const digests = Array.from({ length: 10_000 }, (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`)
    const table = digests.flatMap((digest, index) => [
      route('app', 'manifest', digest, OCI_MANIFEST, digest),
      route('app', 'tag', `t${index}`, OCI_MANIFEST, digest),
    ])
    const few = (await settings(routeTable([]))).split('\n').length
    const text = await settings(routeTable(table))
    expect(text.split('\n')).toHaveLength(few + 10_000)
    expect(text.length).toBeLessThan(4_000_000)
    expect(headersAt(text, '/v2/app/manifests/t9999')).toMatchObject({ 'Docker-Content-Digest': digests[9999] })
  })
})

describe('limits', () => {
  const layer = (size: number): Route => ({ ...route('app', 'blob', B, BLOB, B), size })

  test('a file of 2 GB is refused', async () => {
    expect(await problems([layer(2_147_483_647)])).toEqual([])
    expect(await problems([layer(2_147_483_648)])).toEqual([
      {
        level: 'refuse',
        code: 'limit',
        text: `${B} has 2,147,483,648 bytes, and a file on Firebase Hosting must have less than 2,147,483,648`,
        hint: expect.any(String),
      },
    ])
  })

  test('a tag that its tool would leave out without a word is refused', async () => {
    const tags = (...names: readonly string[]): Route[] => names.map(name => route('app', 'tag', name, OCI_MANIFEST, A))
    expect(
      await problems(tags('firebase-debug.txt', 'firebase-debugx.log', 'my-firebase-debug.log', 'Firebase-Debug.log')),
    ).toEqual([])
    for (const name of ['firebase-debug.log', 'firebase-debug.1.log', 'firebase-debug..log'])
      expect(await problems(tags(name))).toEqual([
        expect.objectContaining({ level: 'refuse', hint: expect.stringContaining(`registrish remove app:${name}`) }),
      ])
  })

  test('what the plan without costs does not take is warned of, with figures', async () => {
    expect(await problems([layer(1e9)])).toEqual([])
    const digests = Array.from({ length: 6 }, (_, index) => `sha256:${String(index).repeat(64)}`)
    const big = digests.map(digest => ({ ...route('app', 'blob', digest, BLOB, digest), size: 2e9 }))
    expect(await problems(big.slice(1))).toEqual([])
    expect(await problems([...big.slice(1), ...big.slice(1).map(blob => ({ ...blob, repository: 'other' }))])).toEqual(
      [],
    )
    expect(await problems(big)).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringMatching(/^the images have 12,000 MB: the Spark plan holds 10 GB/),
      }),
    ])
  })

  test('tags that end like programs are warned of', async () => {
    const tags = (...names: readonly string[]): Route[] => names.map(name => route('app', 'tag', name, OCI_MANIFEST, A))
    expect(await problems(tags('1.0.gz', 'exe', 'x.exe.1'))).toEqual([])
    expect(await problems(tags('setup.exe'))).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringMatching(/^app:setup.exe ends like a program/) }),
    ])
    expect(await problems(tags('a.apk', 'b.IPA', 'c.dll', 'd.bat'))).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringMatching(/^app:a.apk and 3 more end like a program/),
      }),
    ])
  })

  test('more than 1,000 rules are warned of', async () => {
    const digests = Array.from({ length: 1001 }, (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`)
    const table = digests.map(digest => route('app', 'manifest', digest, OCI_MANIFEST, digest))
    expect(await problems(table.slice(1))).toEqual([])
    expect(await problems(table)).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringContaining('1,001 manifests need as many header rules'),
      }),
    ])
  })
})

interface Settings {
  readonly hosting: {
    readonly headers: readonly {
      readonly regex?: string
      readonly headers: readonly { readonly key: string; readonly value: string }[]
    }[]
  }
}

/** Of all rules that match, the later one gives a header its value (Firebase, "Configure headers"; firebase-tools issue 9467). */
function headersAt(text: string, path: string): Readonly<Record<string, string>> {
  const { hosting } = JSON.parse(text) as Settings
  const matching = hosting.headers.filter(({ regex }) => regex !== undefined && new RegExp(regex, 'u').test(path))
  return Object.fromEntries(matching.flatMap(({ headers }) => headers.map(({ key, value }) => [key, value])))
}

async function settings(table: RouteTable): Promise<string> {
  return (await emittedFiles(firebase, table)).get('firebase/firebase.json') ?? ''
}

function problems(routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  return problemsOf(firebase, routes)
}
