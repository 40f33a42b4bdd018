import { describe, expect, test } from 'vitest'
import { cloudflarePages } from '../../src/emit/cloudflare-pages.ts'
import type { EmitProblem, SiteFile } from '../../src/emit/emitter.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Route } from '../../src/tree/route.ts'
import { documentRoute, referrersRoute, tagsRoute } from '../../src/tree/routes.ts'
import { emittedFiles, problemsOf, route, routeTable, siteFiles } from '../contract/emitter-routes.ts'
import { createDice } from '../support/dice.ts'
import { headersAt, parseHeaderRules, rewrittenPath } from '../support/pages-rules.ts'

const BLOB = 'application/octet-stream'
const SITE = 'cloudflare-pages/site'

/** A digest that ends with a number. */
function digest(number: number, begin = 'a'): Digest {
  return `sha256:${begin}${String(number).padStart(63, '0')}` as Digest
}

describe('what Cloudflare Pages gets', () => {
  const [index, one, two] = [digest(1), digest(2), digest(3)]
  const table = [
    route('app', 'blob', one, BLOB, one),
    route('app', 'manifest', index, OCI_INDEX, index),
    route('app', 'manifest', one, OCI_MANIFEST, one),
    route('app', 'manifest', two, OCI_MANIFEST, two),
    route('app', 'tag', 'latest', OCI_INDEX, index),
    referrersRoute('app', index, new TextEncoder().encode('[]')),
    route('team/tool', 'tag', '1.0.gz', OCI_MANIFEST, one),
  ]

  test('is a default for each kind and what overrides it', async () => {
    expect((await print(table)).get(`${SITE}/_headers`)).toMatchInlineSnapshot(`
      "# The command above writes this file again: what you change here is lost.

      /*
        Content-Type: application/json
        Cache-Control: public, max-age=60, no-transform
        Docker-Distribution-API-Version: registry/2.0
        X-Content-Type-Options: nosniff

      /v2/*/blobs/sha256::hex
        ! Content-Type
        Content-Type: application/octet-stream
        Docker-Content-Digest: sha256::hex
        ! Cache-Control
        Cache-Control: public, max-age=31536000, immutable, no-transform

      /v2/*/referrers/:digest
        ! Content-Type
        Content-Type: application/vnd.oci.image.index.v1+json

      /v2/*/manifests/:reference
        ! Content-Type
        Content-Type: application/vnd.oci.image.index.v1+json

      /v2/team/tool/manifests/1.0.gz
        ! Content-Type
        Content-Type: application/vnd.oci.image.manifest.v1+json

      /v2/*/manifests/sha256::hex
        ! Content-Type
        Content-Type: application/vnd.oci.image.manifest.v1+json
        Docker-Content-Digest: sha256::hex
        ! Cache-Control
        Cache-Control: public, max-age=31536000, immutable, no-transform

      /v2/app/manifests/sha256:*a000000000000000000000000000000000000000000000000000000000000001
        ! Content-Type
        Content-Type: application/vnd.oci.image.index.v1+json
      "
    `)
  })

  test('is a rewrite for each kind, so that no tag is the name of a file', async () => {
    expect((await print(table)).get(`${SITE}/_redirects`)).toMatchInlineSnapshot(`
      "# The command above writes this file again: what you change here is lost.

      /v2 /version.json 200
      /v2/ /version.json 200
      /v2/*/blobs/sha256::hex /blobs/sha256/:hex 200
      /v2/*/blobs/sha512::hex /blobs/sha512/:hex 200
      /v2/*/manifests/sha256::hex /manifests/of/:splat/_/sha256/:hex 200
      /v2/*/manifests/sha512::hex /manifests/of/:splat/_/sha512/:hex 200
      /v2/*/manifests/:tag /manifests/of/:splat/_/tags/:tag.tag 200
      /v2/app/referrers/sha256:*a000000000000000000000000000000000000000000000000000000000000001 /referrers/of/app/_/sha256/a000000000000000000000000000000000000000000000000000000000000001 200
      /v2/*/referrers/sha256::hex /referrers/none.json 200
      /v2/*/referrers/sha512::hex /referrers/none.json 200
      "
    `)
  })

  test('is a blob once, and manifests under names that Pages makes nothing of', async () => {
    const blobs = ['app', 'other'].map(name => route(name, 'blob', one, BLOB, one))
    const files = await readFiles([...blobs, route('app', 'tag', 'x.html', OCI_MANIFEST, two)])
    expect(files.map(({ path }) => path)).toEqual([
      `${SITE}/blobs/sha256/${one.slice(7)}`,
      `${SITE}/manifests/of/app/_/tags/x.html.tag`,
      `${SITE}/referrers/none.json`,
      `${SITE}/404.html`,
      `${SITE}/blobs/404.html`,
      `${SITE}/manifests/404.html`,
      `${SITE}/referrers/404.html`,
    ])
    expect(files[0]).toEqual({ path: files[0]?.path, to: `v2/app/blobs/${one}`, digest: one })
  })

  test('gives each of a thousand random routes its headers, and a file', async () => {
    const dice = createDice(3)
    for (let round = 0; round < 25; round += 1) {
      const routes = randomRoutes(dice)
      const files = await print(routes)
      const [headers, redirects] = [files.get(`${SITE}/_headers`) ?? '', files.get(`${SITE}/_redirects`) ?? '']
      const rules = parseHeaderRules(headers)
      const places = new Set((await readFiles(routes)).map(({ path }) => path))
      for (const { path, headers: wanted, kind } of routes) {
        const { ETag: _etag, 'Docker-Content-Digest': named, ...others } = wanted
        const digests = kind === 'tag' || named === undefined ? {} : { 'Docker-Content-Digest': named }
        expect(headersAt(rules, path), path).toEqual(lowerCase({ ...others, ...digests }))
        expect(places, path).toContain(`${SITE}${rewrittenPath(redirects, path)}`)
      }
    }
  })
})

