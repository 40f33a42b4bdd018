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

    test('tags/list?last= goes on after a tag, in the order of the list', async () => {
      for (const [name, tags] of context().tree.tags) {
        for (const last of tags) {
          for (const query of [`?last=${last}`, `?n=1000&last=${last}`, `?last=${last}&ns=docker.io`]) {
            const rest = { name, tags: tags.slice(tags.indexOf(last) + 1) }
            expect(await readPage(context(), `/v2/${name}/tags/list${query}`), query).toEqual(rest)
          }
        }
      }
    })

    test('tags/list?last= of a tag that is not there repeats nothing that comes before it', async () => {
      const tags = context().tree.tags.get('app') ?? []
      for (const last of ['0000', '1.1', 'LATESt', 'lates', 'latest0', 'rc', 'zzz', '1.10.', 'x-.', '1x0.gz']) {
        const rest = tags.filter(tag => tag > last)
        const { tags: listed } = (await readPage(context(), `/v2/app/tags/list?last=${last}`)) as { tags: string[] }
        // A host that cannot compare strings ends the list.
        expect(listed.length === 0 || JSON.stringify(listed) === JSON.stringify(rest), `${last}: ${listed}`).toBe(true)
      }
    })

    test('tags/list?last= of what is no tag reaches no file', async () => {
      const { tree, get } = context()
      for (const last of HOSTILE_LAST) {
        const answer = await get(`/v2/app/tags/list?last=${last}`)
        if (context().excepted('control-characters-refused') && /%[01]/.test(last)) {
          expect(answer.status, last).toBe(400)
          continue
        }
        expect(answer.status, last).toBe(200)
        expect(answer.header('content-type'), last).toBe(JSON_TYPE)
        const { name, tags } = JSON.parse(answer.body.toString()) as { name: string; tags: string[] }
        expect(name).toBe('app')
        for (const tag of tags) expect(tree.tags.get('app'), last).toContain(tag)
      }
    })

    test('tags/list?last= of a repository that is not there is 404', async () => {
      await expectError(context(), { path: '/v2/nobody/tags/list?last=latest' }, { status: 404, code: 'NAME_UNKNOWN' })
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

/** What breaks out of a path, a template, a server-side include, a regular expression or a string, somewhere. */
const HOSTILE_LAST: readonly string[] = [
  '',
  '../../../../../../etc/hostname',
  '..%2f..%2f..%2f..%2fetc%2fhostname',
  '%2e%2e/list',
  '.',
  'a%22b',
  'a%27b',
  'a%00',
  'latest%0a',
  '%3C!--%23echo%20var=%22DOCUMENT_ROOT%22%20--%3E',
  '{{env%20%22PATH%22}}',
  '$uri',
  '$%7Bhostname%7D',
  '%5CE.*%5CQ',
  '.*',
  '(',
  '[',
  't'.repeat(200),
  'latest&last=1',
]

/** A part of a list: like the whole, but that a host which makes it while it answers may not know its length beforehand. */
async function readPage({ send }: ServingContext, path: string): Promise<unknown> {
  const answer = await send({ path, headers: GREEDY })
  expect(answer.status, path).toBe(200)
  expect(answer.header('content-type'), path).toBe(JSON_TYPE)
  expect(answer.header('content-encoding'), path).toBeUndefined()
  expectCache(answer, 'short', path)
  const head = await send({ method: 'HEAD', path, headers: GREEDY })
  const { 'transfer-encoding': _framing, 'content-length': length, ...headers } = lasting(answer)
  const { 'transfer-encoding': _headFraming, 'content-length': headLength, ...headHeaders } = lasting(head)
  expect([undefined, length], `HEAD ${path}`).toContainEqual(headLength)
  expect(headHeaders, `HEAD ${path}`).toEqual(headers)
  expect(head.body.length).toBe(0)
  return JSON.parse(answer.body.toString())
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
