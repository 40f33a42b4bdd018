import { describe, expect, test } from 'vitest'
import { rawBytes } from './raw-request.ts'
import { expectError, type ServingContext } from './serving-expectations.ts'

/** What Apache says of its pages. */
const OWN_PAGE = 'text/html; charset=iso-8859-1'

const NOWHERE = `sha256:${'0'.repeat(64)}`

/** What is not there, what is not ours to show, what may not be done: always JSON, never 403, never a page. */
export function errorContract(context: () => ServingContext): void {
  describe('errors', () => {
    test.for([
      ['/v2/app/manifests/nothing', 'MANIFEST_UNKNOWN'],
      ['/v2/app/manifests/lAtEsT', 'MANIFEST_UNKNOWN'],
      [`/v2/app/manifests/${NOWHERE}`, 'MANIFEST_UNKNOWN'],
      [`/v2/app/manifests/sha512:${'0'.repeat(128)}`, 'MANIFEST_UNKNOWN'],
      [`/v2/app/blobs/${NOWHERE}`, 'BLOB_UNKNOWN'],
      ['/v2/nobody/manifests/latest', 'NAME_UNKNOWN'],
      [`/v2/nobody/manifests/${NOWHERE}`, 'NAME_UNKNOWN'],
      [`/v2/nobody/blobs/${NOWHERE}`, 'NAME_UNKNOWN'],
      ['/v2/app/nested/manifests/latest', 'NAME_UNKNOWN'],
    ])('%s is 404 with %s', async ([path = '', code = '']) => {
      await expectError(context(), { path }, { status: 404, code })
      const head = await context().send({ method: 'HEAD', path })
      expect(head.status).toBe(404)
      expect(head.header('content-type')).toBe('application/json')
      expect(head.body.length).toBe(0)
    })

    test('a manifest or blob of another repository is 404', async () => {
      const { tree } = context()
      const manifest = tree.manifests.find(({ repository }) => repository === 'other')?.digests[0]
      const blob = tree.text.digest
      await expectError(context(), { path: `/v2/app/manifests/${manifest}` }, { status: 404, code: 'MANIFEST_UNKNOWN' })
      await expectError(context(), { path: `/v2/other/blobs/${blob}` }, { status: 404, code: 'BLOB_UNKNOWN' })
    })

    test.for([
      ...[
        '/v2/app',
        '/v2/app/',
        '/v2/app/manifests',
        '/v2/app/manifests/',
        '/v2/app/blobs',
        '/v2/app/blobs/',
        '/v2/app/tags',
        '/v2/app/tags/',
      ],
      ...[
        '/v2/app/tags/list/',
        '/v2/app/secret/tags/list',
        '/v2/app/secret/tags/list?last=a',
        '/v2/app/referrers',
        '/v2/app/referrers/',
        '/v2/index.json',
        '/v2/_catalog/',
        '/v2/_other',
      ],
      ...[
        '/v2/app/manifests/latest/',
        '/v2/app/manifests/application',
        '/v2/app/blobs/latest',
        '/v2/app/manifests/-x',
        '/v2/app/manifests/a%20b',
        '/v2/app/manifests/latest%0a',
      ],
      ...[
        `/v2/app/manifests/t${'0'.repeat(128)}`,
        '/v2/app/manifests/sha256:abc',
        `/v2/app/blobs/sha256:${'A'.repeat(64)}`,
        `/v2/app/blobs/md5:${'0'.repeat(32)}`,
      ],
      ...[
        '/v2/APP/manifests/latest',
        '/v2/manifests/latest',
        '/V2/',
        '/v2x/',
        '/',
        '/v1/_ping',
        '/favicon.ico',
        '/nginx/registry.conf',
        '/nginx/',
      ],
    ])('%s is nothing', async path => {
      // `application` is a tag of the fixture: what is checked there is that it is the tag and no folder.
      if (path.endsWith('/application')) expect((await context().get(path)).status).toBe(200)
      else {
        const early = context().excepted('control-characters-refused') && path.includes('%0a')
        await expectError(context(), { path }, { status: early ? 400 : 404 })
      }
    })

    test('referrers of what is no digest are refused: 400 by the distribution spec ("Listing Referrers"), which a static host cannot tell from 404', async () => {
      for (const digest of ['latest', 'sha256:abc', `sha256:${'0'.repeat(64)}%0a`])
        await expectError(context(), { path: `/v2/app/referrers/${digest}` }, { status: [400, 404] })
    })

    test('no file but the API is served, and no link out of the tree is followed', async () => {
      const { tree } = context()
      for (const path of tree.hidden) {
        if (context().excepted('blob-links-followed') && /^\/v2\/app\/blobs\/sha256:/.test(path)) {
          expect((await context().get(path)).body.toString(), path).toBe(tree.secret)
          continue
        }
        const answer = await expectError(context(), { path }, { status: 404 })
        expect(answer.body.toString(), path).not.toContain(tree.secret)
      }
    })

    test('no spelling of a path leaves the tree', async () => {
      const { tree, get } = context()
      const secret = `${'/..'.repeat(2)}/.registrish/secret`
      const paths = [
        ...[
          `/v2/app${secret}`,
          `/v2/app${secret.replaceAll('..', '%2e%2e')}`,
          `/v2/app${secret.replaceAll('/', '%2f')}`,
        ],
        ...[
          '/v2/../.registrish/secret',
          '/v2/..%2f.registrish%2fsecret',
          '/v2//../.registrish/secret',
          '/v2/%2e%2e/%2egit/config',
        ],
        ...[
          '/v2/app/manifests/../../secret.txt',
          '/v2/app/manifests/..%2f..%2f..%2f.registrish%2fsecret',
          '/v2/app/blobs/../secret',
        ],
        ...[
          '/../../../../../../etc/passwd',
          '/v2/../../../../../../../../etc/passwd',
          '/v2/app/manifests/..%5c..%5csecret',
        ],
      ]
      for (const path of paths) {
        const answer = await get(path)
        expect([400, 404], path).toContain(answer.status)
        const early = context().excepted('odd-paths-refused-early') && isRefusedEarly(path)
        expect(answer.header('content-type'), path).toBe(early ? OWN_PAGE : 'application/json')
        expect(answer.body.toString(), path).not.toMatch(new RegExp(`${tree.secret}|root:`))
      }
    })

    test.for([
      '/v2/app/manifests/%00',
      '/v2/app/manifests/latest%00.html',
      '/v2/%zz/manifests/latest',
      '/v2/app/manifests/%',
    ])('%s is refused in JSON', async path => {
      if (context().excepted('paths-refused-as-text') && /%(?:zz|$)/.test(path)) {
        const answer = await context().get(path)
        expect([answer.status, answer.header('content-type')]).toEqual([400, 'text/plain; charset=utf-8'])
        return
      }
      if (context().excepted('odd-paths-refused-early')) {
        const answer = await context().get(path)
        expect([400, 404]).toContain(answer.status)
        expect(answer.header('content-type')).toBe(OWN_PAGE)
        return
      }
      await expectError(context(), { path }, { status: [400, 404] })
    })

    test('a path that is too long is refused and the server goes on', async () => {
      expect([404, 414, 431]).toContain((await context().get(`/v2/${'a/'.repeat(20_000)}manifests/latest`)).status)
      expect((await context().get('/v2/')).status).toBe(200)
    })

    test('a name that makes a regular expression slow is answered', async () => {
      for (const name of ['a-'.repeat(1500), 'a_'.repeat(1500), 'a/'.repeat(1500), `${'-'.repeat(3000)}A`]) {
        const path = `/v2/a${name}/manifests/`
        if (context().excepted('long-names-forbidden') && !name.includes('/')) {
          const answer = await context().get(path)
          expect([answer.status, answer.header('content-type')]).toEqual([403, OWN_PAGE])
        } else await expectError(context(), { path }, { status: 404 })
      }
    })

    test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is 405, in JSON, with Allow', async method => {
      const { tree } = context()
      for (const path of [
        '/v2/',
        '/v2/app/manifests/latest',
        `/v2/app/blobs/${tree.text.digest}`,
        '/v2/app/blobs/uploads/',
        '/v2/app/tags/list',
        '/v2/new/manifests/1',
      ]) {
        for (const body of ['', 'x'.repeat(context().excepted('long-bodies-unread') ? 200_000 : 2_000_000)]) {
          const answer = await expectError(context(), { method, path, body }, { status: 405, code: 'UNSUPPORTED' })
          expect(answer.header('allow')?.split(/, ?/).sort(), path).toEqual(['GET', 'HEAD'])
        }
      }
      expect((await context().get('/v2/app/manifests/latest')).status).toBe(200)
    })

    test('a request that is not HTTP does no harm', async () => {
      expect(await rawBytes(context().url, 'nonsense\r\n\r\n')).toMatch(/^(?:$|HTTP\/1\.[01] (?:400|501) |<html>)/)
      expect((await context().get('/v2/')).status).toBe(200)
    })
  })
}

/** Whether Apache refuses a path before it looks whose it is. */
function isRefusedEarly(path: string): boolean {
  return /%(?:2f|00|zz|$)/i.test(path) || /^\/(?:v2\/)?\.\.\/\.\.\//.test(path)
}
