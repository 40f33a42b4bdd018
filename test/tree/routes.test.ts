import { readFile, rm, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isRegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCTET_STREAM } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import type { Route, RouteTable } from '../../src/tree/route.ts'
import { createRouteTable, findRoute } from '../../src/tree/routes.ts'
import type { Tree } from '../../src/tree/tree.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeAttestation,
  makeBlobChild,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  mediaTypeOf,
  referrerEntry,
  rootBytes,
  withReferrers,
} from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { write } from './support/hand-made.ts'

interface Made {
  readonly root: string
  readonly tree: Tree
  readonly table: RouteTable
  readonly image: Graph
  readonly note: Graph
}

/** A tree with something of everything: nested repositories, odd tags, sha512, referrers, tags without digest files, foreign and damaged files. */
async function makeMixedTree(): Promise<Made> {
  const root = await makeTemporaryFolder()
  const image = await makeImage()
  const note = makeArtifact({ subject: image, payload: 'a note' })
  const index = makeIndex([image, makeAttestation(image), makeBlobChild(new Uint8Array(10))])
  await writeTree(root, 'app', {
    latest: withReferrers(image, note),
    all: index,
    'x.tar.gz': await makeMultiPlatform({ docker: true }),
    RC1: await makeImage({ noMediaType: true, seed: 'rc1' }),
  })
  await writeTree(root, 'app/nested/deep', { sha512: makeIndex([await makeImage({ sha512: true })], { sha512: true }) })
  await writeTree(root, 'a-b', { odd: await makeImage({ mediaType: 'application/vnd.example.thing.v7+json' }) })
  await write(root, 'v2/tags-only/manifests/one', rootBytes(image))
  await write(root, 'v2/tags-only/manifests/two', rootBytes(note))
  await write(root, `v2/digests-only/manifests/${image.root.digest}`, rootBytes(image))
  await rebuildDocuments(root)
  await write(root, 'v2/app/manifests/.DS_Store', 'foreign')
  await write(root, 'v2/app/blobs/sha256:short', 'foreign')
  const tree = openTree(root)
  return { root, tree, table: createRouteTable(tree), image, note }
}

async function collect(routes: AsyncIterable<Route>): Promise<readonly Route[]> {
  const all: Route[] = []
  for await (const route of routes) all.push(route)
  return all
}

function json(route: Route | undefined): unknown {
  if (route === undefined || !('bytes' in route.body)) throw new Error('a route with inline bytes was expected')
  return JSON.parse(new TextDecoder().decode(route.body.bytes))
}

const COMMON = { 'Docker-Distribution-API-Version': 'registry/2.0', 'X-Content-Type-Options': 'nosniff' }
const SHORT = { ...COMMON, 'Cache-Control': 'public, max-age=60, no-transform' }
const IMMUTABLE = { ...COMMON, 'Cache-Control': 'public, max-age=31536000, immutable, no-transform' }

