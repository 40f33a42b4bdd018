import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { type RawAnswer, rawRequest } from '../contract/raw-request.ts'
import { type RunningServer, servingContract } from '../contract/serving.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { digestOf, TreeByHand } from '../contract/tree-by-hand.ts'
import { describeWith } from './support/suites.ts'
import { HOSTER_MODULES, type Hoster, startWebSpace } from './support/web-space.ts'

/** What no .htaccess can keep of the contract; docs/hosts.md says it. */
const EXCEPTIONS = ['odd-paths-refused-early', 'long-names-forbidden', 'no-length-beyond-the-end'] as const

/** More than Apache reads in one line of a .htaccess. */
const MANY = Array.from({ length: 600 }, (_, position) => `v${String(position).padStart(3, '0')}-${'x'.repeat(60)}`)

/** Apache sends only what the rules let through, whatever the hoster has set up. */
const HOSTERS: Readonly<Record<string, Hoster>> = {
  'a hoster who allows everything': {},
  'a hoster who allows as little as will do, and keeps sites apart by the owners of files': {
    allowOverride: 'FileInfo Indexes',
    options: 'SymLinksIfOwnerMatch',
  },
  'a hoster with many sites below one DocumentRoot': { manySites: true },
}

describeWith(['apache2'], 'Apache without a vhost', () => {
  for (const [name, hoster] of Object.entries(HOSTERS))
    servingContract(
      `.htaccess, ${name},`,
      async root => {
        await emitHosts(openTree(root), [{ name: 'htaccess' }])
        return startWebSpace(root, hoster)
      },
      { exceptions: EXCEPTIONS },
    )

  describe('a web space', () => {
    let folder: string
    let tree: ServingTree
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'registrish-web-space-'))
      const root = join(folder, 'root')
      mkdirSync(root, { mode: 0o755 })
      tree = writeServingTree(root)
      new TreeByHand(root).image('many', { tags: MANY, note: 'many' })
      new TreeByHand(root).write('.well-known/acme-challenge/to-ken_1', Buffer.from('proof'))
      await emitHosts(openTree(root), [{ name: 'htaccess' }])
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    async function start(hoster: Hoster): Promise<RunningServer> {
      const server = await startWebSpace(join(folder, 'root'), hoster)
      onTestFinished(() => server.close())
      return server
    }
    const paths = (): readonly string[] => [
      ...['/', '/v2/', '/v2', '/v2/_catalog', '/v2/app/tags/list', '/v2/app/tags/list?last=latest', '/v2/app/tags/'],
      ...tree.manifests.flatMap(({ repository, tags, digests }) =>
        [...tags, ...digests].map(reference => `/v2/${repository}/manifests/${reference}`),
      ),
      ...[`/v2/app/blobs/${tree.text.digest}`, `/v2/app/referrers/${tree.text.digest}`, '/v2/app/manifests/nothing'],
      ...['/htaccess/', '/htaccess/links/app:/latest/', '/htaccess/links/app:/list:/', '/.htaccess'],
    ]
    const sees = async ({ url }: RunningServer, path: string): Promise<RawAnswer> => {
      const answer = await rawRequest(url, { path })
      expect(answer.status, path).toBeLessThan(500)
      return answer
    }

    test.for(HOSTER_MODULES.filter(name => name !== 'rewrite'))(
      'without mod_%s serves the same bytes, and nothing else',
      async name => {
        const server = await start({ without: [name] })
        for (const { repository, tags, bytes, mediaType } of tree.manifests) {
          for (const reference of [...tags, digestOf(bytes)]) {
            const answer = await sees(server, `/v2/${repository}/manifests/${reference}`)
            expect([answer.status, answer.header('content-type')]).toEqual([200, mediaType])
            expect(answer.body.equals(bytes)).toBe(true)
          }
        }
        for (const path of paths()) await sees(server, path)
        for (const path of tree.hidden) {
          const answer = await sees(server, path)
          expect([path, answer.status]).toEqual([path, 404])
        }
        expect((await rawRequest(server.url, { method: 'PUT', path: '/v2/x', body: 'y' })).status).toBe(405)
      },
    )

    test.for([['rewrite'], ['rewrite', 'headers'], ['rewrite', 'alias']])(
      'without mod_%s shows nothing',
      async without => {
        const server = await start({ without })
        for (const path of [...paths(), ...tree.hidden]) {
          const answer = await sees(server, path)
          expect([path, answer.status >= 400]).toEqual([path, true])
          expect(answer.body.toString()).not.toContain(tree.secret)
        }
      },
    )

    test('does not take a longer tag for one that is not there', async () => {
      const server = await start({})
      for (const tag of [
        '1.0',
        'v1',
        'x',
        'a',
        'a.tar',
        'style',
        'page',
        'run',
        'lates',
        'index.htm',
        `sha256-${'0'.repeat(64)}`,
      ]) {
        const answer = await sees(server, `/v2/app/manifests/${tag}`)
        expect([tag, answer.status]).toEqual([tag, 404])
        expect(answer.body.toString()).toContain('MANIFEST_UNKNOWN')
      }
    })

    test('a list of tags that is longer than a line may be goes on after each of them', async () => {
      const server = await start({})
      for (const [position, last] of MANY.entries()) {
        if (position % 29 !== 0 && position < MANY.length - 2) continue
        const answer = await sees(server, `/v2/many/tags/list?last=${last}`)
        expect(JSON.parse(answer.body.toString())).toEqual({ name: 'many', tags: MANY.slice(position + 1) })
      }
      const answer = await sees(server, '/v2/many/tags/list?last=0')
      expect(JSON.parse(answer.body.toString())).toEqual({ name: 'many', tags: [] })
    })

    test('its farm cannot be asked from outside', async () => {
      const server = await start({})
      const links = '/htaccess/links'
      const root = join(folder, 'root')
      const files = readdirSync(join(root, links), { recursive: true, encoding: 'utf8' })
      expect(files.length).toBeGreaterThan(100)
      for (const path of [
        ...files.map(file => `${links}/${file}`),
        `${links}/app:/latest/entry`,
        `${links}/app:/list:/entry`,
      ]) {
        const { status } = await sees(server, path)
        expect([path, [403, 404].includes(status)]).toEqual([path, true])
      }
    })

    test('lets a certificate authority see whose site it is', async () => {
      const server = await start({})
      expect((await sees(server, '/.well-known/acme-challenge/to-ken_1')).body.toString()).toBe('proof')
      expect((await sees(server, '/.well-known/acme-challenge/')).status).toBe(404)
    })
  })
})