describe('what Cloudflare Pages cannot hold', () => {
  /** As many types as there are tags, so that each needs a rule; five rules hold for all. */
  const odd = (count: number): readonly Route[] =>
    Array.from({ length: count }, (_, number) =>
      route('app', 'tag', `${number}`, `application/vnd.example.${number}`, digest(number)),
    )

  test('as many rules as it reads are no problem, one more is refused with the figures', async () => {
    const most = odd(98)
    expect(parseHeaderRules((await print(most)).get(`${SITE}/_headers`) ?? '')).toHaveLength(100)
    expect(await problems(most)).toEqual([])
    const [problem] = await problems(odd(99))
    expect(problem).toMatchObject({
      level: 'refuse',
      code: 'limit',
      hint: expect.stringContaining('cloudflare-workers'),
    })
    expect(problem?.text).toBe(
      '99 tags and digests of 99 types of manifest need 101 header rules: it takes 100 and ignores the rest',
    )
  })

  test('a file of 25 MiB is no problem; larger ones are refused, the largest three by name', async () => {
    const blob = (number: number, size: number): Route => ({
      ...route('app', 'blob', digest(number), BLOB, digest(number)),
      size,
    })
    const limit = 25 * 1024 * 1024
    expect(await problems([blob(1, limit)])).toEqual([])
    const [problem] = await problems([blob(1, limit + 1), blob(2, 3 * limit), blob(3, 2 * limit), blob(4, 4 * limit)])
    expect(problem?.level).toBe('refuse')
    expect(problem?.text).toBe(
      `it takes no file of more than 25 MiB: /v2/app/blobs/${digest(4)} (100 MiB), /v2/app/blobs/${digest(2)} (75 MiB), /v2/app/blobs/${digest(3)} (50 MiB) and 1 more`,
    )
    expect(problem?.hint).toMatch(/cloudflare-workers.*--s3/)
  })

  test('a large blob of several repositories is one file', async () => {
    const large = ['a', 'b'].map(name => ({ ...route(name, 'blob', digest(1), BLOB, digest(1)), size: 1e9 }))
    expect((await problems(large))[0]?.text).not.toContain(' and ')
  })

  test('20,000 files are no problem, more are warned of, more than 100,000 refused', async () => {
    const blobs = (count: number): readonly Route[] =>
      Array.from({ length: count }, (_, number) => route('app', 'blob', digest(number), BLOB, digest(number)))
    expect(await problems(blobs(19_992))).toEqual([])
    expect(await problems(blobs(19_993))).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('20,001 files') }),
    ])
    expect(await problems(blobs(99_993))).toEqual([
      expect.objectContaining({ level: 'refuse', text: expect.stringContaining('100,001 files') }),
    ])
  })

  test('a folder that its tool leaves out is refused', async () => {
    const [problem] = await problems([tagsRoute('team/node_modules/x', [])])
    expect(problem).toMatchObject({ level: 'refuse', text: expect.stringContaining('team/node_modules/x') })
    expect(await problems([tagsRoute('node_modules-x', [])])).toEqual([])
  })

  test('more lists of referrers than it has rules for are warned of, and are found without the empty one', async () => {
    const lists = (count: number): readonly Route[] =>
      Array.from({ length: count }, (_, number) => referrersRoute('app', digest(number), new Uint8Array()))
    expect(await problems(lists(93))).toEqual([])
    const many = lists(94)
    expect(await problems(many)).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('94 lists') }),
    ])
    for (const [routes, missing] of [
      [lists(93), true],
      [many, false],
    ] as const) {
      const redirects = (await print(routes)).get(`${SITE}/_redirects`) ?? ''
      expect(redirects.split('\n').filter(line => /^\S*[:*]/.test(line)).length).toBeLessThanOrEqual(100)
      const places = new Set((await readFiles(routes)).map(({ path }) => path))
      for (const { path } of routes) expect(places).toContain(`${SITE}${rewrittenPath(redirects, path)}`)
      const nowhere = `${SITE}${rewrittenPath(redirects, `/v2/app/referrers/${digest(1_000_000)}`)}`
      expect(places.has(nowhere)).toBe(missing)
    }
  })

  test('the longest names that there are need no line that is too long', async () => {
    const name = `${'a/'.repeat(127)}a`
    const tag = 't'.repeat(128)
    const long = `sha512:${'f'.repeat(128)}` as Digest
    const routes = [
      route(name, 'tag', tag, OCI_MANIFEST, digest(1)),
      route(name, 'tag', `${tag.slice(1)}x`, OCI_INDEX, digest(2)),
      route(name, 'manifest', long, OCI_MANIFEST, long),
      referrersRoute(name, long, new Uint8Array()),
    ]
    expect(await problems(routes)).toEqual([])
    for (const text of (await print(routes)).values())
      for (const line of text.split('\n')) expect(line.length).toBeLessThan(1000)
  })
})