describe('what a client must see', () => {
  test('at a tag', async () => {
    const { tree, image } = await makeMixedTree()
    expect(await findRoute(tree, '/v2/app/manifests/latest')).toEqual({
      path: '/v2/app/manifests/latest',
      kind: 'tag',
      repository: 'app',
      body: { file: 'v2/app/manifests/latest' },
      mediaType: image.root.mediaType,
      size: image.root.size,
      digest: image.root.digest,
      cache: 'short',
      headers: {
        ...SHORT,
        'Content-Type': image.root.mediaType,
        'Docker-Content-Digest': image.root.digest,
        ETag: `"${image.root.digest}"`,
      },
    })
  })

  test.each(['sha256', 'sha512'] as const)('at a manifest by %s: the digest asked for is echoed', async algorithm => {
    const { tree } = await makeMixedTree()
    const { digest: tagged } = await tree.resolve('app/nested/deep', 'sha512')
    const parent = await tree.manifest('app/nested/deep', tagged)
    const child = parent?.manifest.kind === 'index' ? parent.manifest.manifests[0] : undefined
    const bytes = (await tree.manifest('app/nested/deep', child?.digest ?? ''))?.bytes ?? new Uint8Array()
    const digest = digestOf(bytes, algorithm)
    expect(await findRoute(tree, `/v2/app/nested/deep/manifests/${digest}`)).toMatchObject({
      kind: 'manifest',
      size: bytes.length,
      digest,
      cache: 'immutable',
      headers: {
        ...IMMUTABLE,
        'Content-Type': mediaTypeOf(bytes),
        'Docker-Content-Digest': digest,
        ETag: `"${digest}"`,
      },
    })
  })

  test('at a blob', async () => {
    const { tree, image } = await makeMixedTree()
    const [[digest, bytes] = [image.root.digest, new Uint8Array()]] = image.blobs
    expect(await findRoute(tree, `/v2/app/blobs/${digest}`)).toEqual({
      path: `/v2/app/blobs/${digest}`,
      kind: 'blob',
      repository: 'app',
      body: { file: `v2/app/blobs/${digest}` },
      mediaType: OCTET_STREAM,
      size: bytes.length,
      digest,
      cache: 'immutable',
      headers: { ...IMMUTABLE, 'Content-Type': OCTET_STREAM, 'Docker-Content-Digest': digest, ETag: `"${digest}"` },
    })
  })

  test('at the documents', async () => {
    const { tree, image, note } = await makeMixedTree()
    const version = await findRoute(tree, '/v2/')
    expect(version).toMatchObject({ kind: 'version', mediaType: 'application/json', cache: 'short', size: 2 })
    expect(json(version)).toEqual({})
    expect(await findRoute(tree, '/v2')).toEqual(version)
    const catalog = await findRoute(tree, '/v2/_catalog')
    expect(catalog?.headers).toEqual({ ...SHORT, 'Content-Type': 'application/json' })
    expect(json(catalog)).toEqual({ repositories: ['a-b', 'app', 'app/nested/deep', 'digests-only', 'tags-only'] })
    const tags = await findRoute(tree, '/v2/app/tags/list')
    expect(tags?.headers).toEqual({ ...SHORT, 'Content-Type': 'application/json' })
    const fallback = digestTag(image.root.digest)
    expect(json(tags)).toEqual({ name: 'app', tags: ['RC1', 'all', 'latest', fallback, 'x.tar.gz'] })
    const referrers = await findRoute(tree, `/v2/app/referrers/${image.root.digest}`)
    expect(referrers?.headers).toEqual({ ...SHORT, 'Content-Type': OCI_INDEX })
    expect(json(referrers)).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [referrerEntry(note)] })
    for (const route of [version, catalog, tags, referrers]) {
      const bytes = route !== undefined && 'bytes' in route.body ? route.body.bytes : undefined
      expect(route?.size).toBe(bytes?.length)
    }
  })

  test('where nothing refers: an empty list, the bytes of the family', async () => {
    const { tree, table } = await makeMixedTree()
    const route = await findRoute(tree, `/v2/app/referrers/${digestOf('nobody')}`)
    expect(json(route)).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
    expect(table.families.find(({ kind }) => kind === 'referrers')?.fallback).toEqual(
      route !== undefined && 'bytes' in route.body ? route.body.bytes : undefined,
    )
  })

  test('of a repository without tags: a list of none', async () => {
    const { tree } = await makeMixedTree()
    expect(json(await findRoute(tree, '/v2/digests-only/tags/list'))).toEqual({ name: 'digests-only', tags: [] })
  })

  test('of a tag without digest file: both, by what the tag holds', async () => {
    const { tree, image } = await makeMixedTree()
    const route = await findRoute(tree, `/v2/tags-only/manifests/${image.root.digest}`)
    expect(route).toMatchObject({
      kind: 'manifest',
      digest: image.root.digest,
      body: { file: 'v2/tags-only/manifests/one' },
    })
  })
})

