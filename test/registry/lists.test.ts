import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import {
  digestTag,
  makeArtifact,
  makeFallbackIndex,
  makeImage,
  referrerEntry,
  withReferrers,
} from '../support/made-images.ts'
import { apiError, json } from '../support/registry-content.ts'
import { fails, only, sendsHeaders, tokenAuth } from '../support/registry-faults.ts'
import type { Hook } from '../support/test-registry.ts'
import { login, password } from './login-support.ts'
import { failureOf, openRegistry, startRegistry } from './registry-support.ts'

const IMAGE = await makeImage()
const TAGS = Array.from({ length: 7 }, (_, number) => `1.${number}`)
const images = Object.fromEntries(TAGS.map(tag => [tag, IMAGE]))

describe('tags are listed', () => {
  test('in one request where the registry sends all at once', async () => {
    const { registry, source } = await openRegistry(images)
    expect(await source.tags?.('app')).toEqual(TAGS)
    expect(registry.lines()).toEqual(['GET /v2/app/tags/list 200'])
  })

  test('over all pages', async () => {
    const { registry, source } = await openRegistry(images, { registry: { pageSize: 3 } })
    expect(await source.tags?.('app')).toEqual(TAGS)
    expect(registry.log.map(({ query }) => query.get('last'))).toEqual([null, '1.2', '1.5'])
  })

  const links: Readonly<Record<string, (target: string) => string>> = {
    'with another host, as registries behind a proxy write it': target =>
      `<http://internal.invalid${target}>; rel="next"`,
    'without quotes': target => `<${target}>;rel=next`,
    'among others': target => `<https://x.invalid/a,b>; rel="first", <${target}>; title="x"; rel="prev next"`,
    'relative to its own address': target => `<list${target.slice(target.indexOf('?'))}>; rel=NEXT`,
  }
  test.each(Object.entries(links))('by a link %s', async (_, format) => {
    const hook: Hook = async (request, next) => {
      const answer = await next(request)
      const target = /^<([^>]+)>/.exec(String(answer.headers['link'] ?? ''))?.[1]
      return target === undefined ? answer : { ...answer, headers: { ...answer.headers, link: format(target) } }
    }
    const { source } = await openRegistry(images, { registry: { pageSize: 3, hook } })
    expect(await source.tags?.('app')).toEqual(TAGS)
  })

  test('from the registry itself, even where the path of a link begins like an address', async () => {
    const elsewhere = await startRegistry({ repositories: { app: images } })
    const target = `http://internal.invalid//${elsewhere.host}/v2/app/tags/list`
    const link = { link: `<${target}>; rel="next"` }
    const pages = [{ ...json(200, { tags: ['a'] }), headers: link }, json(200, { tags: ['b'] })]
    const hook: Hook = () => pages.shift() ?? json(500, {})
    const { source } = await openRegistry({}, { registry: { hook } })
    expect(await source.tags?.('app')).toEqual(['a', 'b'])
    expect(elsewhere.lines()).toEqual([])
  })

  test('each once, in the registry’s order', async () => {
    const { source } = await openRegistry({}, { registry: { hook: () => json(200, { tags: ['b', 'a', 'b'] }) } })
    expect(await source.tags?.('app')).toEqual(['b', 'a'])
  })

  test.each([{ name: 'app', tags: null }, { name: 'app' }, { tags: [] }])('as none: %j', async body => {
    const { source } = await openRegistry({}, { registry: { hook: () => json(200, body) } })
    expect(await source.tags?.('app')).toEqual([])
  })

  test('not without end', async () => {
    const hook: Hook = async (request, next) => {
      const answer = await next(request)
      return { ...answer, headers: { ...answer.headers, link: '</v2/app/tags/list?n=1000>; rel="next"' } }
    }
    const { registry, source } = await openRegistry(images, { registry: { hook } })
    expect(await failureOf(source.tags?.('app') ?? Promise.resolve())).toMatchObject({
      code: 'bad-answer',
      side: 'source',
    })
    expect(registry.log).toHaveLength(1)
  })

  test.each([[{ tags: ['../x'] }], [{ tags: [5] }], [{ tags: 'x' }], [['x']], ['<html>']])(
    'not where they are none: %j',
    async body => {
      const { source } = await openRegistry({}, { registry: { hook: () => json(200, body) } })
      expect(await failureOf(source.tags?.('app') ?? Promise.resolve())).toMatchObject({
        code: 'bad-answer',
        side: 'source',
      })
    },
  )

  test('not where there is no such repository', async () => {
    const { registry, source } = await openRegistry({})
    expect(await failureOf(source.tags?.('no/such') ?? Promise.resolve())).toMatchObject({
      code: 'not-found',
      message: `${registry.host} has no repository called no/such, or lists no tags`,
    })
  })
})

