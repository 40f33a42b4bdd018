import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { makeArtifact, makeImage, withReferrers } from '../support/made-images.ts'
import { type Answer, apiError, json } from '../support/registry-content.ts'
import { only } from '../support/registry-faults.ts'
import type { Hook, TestRegistry } from '../support/test-registry.ts'
import { expectFetched, expectRefused, photograph } from './support/hostile.ts'

/* Lists that a registry gives: of tags, of what refers to an image, in pages without end or that lead elsewhere. */

const MANIFESTS = /\/manifests\//

/** A registry of one good image, `evil:latest`, that answers as the hook says. */
async function evil(hook: Hook): Promise<TestRegistry> {
  return startRegistry({ evil: { latest: await makeImage({ seed: 'evil' }) } }, { hook })
}

describe('a list of tags', () => {
  const options = { as: 'app', force: true, allTags: true }
  const lists = (answer: (path: string, query: URLSearchParams) => Answer): Hook =>
    only(/\/tags\/list/, ({ path, query }) => answer(path, query))

  test.each(
    [
      '../../../etc/passwd',
      '..',
      '.hidden',
      'a/b',
      'a\0b',
      'a\n',
      '\u001b[2J',
      '',
      'x'.repeat(129),
      'x'.repeat(1_000_000),
      digestOf('tag'),
      'ａ',
      '-rf',
      7,
      null,
      ['latest'],
      { toString: 'no' },
    ].map(tag => [JSON.stringify(tag).slice(0, 40), tag]),
  )('with %s is refused', async (_, tag) => {
    const registry = await evil(lists(() => json(200, { name: 'evil', tags: ['latest', tag] })))
    await expectRefused({ image: `${registry.host}/evil`, options }, { code: 'bad-answer', hint: /./ })
  })

  test.each(['[]', '"latest"', '{"tags":"latest"}', '{"tags":{"0":"latest"}}', 'null', '', '<html>', '['.repeat(500)])(
    'that is %j is refused',
    async text => {
      const registry = await evil(lists(() => ({ status: 200, headers: {}, body: Buffer.from(text) })))
      await expectRefused({ image: `${registry.host}/evil`, options }, { code: 'bad-answer', hint: /./ })
    },
  )

  test.each(['latest', 'constructor', '__proto__', 'toString', 'hasOwnProperty', '_catalog', 'index.json', 'list'])(
    'with %j is an ordinary one',
    async tag => {
      const registry = await startRegistry({ evil: { [tag]: await makeImage() } })
      const root = await expectFetched({ image: `${registry.host}/evil`, options })
      expect([...(await photograph(`${root}/v2/app/manifests`)).keys()]).toContain(tag)
    },
  )

  test('whose next page is itself is left', async () => {
    const hook = lists(path => ({
      ...json(200, { tags: ['latest'] }),
      headers: { link: `<${path}?n=1000>; rel="next"` },
    }))
    const registry = await evil(hook)
    await expectRefused(
      { image: `${registry.host}/evil`, options },
      { code: 'bad-answer', hint: /name the tags that are wanted/, message: /pages that never end/ },
    )
    expect(registry.log.length).toBeLessThan(5)
  })

  test('whose pages never end is left', async () => {
    const page = Array.from({ length: 200_000 }, (_, number) => `t${number}`)
    const hook = lists((path, query) => {
      const next = `<${path}?page=${Number(query.get('page') ?? 0) + 1}>; rel="next"`
      return { ...json(200, { tags: page }), headers: { link: next } }
    })
    const registry = await evil(hook)
    await expectRefused(
      { image: `${registry.host}/evil`, options },
      { code: 'bad-answer', hint: /name the tags that are wanted/, message: /pages that never end/ },
    )
    expect(registry.log.length).toBeLessThan(20)
  })

  test('of a million tags is read, and those that match are fetched', async () => {
    const tags = [...Array.from({ length: 1_000_000 }, (_, number) => `t${number}`), 'latest']
    const body = Buffer.from(JSON.stringify({ tags }))
    const registry = await evil(lists(() => ({ status: 200, headers: {}, body })))
    const root = await expectFetched({
      image: `${registry.host}/evil`,
      options: { as: 'app', force: true, tagGlobs: ['late*'] },
    })
    expect([...(await photograph(`${root}/v2/app/manifests`)).keys()]).toContain('latest')
  })

  test.each([
    'http://169.254.169.254/latest/meta-data',
    '//other.example/v2/evil/tags/list',
    'file:///etc/passwd',
    '/../../etc/passwd',
    'not a link>; rel="next", <',
    `/${'x'.repeat(100)}`,
  ])('whose next page is at %j asks nobody else', async link => {
    const hook = lists(() => ({ ...json(200, { tags: ['latest'] }), headers: { link: `<${link}>; rel="next"` } }))
    const asked: TestRegistry = await evil((request, next) =>
      request.path.endsWith('/tags/list') || MANIFESTS.test(request.path) || /\/blobs\//.test(request.path)
        ? hook(request, next)
        : apiError(404, 'UNKNOWN', request.path),
    )
    const attempt = { image: `${asked.host}/evil`, options }
    const outcome: unknown = await expectFetched(attempt).catch((error: unknown) => error)
    if (typeof outcome !== 'string')
      await expectRefused(attempt, { code: link.startsWith('//') ? 'bad-answer' : 'not-found', hint: /./ })
    expect(asked.log.every(({ headers }) => headers['host'] === asked.host)).toBe(true)
  })
})