describe('the table', () => {
  test('says of each path what a single request is told', async () => {
    const { tree, table } = await makeMixedTree()
    const routes = await collect(table.routes())
    expect(new Set(routes.map(({ kind }) => kind))).toEqual(
      new Set(['version', 'catalog', 'tags', 'tag', 'manifest', 'blob', 'referrers']),
    )
    for (const route of routes) await expectFound(tree, route)
  })

  test('says so too of a tree with damaged files', async () => {
    const { root, tree, table, image } = await makeMixedTree()
    await write(root, 'v2/app/manifests/broken', '{')
    await write(root, `v2/app/manifests/${digestOf('elsewhere')}`, rootBytes(image))
    await truncate(await write(root, 'v2/app/manifests/huge', ''), 2 ** 40)
    await symlink('gone', join(root, 'v2/app/manifests/dangling'))
    const routes = await collect(table.routes())
    for (const route of routes) await expectFound(tree, route)
    for (const name of ['broken', 'huge', 'dangling', digestOf('elsewhere')]) {
      const path = `/v2/app/manifests/${name}`
      expect(routes.map(route => route.path)).not.toContain(path)
      expect(await nothingOr(findRoute(tree, path)), path).toBeUndefined()
    }
  })

  test('holds every file that clients may ask for, each path once', async () => {
    const { root, table, image } = await makeMixedTree()
    const paths = (await collect(table.routes())).map(({ path }) => path)
    expect(new Set(paths).size).toBe(paths.length)
    for (const digest of image.manifests.keys()) expect(paths).toContain(`/v2/app/manifests/${digest}`)
    for (const digest of image.blobs.keys()) expect(paths).toContain(`/v2/app/blobs/${digest}`)
    expect(paths.filter(path => path.startsWith('/v2/app/') && path.endsWith('/tags/list'))).toHaveLength(2)
    expect(paths.filter(path => /DS_Store|short|registrish/.test(path))).toEqual([])
    expect(root).not.toBe('')
  })

  test('is sorted by repository and path', async () => {
    const { table } = await makeMixedTree()
    const routes = await collect(table.routes())
    expect(routes.slice(0, 2).map(({ kind }) => kind)).toEqual(['catalog', 'version'])
    const keys = routes.slice(2).map(({ repository = '', path }) => [repository, path] as const)
    const sorted = [...keys].sort(([a, x], [b, y]) => (a === b ? compare(x, y) : compare(a, b)))
    expect(keys).toEqual(sorted)
  })

  test('may be iterated again, and two at once', async () => {
    const { table } = await makeMixedTree()
    const first = await collect(table.routes())
    expect(await collect(table.routes())).toEqual(first)
    const both = table.routes()
    expect(await Promise.all([collect(table.routes()), collect(both)])).toEqual([first, first])
  })

  test('can be had of some repositories: then without catalogue and version', async () => {
    const { table } = await makeMixedTree()
    const all = await collect(table.routes())
    const some = await collect(table.routes({ repositories: ['tags-only', 'app', 'absent'] }))
    expect(some).toEqual(all.filter(({ repository }) => repository === 'app' || repository === 'tags-only'))
    expect(await collect(table.routes({ repositories: [] }))).toEqual([])
  })

  test('without blobs lacks nothing else', async () => {
    const { table } = await makeMixedTree()
    const all = await collect(table.routes())
    const others = all.filter(({ kind }) => kind !== 'blob')
    expect(others.length).toBeLessThan(all.length)
    expect(await collect(table.routes({ blobs: false }))).toEqual(others)
  })

  test('is lazy: a repository is read when its turn comes', async () => {
    const { root, table, image } = await makeMixedTree()
    const paths: string[] = []
    for await (const { path, repository } of table.routes()) {
      if (paths.length === 0) await write(root, 'v2/tags-only/manifests/added', rootBytes(image))
      if (repository === 'app' && !paths.includes('/v2/app/tags/list'))
        await rm(join(root, 'v2/digests-only'), { recursive: true, force: true })
      paths.push(path)
    }
    expect(paths).toContain('/v2/tags-only/manifests/added')
    expect(paths.filter(path => path.startsWith('/v2/digests-only/manifests/'))).toEqual([])
  })

  test('reads no blob, be it a terabyte', async () => {
    const { root, tree, table } = await makeMixedTree()
    const digest = digestOf('huge')
    await truncate(await write(root, `v2/app/blobs/${digest}`, ''), 2 ** 40)
    const route = (await collect(table.routes())).find(({ path }) => path === `/v2/app/blobs/${digest}`)
    expect(route?.size).toBe(2 ** 40)
    expect(await findRoute(tree, `/v2/app/blobs/${digest}`)).toEqual(route)
  })

  test('of an empty tree has the documents that every registry has', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const routes = await collect(createRouteTable(tree).routes())
    expect(routes.map(({ path }) => path)).toEqual(['/v2/_catalog', '/v2/'])
    expect(json(routes[0])).toEqual({ repositories: [] })
  })

  test('ends when it is told to', async () => {
    const { table } = await makeMixedTree()
    const controller = new AbortController()
    const reading = async (): Promise<void> => {
      for await (const { kind } of table.routes({ signal: controller.signal }))
        if (kind === 'version') controller.abort()
    }
    await expect(reading()).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('families', () => {
  test('with their placeholders filled are the routes', async () => {
    const { table } = await makeMixedTree()
    for (const route of await collect(table.routes())) {
      const family = table.families.find(({ kind }) => kind === route.kind)
      const reference = route.path.slice(route.path.lastIndexOf('/') + 1)
      const values: Readonly<Record<string, string | undefined>> = {
        '{name}': route.repository,
        '{tag}': reference,
        '{digest}': route.kind === 'referrers' ? reference : route.digest,
        '{mediaType}': route.mediaType,
      }
      const fill = (text: string): string => text.replace(/\{\w+\}/g, name => values[name] ?? `no ${name}`)
      expect(fill(family?.path ?? '')).toBe(route.path)
      expect(fill(family?.mediaType ?? '')).toBe(route.mediaType)
      expect(family?.cache).toBe(route.cache)
      const headers = Object.entries(family?.headers ?? {}).map(([name, value]) => [name, fill(value)])
      expect(Object.fromEntries(headers), route.path).toEqual(route.headers)
    }
  })

  test('there is one of each kind', async () => {
    const { table } = await makeMixedTree()
    const kinds = table.families.map(({ kind }) => kind)
    expect([...kinds].sort()).toEqual(['blob', 'catalog', 'manifest', 'referrers', 'tag', 'tags', 'version'])
  })
})

describe('a request that leads nowhere', () => {
  const digest = digestOf('absent')
  const hostile = [
    '',
    '/',
    '/v1/',
    '/v2/index.json',
    '/v2/app',
    '/v2/app/',
    '/v2/app/tags',
    '/v2/app/tags/list/',
    '/v2/app/manifests/',
    '/v2/app/manifests/absent',
    `/v2/app/manifests/${digest}`,
    `/v2/app/blobs/${digest}`,
    '/v2/app/blobs/latest',
    '/v2/app/blobs/sha256:short',
    '/v2/app/referrers/latest',
    '/v2/absent/manifests/latest',
    '/v2/absent/tags/list',
    '/v2/app/manifests/latest/',
    '/v2/app/manifests/latest\0',
    '/v2/app/manifests/latest\n',
    '/v2/app/manifests/.DS_Store',
    '/v2/app/manifests/..',
    '/v2/app/manifests/../tags/list',
    '/v2/app/manifests/../../app/manifests/latest',
    '/v2/app/../app/manifests/latest',
    '/v2/../v2/app/manifests/latest',
    '/v2//app/manifests/latest',
    '/v2/app//manifests/latest',
    '//v2/app/manifests/latest',
    'v2/app/manifests/latest',
    '/v2/./app/manifests/latest',
    '/V2/app/manifests/latest',
    '/v2/APP/manifests/latest',
    '/v2/app/manifests/LATEST',
    '/v2/app/manifests/latest?n=1',
    '/v2/app/manifests/%6catest',
    '/v2/app/manifests/..%2f..',
    '/v2/app\\manifests\\latest',
    '/v2/manifests/manifests/latest',
    '/v2/app/blobs/uploads/',
    '/v2/_catalog/',
    '/v2/../.registrish/manifests/latest',
    '/v2/.registrish/manifests/latest',
    `/v2/app/manifests/${'a'.repeat(129)}`,
    `/v2/${'a/'.repeat(5000)}manifests/latest`,
    '/etc/passwd',
  ]

  test.each(hostile)('%j', async path => {
    const { root, tree } = await makeMixedTree()
    await write(root, '.registrish/manifests/latest', rootBytes(await makeImage()))
    expect(await nothingOr(findRoute(tree, path))).toBeUndefined()
  })
})

/** Expects a single request to be told what the table says. A manifest's body may be any of its files: the bytes must be the same. */
async function expectFound(tree: Tree, route: Route): Promise<void> {
  const found = await findRoute(tree, route.path)
  if (!('file' in route.body) || found === undefined) {
    expect(found, route.path).toEqual(route)
    return
  }
  expect({ ...found, body: undefined }, route.path).toEqual({ ...route, body: undefined })
  const [bytes, others] = await Promise.all([route, found].map(async one => readFile(join(tree.root, fileOf(one)))))
  expect(bytes?.equals(others ?? new Uint8Array()), route.path).toBe(true)
  expect([digestOf(bytes ?? ''), digestOf(bytes ?? '', 'sha512')], route.path).toContain(route.digest)
}

function fileOf({ path, body }: Route): string {
  if ('file' in body) return body.file
  throw new Error(`${path} has no file`)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** What a promise gives; undefined where a file is found out not to be what its name says. */
async function nothingOr<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (isRegistrishError(error, 'digest-mismatch', 'manifest-invalid')) return undefined
    throw error
  }
}
