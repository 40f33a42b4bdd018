import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import { servingContract } from '../contract/serving.ts'
import { OCI_MANIFEST, TreeByHand } from '../contract/tree-by-hand.ts'
import { type HostileNginxOptions, startHostileNginx, wholeServer } from './support/hostile-nginx.ts'
import { describeWith } from './support/suites.ts'

/** The snippets in a server of the user's own. */
const snippets = (root: string, port: number): string => `
    include ${root}/nginx/snippets/maps.conf;
    server {
      listen ${port};
      root ${root};
      index index.html;
      error_page 400 404 /own.json;
      location / { return 404; }
      location ~ \\.(?:html|js|php|gz)$ { return 404; }
      location = /own.json {
        internal;
        types { }
        default_type application/json;
        charset off;
        gzip off;
        ssi off;
        add_header Cache-Control no-store always;
        return 404 '{"errors":[{"code":"OWN","message":"the page of the user"}]}';
      }
      include ${root}/nginx/snippets/locations.conf;
    }`

/** Both ways to use what is emitted, and both ways to look tags up. */
const WAYS: Readonly<Record<string, HostileNginxOptions>> = {
  'nginx, the server': { format: wholeServer },
  'nginx, snippets in a server of the user': { format: snippets },
  'nginx with a list of tags, the server': { format: wholeServer, options: { form: 'map' } },
  'nginx with a list of tags, snippets': { format: snippets, options: { form: 'map' } },
}

describeWith(['nginx'], 'nginx', () => {
  for (const [name, way] of Object.entries(WAYS)) servingContract(name, root => startHostileNginx(root, way))

  describe('beyond the contract', () => {
    let tree: TreeByHand
    let close: () => Promise<void>
    let send: (request: RawRequest) => Promise<RawAnswer>
    beforeEach(() => {
      const folder = mkdtempSync(join(tmpdir(), 'rgn-'))
      tree = new TreeByHand(join(folder, 'root'))
      close = async () => rmSync(folder, { recursive: true, force: true })
    })
    afterEach(() => close())

    async function start(format: HostileNginxOptions['format']): Promise<void> {
      await rebuildDocuments(tree.root)
      const nginx = await startHostileNginx(tree.root, { format })
      const clean = close
      close = async () => {
        await nginx.close()
        await clean()
      }
      send = request => rawRequest(nginx.url, request)
    }

    it('sends a manifest and a list that look like server-side includes as they are', async () => {
      const note = '<!--# echo var="document_root" --><!--# include virtual="/v2/" -->'
      tree.image('app', { tags: ['include', 'virtual'], note: 'include', mediaType: OCI_MANIFEST, extra: { note } })
      await start(snippets)
      const bytes = tree.manifests[0]?.bytes ?? Buffer.alloc(0)
      expect(bytes.toString()).toContain('document_root')
      for (const reference of ['include', ...(tree.manifests[0]?.digests ?? [])])
        expect((await send({ path: `/v2/app/manifests/${reference}` })).body.toString()).toBe(bytes.toString())
      const { body } = await send({ path: '/v2/app/tags/list?last=include' })
      expect(body.toString()).toBe('{"name":"app","tags":["virtual"]}')
    })

    it('cuts a list of 10,000 tags at any of them', async () => {
      tree.image('app', { tags: ['t'], note: 'many', mediaType: OCI_MANIFEST })
      await start(wholeServer)
      const tags = Array.from({ length: 10_000 }, (_, index) => `v1.${index}.0`).sort()
      writeFileSync(join(tree.root, 'v2/app/tags/list'), JSON.stringify({ name: 'app', tags }))
      for (const position of [0, 1, 4_999, 9_998, 9_999]) {
        const { body } = await send({ path: `/v2/app/tags/list?last=${tags[position]}` })
        expect(JSON.parse(body.toString())).toEqual({ name: 'app', tags: tags.slice(position + 1) })
      }
    })

    it('asks for a password, where the server of the user does, before it says anything', async () => {
      tree.image('app', { tags: ['latest'], note: 'locked', mediaType: OCI_MANIFEST })
      const users = join(tree.root, 'users')
      writeFileSync(users, 'someone:{PLAIN}secret\n')
      await start((root, port) =>
        snippets(root, port).replace('index index.html;', `auth_basic registry; auth_basic_user_file ${users};`),
      )
      const Authorization = `Basic ${Buffer.from('someone:secret').toString('base64')}`
      for (const path of [
        '/v2/',
        '/v2/_catalog',
        '/v2/app/tags/list',
        '/v2/app/tags/list?last=a',
        '/v2/app/manifests/latest',
      ]) {
        const answer = await send({ path })
        expect(answer.status, path).toBe(401)
        expect(answer.header('www-authenticate'), path).toBe('Basic realm="registry"')
        expect((await send({ path, headers: { Authorization } })).status, path).toBe(200)
      }
    })

    it('answers conditions that it does not know in JSON, and HEAD with the whole length', async () => {
      const blob = tree.blob('app', Buffer.from('0123456789'))
      tree.image('app', { tags: ['latest'], note: 'conditions', mediaType: OCI_MANIFEST })
      await start(wholeServer)
      for (const path of [`/v2/app/blobs/${blob.digest}`, '/v2/app/manifests/latest', '/v2/app/tags/list', '/v2/']) {
        const answer = await send({ path, headers: { 'If-Match': '"other"' } })
        expect(answer.status, path).toBe(412)
        expect(answer.header('content-type'), path).toBe('application/json')
        expect(JSON.parse(answer.body.toString()), path).toMatchObject({ errors: [{ code: 'PRECONDITION_FAILED' }] })
      }
      const head = await send({ method: 'HEAD', path: `/v2/app/blobs/${blob.digest}`, headers: { Range: 'bytes=2-3' } })
      expect(head.status).toBe(200)
      expect(head.header('content-length')).toBe('10')
      expect(head.header('accept-ranges')).toBe('bytes')
    })
  })
})