function randomRoutes({ roll, pick }: ReturnType<typeof createDice>): readonly Route[] {
  const routes: Route[] = [
    documentRoute('catalog', '/v2/_catalog', new Uint8Array()),
    documentRoute('version', '/v2/', new Uint8Array()),
  ]
  const types = new Map<Digest, string>()
  for (const repository of ['app', 'app/x', 'apple', 'team/tool', 'deep/er/and/deeper']) {
    routes.push(tagsRoute(repository, []))
    for (let number = roll(8); number > 0; number -= 1) {
      const named = digest(roll(40), pick(['a', '0', 'f']))
      const mediaType = types.get(named) ?? pick([OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST])
      types.set(named, mediaType)
      const tag = pick(['latest', '1', '1.0', '1.0.1', 'RC1', 'rc1', 'x.html', 'index.html', named.replace(':', '-')])
      const long = `sha512:${named.slice(7).repeat(2)}` as Digest
      routes.push(
        route(repository, 'manifest', named, mediaType, named),
        route(repository, 'manifest', long, mediaType, long),
      )
      routes.push(route(repository, 'blob', named, BLOB, named), referrersRoute(repository, named, new Uint8Array()))
      if (!routes.some(({ path }) => path === `/v2/${repository}/manifests/${tag}`))
        routes.push(route(repository, 'tag', tag, mediaType, named))
    }
  }
  return [...new Map(routes.map(entry => [entry.path, entry])).values()]
}

function print(routes: readonly Route[]): Promise<ReadonlyMap<string, string>> {
  return emittedFiles(cloudflarePages, routeTable(routes))
}

function readFiles(routes: readonly Route[]): Promise<readonly SiteFile[]> {
  return siteFiles(cloudflarePages, routeTable(routes))
}

function problems(routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  return problemsOf(cloudflarePages, routes)
}

function lowerCase(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
