import { describe, expect, test } from 'vitest'
import type { EmitProblem } from '../../src/emit/emitter.ts'
import { vercel } from '../../src/emit/vercel.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Route } from '../../src/tree/route.ts'
import { emittedFiles, problemsOf, route, routeTable } from '../contract/emitter-routes.ts'

const A = `sha256:${'a'.repeat(64)}`
const B = `sha256:${'b'.repeat(64)}`
const BLOB = 'application/octet-stream'

describe('tags', () => {
  const images = (count: number): Route[] =>
    Array.from({ length: count }, (_, index) =>
      route('app', 'tag', `t${index}`, OCI_MANIFEST, `sha256:${index.toString(16).padStart(64, '0')}`),
    )

  test('of many images have no digest, of all or of none, and are warned of', async () => {
    const room = 2000 - (await routes([])).length
    expect(await problems(images(room))).toEqual([])
    expect(await routes(images(room))).toHaveLength(2000)
    expect(await problems(images(room + 1))).toEqual([
      expect.objectContaining({
        level: 'warn',
        code: 'limit',
        text: expect.stringContaining(`${(room + 1).toLocaleString('en')} images with tags`),
      }),
    ])
    expect(await routes(images(room + 1))).toHaveLength(2000 - room)
  })

  test('of one image share a route, as long as it holds them', async () => {
    const tags = (count: number): Route[] =>
      ['app', 'team/tool'].flatMap(name =>
        Array.from({ length: count }, (_, index) => route(name, 'tag', `${'t.'.repeat(30)}${index}`, OCI_MANIFEST, A)),
      )
    const fixed = (await routes([])).length
    expect(await routes(tags(5))).toHaveLength(fixed + 1)
    const many = (await routes(tags(300))).filter(({ headers }) => headers?.['Docker-Content-Digest'] === A)
    expect(many.length).toBeGreaterThan(1)
    for (const { src = '' } of many) expect(src.length).toBeLessThanOrEqual(4096)
    const matching = tags(300).map(({ path }) => many.filter(({ src = '' }) => new RegExp(src).test(path)).length)
    expect(new Set(matching)).toEqual(new Set([1]))
  })

  test('that differ by a full stop or by case are not taken for one another', async () => {
    const all = await routes([route('app', 'tag', '1.0', OCI_MANIFEST, A), route('app', 'tag', 'RC1', OCI_MANIFEST, B)])
    const named = (path: string): number =>
      all.filter(
        ({ src = '', headers, caseSensitive }) =>
          headers?.['Docker-Content-Digest']?.startsWith('sha256:') && caseSensitive && new RegExp(src).test(path),
      ).length
    expect(['1.0', '1x0', 'RC1', 'rc1', '1.00'].map(tag => named(`/v2/app/manifests/${tag}`))).toEqual([1, 0, 1, 0, 0])
  })
})

describe('limits', () => {
  const layer = (size: number): Route => ({ ...route('app', 'blob', B, BLOB, B), size })

  test('sizes beyond a plan are warned of, a blob of several repositories counted once', async () => {
    expect(await problems([layer(100_000_000)])).toEqual([])
    expect(await problems([layer(60_000_000), { ...route('other', 'blob', B, BLOB, B), size: 60_000_000 }])).toEqual([])
    expect(await problems([layer(100_000_001)])).toEqual([
      expect.objectContaining({
        level: 'warn',
        text: expect.stringContaining('101 MB, and a deployment takes 100 MB on the Hobby plan'),
      }),
    ])
    expect(await problems([layer(2_000_000_000)])).toEqual([
      expect.objectContaining({
        text: expect.stringContaining('2,000 MB, and a deployment takes 1 GB on the Pro plan'),
      }),
    ])
  })

  test('many files are warned of', async () => {
    const manifests = Array.from({ length: 15_001 }, (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`)
    const all = manifests.map(digest => route('app', 'manifest', digest, OCI_MANIFEST, digest))
    expect(await problems(all.slice(1))).toEqual([])
    expect(await problems(all)).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('15,001 files') }),
    ])
  })
})

interface PrintedRoute {
  readonly src?: string
  readonly caseSensitive?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

async function routes(table: readonly Route[]): Promise<readonly PrintedRoute[]> {
  const config = (await emittedFiles(vercel, routeTable(table))).get('vercel/.vercel/output/config.json') ?? ''
  return (JSON.parse(config) as { readonly routes: readonly PrintedRoute[] }).routes
}

function problems(routes: readonly Route[]): Promise<readonly EmitProblem[]> {
  return problemsOf(vercel, routes)
}
