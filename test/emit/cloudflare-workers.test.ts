import { describe, expect, test } from 'vitest'
import { cloudflareWorkers } from '../../src/emit/cloudflare-workers.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { parseRequestPath } from '../../src/tree/layout.ts'
import { emittedFiles, route, routeTable } from '../contract/emitter-routes.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const TAGS = { name: 'app', tags: ['1', '2', '3', 'RC1', 'latest'] }
const REFERRERS = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [{ artifactType: 'a/x' }, { artifactType: 'a/y' }],
}

describe('the files of Cloudflare Workers', () => {
  test('are the same for every content', async () => {
    const some = await print([route('app', 'tag', 'latest', OCI_MANIFEST, DIGEST)])
    expect(await print([])).toEqual(some)
    expect([...some.keys()]).toEqual(['cloudflare-workers/worker.js', 'cloudflare-workers/wrangler.jsonc'])
  })

  test('name the bucket and the worker', async () => {
    const files = await print([], { bucket: 'images', worker: 'my-registry' })
    const text = files.get('cloudflare-workers/wrangler.jsonc') ?? ''
    expect(JSON.parse(text.replace(/^\/\/.*\n/, ''))).toMatchObject({
      name: 'my-registry',
      main: 'worker.js',
      r2_buckets: [{ binding: 'CONTENT', bucket_name: 'images' }],
    })
  })

  test.for(['', 'ab', 'a'.repeat(64), 'Upper', '-ab', 'ab-', 'a.b', 'a b', 'a"b'])(
    '%j is no name of a bucket',
    name => {
      for (const option of cloudflareWorkers.options)
        expect(() => option.parse(name)).toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )

  test('say what to do first: the content and the worker', () => {
    const text = cloudflareWorkers.setup?.({ bucket: 'images' })
    expect(text).toContain('registrish deploy --s3 images --s3-endpoint')
    expect(text).toContain('wrangler deploy --config cloudflare-workers/wrangler.jsonc')
  })
})

/* What the real runtime is asked for in test/e2e: here only what that contract does not ask for. */
describe('the worker', () => {
  test('gives a page of tags, and the address of the next', async () => {
    const bucket = { 'v2/app/tags/list': JSON.stringify(TAGS) }
    const seen: string[] = []
    let path: string | undefined = '/v2/app/tags/list?n=2'
    while (path !== undefined) {
      const answer = await ask(path, bucket)
      const { name, tags } = (await answer.json()) as typeof TAGS
      expect(name).toBe('app')
      expect(tags.length).toBeLessThanOrEqual(2)
      seen.push(...tags)
      path = /^<(.*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    expect(seen).toEqual(TAGS.tags)
  })

  test.for([
    ['?n=0', []],
    ['?n=5', TAGS.tags],
    ['?n=x', TAGS.tags],
    ['?n=-1', TAGS.tags],
    ['?last=3', ['RC1', 'latest']],
    ['?n=1&last=3', ['RC1']],
    ['?last=zzz', []],
  ] as const)('tags/list%s has these tags', async ([query, tags]) => {
    const answer = await ask(`/v2/app/tags/list${query}`, { 'v2/app/tags/list': JSON.stringify(TAGS) })
    expect(await answer.json()).toEqual({ name: 'app', tags })
    expect(answer.headers.has('link')).toBe(query === '?n=1&last=3')
  })

  test('filters referrers by the type of artifact, and says so', async () => {
    const bucket = { [`v2/app/referrers/${DIGEST}`]: JSON.stringify(REFERRERS) }
    const all = await ask(`/v2/app/referrers/${DIGEST}`, bucket)
    expect(await all.json()).toEqual(REFERRERS)
    expect(all.headers.has('oci-filters-applied')).toBe(false)
    const some = await ask(`/v2/app/referrers/${DIGEST}?artifactType=a/y`, bucket)
    expect(await some.json()).toEqual({ ...REFERRERS, manifests: [{ artifactType: 'a/y' }] })
    expect(some.headers.get('oci-filters-applied')).toBe('artifactType')
    expect(some.headers.get('content-type')).toBe(OCI_INDEX)
  })

  test('reads only what a path of the registry names', async () => {
    const bucket = new Proxy<Readonly<Record<string, string>>>({}, { get: () => 'a secret' })
    for (const path of [
      '/',
      '/v2/app',
      '/.registrish/x',
      '/v2/.registrish/x',
      '/v2/app/manifests/a/b',
      '/v2/_x/tags/list',
      '/v2/a/blobs/x/tags/list',
      '/v2/index.json',
      '/v2/_404.json',
      `/v2/app/blobs/${DIGEST}x`,
    ]) {
      expect(parseRequestPath(path), path).toBeUndefined()
      const answer = await ask(path, bucket)
      expect([answer.status, await answer.text()], path).toEqual([404, expect.stringContaining('NAME_UNKNOWN')])
    }
  })
})

/** Asks the worker itself, with a bucket of texts. */
async function ask(path: string, objects: Readonly<Record<string, string>>): Promise<Response> {
  const script = (await print([])).get('cloudflare-workers/worker.js') ?? ''
  const { default: worker } = (await import(`data:text/javascript,${encodeURIComponent(script)}`)) as WorkerModule
  const get = async (key: string): Promise<unknown> => {
    const text = objects[key]
    return text === undefined ? null : { text: async () => text }
  }
  return worker.fetch(new Request(`https://registry.example${path}`), { CONTENT: { get, head: get } })
}

interface WorkerModule {
  readonly default: { fetch(request: Request, bindings: Readonly<Record<string, unknown>>): Promise<Response> }
}

function print(
  routes: Parameters<typeof routeTable>[0],
  options: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, string>> {
  return emittedFiles(cloudflareWorkers, routeTable(routes), options)
}
