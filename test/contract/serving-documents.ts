import { describe, expect, test } from 'vitest'
import {
  expectCache,
  expectError,
  expectOwnDigest,
  expectWhole,
  GREEDY,
  lasting,
  type ServingContext,
} from './serving-expectations.ts'
import { OCI_INDEX } from './tree-by-hand.ts'

const JSON_TYPE = 'application/json'
const NOBODY = Buffer.from(`{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`)

/** The version check and the documents: tags/list, _catalog, referrers and the fallback tag. */
export function documentContract(context: () => ServingContext): void {
  describe('documents', () => {
    test.for(['/v2/', '/v2', '/v2/?x=y'])('%s is 200 for GET and HEAD', async path => {
      const answer = await expectWhole(context(), path, {
        bytes: Buffer.from('{}'),
        mediaType: JSON_TYPE,
        cache: 'short',
      })
      expect(answer.header('docker-distribution-api-version')).toBe('registry/2.0')
    })

    test('tags/list names every tag, fallback tags included, in order', async () => {
      for (const [name, tags] of context().tree.tags)
        expect(await readDocument(context(), `/v2/${name}/tags/list`, JSON_TYPE)).toEqual({ name, tags })
    })

    test('tags/list ignores a query that it does not know', async () => {
      expect((await context().get('/v2/other/tags/list?ns=docker.io')).status).toBe(200)
    })

    test('_catalog names every repository, and none that is a link out of the tree', async () => {
      const repositories = [...context().tree.tags.keys()].sort()
      expect(await readDocument(context(), '/v2/_catalog', JSON_TYPE)).toEqual({ repositories })
    })

    test('referrers of a digest are listed as an OCI index, by API and by fallback tag, whether or not the subject is there', async () => {
      for (const { repository, subject, fallbackTag, descriptors } of context().tree.referrers) {
        for (const spelled of [subject, subject.replace(':', '%3A')]) {
          const listed = await readDocument(context(), `/v2/${repository}/referrers/${spelled}`, OCI_INDEX)
          expect(listed).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: byDigest(descriptors) })
        }
        const answer = await context().get(`/v2/${repository}/manifests/${fallbackTag}`)
        expect(answer.header('content-type')).toBe(OCI_INDEX)
        expect(JSON.parse(answer.body.toString()).manifests).toEqual(byDigest(descriptors))
        expectOwnDigest(answer, fallbackTag)
        const digest = answer.header('docker-content-digest') ?? ''
        await expectWhole(context(), `/v2/${repository}/manifests/${digest}`, {
          bytes: answer.body,
          mediaType: OCI_INDEX,
          digest,
          cache: 'immutable',
        })
      }
    })

    test('referrers of a digest that nothing refers to are an empty index, with 200', async () => {
      for (const digest of [`sha256:${'0'.repeat(64)}`, `sha256%3A${'a'.repeat(64)}`, `sha512:${'0'.repeat(128)}`])
        await expectWhole(context(), `/v2/app/referrers/${digest}`, {
          bytes: NOBODY,
          mediaType: OCI_INDEX,
          cache: 'short',
        })
    })

    test('a document that is not there is 404', async () => {
      await expectError(context(), { path: '/v2/nobody/tags/list' }, { status: 404, code: 'NAME_UNKNOWN' })
      await expectError(context(), { path: '/v2/app/nested/tags/list' }, { status: 404, code: 'NAME_UNKNOWN' })
    })
  })
}

async function readDocument({ send }: ServingContext, path: string, mediaType: string): Promise<unknown> {
  const answer = await send({ path, headers: GREEDY })
  expect(answer.status, path).toBe(200)
  expect(answer.header('content-type'), path).toBe(mediaType)
  expect(answer.header('content-length'), path).toBe(String(answer.body.length))
  expect(answer.header('content-encoding'), path).toBeUndefined()
  expectCache(answer, 'short', path)
  const head = await send({ method: 'HEAD', path, headers: GREEDY })
  expect(lasting(head), `HEAD ${path}`).toEqual(lasting(answer))
  return JSON.parse(answer.body.toString())
}

function byDigest(descriptors: readonly unknown[]): readonly unknown[] {
  return [...(descriptors as { readonly digest: string }[])].sort((a, b) => (a.digest < b.digest ? -1 : 1))
}