describe('what refers to an image', () => {
  const options = { as: 'app', force: true, referrers: true }

  /** A registry whose list of referrers is this. */
  async function listing(entries: unknown): Promise<TestRegistry> {
    return evil(
      only(/\/referrers\//, () => ({
        ...json(200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries }),
        headers: { 'content-type': OCI_INDEX },
      })),
    )
  }

  test.each(['../../../etc/passwd', `sha256:${'0'.repeat(60)}/../`, '', 7, null, '__proto__'])(
    'the digest %j is refused',
    async digest => {
      const registry = await listing([{ mediaType: OCI_MANIFEST, digest, size: 7 }])
      await expectRefused({ image: `${registry.host}/evil`, options }, { code: 'manifest-invalid', hint: /./ })
    },
  )

  test('that is not there, too large, or refers to something else is left out', async () => {
    const image = await makeImage({ seed: 'subject' })
    const other = makeArtifact({ subject: await makeImage({ seed: 'other' }), payload: 'other' })
    const lies = [
      { mediaType: OCI_MANIFEST, digest: digestOf('absent'), size: 7 },
      { mediaType: OCI_MANIFEST, digest: digestOf('large'), size: 5_000_000_000 },
      other.root,
      { ...image.root, artifactType: 'it refers to itself' },
    ]
    const hook: Hook = only(/\/referrers\//, () => ({
      ...json(200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: lies }),
      headers: { 'content-type': OCI_INDEX },
    }))
    const registry = await startRegistry({ evil: { latest: image, other: withReferrers(other) } }, { hook })
    const root = await expectFetched({ image: `${registry.host}/evil:latest`, options })
    const names = [...(await photograph(`${root}/v2/app/manifests`)).keys()]
    expect(names).toContain(image.root.digest)
    expect(names).not.toContain(other.root.digest)
  })

  test('in a circle comes to an end', async () => {
    // No digest names itself: a list that says so lies about the subject, and each list names all.
    const image = await makeImage({ seed: 'subject' })
    const chain = [makeArtifact({ subject: image, payload: '0' })]
    for (let depth = 1; depth < 30; depth += 1) {
      const subject = chain.at(-1)
      if (subject !== undefined) chain.push(makeArtifact({ subject, payload: String(depth) }))
    }
    const hook: Hook = only(/\/referrers\//, () => ({
      ...json(200, { manifests: [image, ...chain].map(({ root }) => root) }),
      headers: { 'content-type': OCI_INDEX },
    }))
    const registry = await startRegistry({ evil: { latest: withReferrers(image, ...chain) } }, { hook })
    const root = await expectFetched({ image: `${registry.host}/evil`, options })
    const names = [...(await photograph(`${root}/v2/app/manifests`)).keys()]
    for (const { root: referrer } of chain) expect(names).toContain(referrer.digest)
  })
})