describe('referrers are listed', () => {
  const notes = ['one', 'two', 'three'].map(payload => makeArtifact({ subject: IMAGE, payload }))
  const entries = notes.map(referrerEntry)
  const referred = withReferrers(IMAGE, ...notes)
  const tag = digestTag(IMAGE.root.digest)

  test('by the API, over all pages', async () => {
    const { registry, source } = await openRegistry({ latest: referred }, { registry: { pageSize: 1 } })
    expect(await source.referrers?.('app', IMAGE.root.digest)).toEqual(entries)
    expect(registry.log).toHaveLength(3)
    expect(registry.log[0]).toMatchObject({
      headers: { accept: OCI_INDEX },
      path: `/v2/app/referrers/${IMAGE.root.digest}`,
    })
  })

  test('each once', async () => {
    const twice = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...entries, ...entries] }
    const answer = { ...json(200, twice), headers: { 'content-type': OCI_INDEX } }
    const { source } = await openRegistry({ latest: IMAGE }, { registry: { hook: only(/referrers/, () => answer) } })
    expect(await source.referrers?.('app', IMAGE.root.digest)).toEqual(entries)
  })

  const absent: Readonly<Record<string, Hook>> = {
    ...Object.fromEntries([400, 403, 404, 405, 406, 501].map(status => [`answers ${status}`, fails(status)])),
    'answers with a page': () => ({
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: Buffer.from('<html>'),
    }),
    'answers with plain JSON': sendsHeaders({ 'content-type': 'application/json' }),
    'does not know the digest': () => apiError(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
  }
  test.each(Object.entries(absent))('by the fallback tag where the API %s', async (_, hook) => {
    const { source } = await openRegistry(
      { latest: IMAGE, [tag]: makeFallbackIndex(notes) },
      { registry: { hook: only(/referrers/, hook) } },
    )
    expect(await source.referrers?.('app', IMAGE.root.digest)).toEqual(entries)
  })

  test.each([
    ['a registry token', { registrytoken: 'raw' }],
    ['a token of the token server', password('me', 'secret')],
  ])('by the fallback tag where the API answers 400 and %s is in use', async (_, entry) => {
    const asks = tokenAuth({ user: ['me', 'secret'] })
    const hook: Hook = (request, next) => {
      const passed: typeof next = async known => (/referrers/.test(known.path) ? fails(400)(known, next) : next(known))
      return request.headers['authorization'] === 'Bearer raw' ? passed(request) : asks(request, passed)
    }
    const { registry, source } = await login(hook, entry)
    registry.put('app', tag, makeFallbackIndex(notes))
    await source.resolve('app', 'latest')
    expect(await source.referrers?.('app', IMAGE.root.digest)).toEqual(entries)
  })

  test('as none where there is neither, or the tag is someone’s own', async () => {
    for (const more of [{}, { [tag]: await makeImage({ seed: 'cosign copy' }) }]) {
      const { source } = await openRegistry({ latest: IMAGE, ...more }, { registry: { noReferrers: true } })
      expect(await source.referrers?.('app', IMAGE.root.digest)).toEqual([])
    }
  })

  test('of a digest by sha512 under its shortened tag', async () => {
    const digest = digestOf('x', 'sha512')
    const { registry, source } = await openRegistry({ latest: IMAGE }, { registry: { noReferrers: true } })
    expect(await source.referrers?.('app', digest)).toEqual([])
    expect(registry.lines()[1]).toBe(`GET /v2/app/manifests/sha512-${digest.slice(7, 71)} 404`)
  })

  test('not where the list is none', async () => {
    const hook = only(/referrers/, () => ({
      status: 200,
      headers: { 'content-type': OCI_INDEX },
      body: Buffer.from('{'),
    }))
    const { source } = await openRegistry({ latest: IMAGE }, { registry: { hook } })
    expect(await failureOf(source.referrers?.('app', IMAGE.root.digest) ?? Promise.resolve())).toMatchObject({
      code: 'manifest-invalid',
    })
  })

  test('not where the registry fails', async () => {
    const { source } = await openRegistry(
      { latest: IMAGE },
      { registry: { hook: only(/referrers/, fails(500)) }, source: { retryTimes: 1 } },
    )
    expect(await failureOf(source.referrers?.('app', IMAGE.root.digest) ?? Promise.resolve())).toMatchObject({
      code: 'unreachable',
    })
  })
})
