import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { OCI_MANIFEST, TreeByHand } from '../contract/tree-by-hand.ts'
import { DEBIAN_MODULES, startApacheOn } from './support/apache.ts'
import { CADDY_OPTIONS, runCaddy } from './support/caddy.ts'
import { startHostileNginx } from './support/hostile-nginx.ts'
import { findFreePort } from './support/nginx.ts'
import { run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

const LOGIN = { Authorization: `Basic ${Buffer.from('someone:secret').toString('base64')}` }

/** A server of the user's own that asks for a password says nothing of the registry before: not what is there, not which digest a tag has. */
describeWith(['nginx'], 'passwords of nginx', () => {
  it.for(['constant', 'map'])('form %s', async form => {
    const tree = makeTree()
    const users = join(tree.root, 'users')
    writeFileSync(users, 'someone:{PLAIN}secret\n')
    const format = (root: string, port: number): string => `
      include ${root}/nginx/snippets/maps.conf;
      server {
        listen ${port};
        auth_basic registry;
        auth_basic_user_file ${users};
        include ${root}/nginx/snippets/locations.conf;
      }`
    const { url, close } = await startHostileNginx(tree.root, { format, options: { form } })
    onTestFinished(close)
    await expectLocked(url, tree)
  })
})

describeWith(['apache2'], 'passwords of Apache', () => {
  it.for(['/', '/v2'])('at %s', async location => {
    const tree = makeTree()
    const users = join(tree.root, 'users')
    writeFileSync(users, 'someone:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n')
    const port = await findFreePort()
    await emitHosts(openTree(tree.root), [{ name: 'apache', options: { 'web-root': tree.root } }])
    const config = `
      Listen ${port}
      <VirtualHost *:${port}>
        Include ${tree.root}/apache/snippets/locations.conf
        <Location "${location}">
          AuthType Basic
          AuthName registry
          AuthUserFile ${users}
          <RequireAny>
            Require valid-user
            # Whether the server has started is asked without a password.
            Require expr "%{HTTP_USER_AGENT} == 'node'"
          </RequireAny>
        </Location>
      </VirtualHost>`
    const { url, close } = await startApacheOn(port, [...DEBIAN_MODULES, 'headers', 'rewrite'], config)
    onTestFinished(close)
    await expectLocked(url, tree)
    const { body, headers } = await rawRequest(url, { path: '/v2/' })
    expect(headers['content-type']).toEqual(['application/json'])
    expect(JSON.parse(body.toString())).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] })
  })
})

describeWith(['caddy'], 'passwords of Caddy', () => {
  it('at all paths', async () => {
    const tree = makeTree()
    const port = await findFreePort()
    await emitHosts(openTree(tree.root), [{ name: 'caddy', options: { 'web-root': tree.root } }])
    const { stdout } = await run(toolPath('caddy'), ['hash-password', '--plaintext', 'secret'])
    const site = `:${port} {\n\tbasicauth {\n\t\tsomeone ${stdout.trim()}\n\t}\n\timport ${tree.root}/caddy/snippets/registry.caddy\n}\n`
    const folder = join(tree.root, 'run')
    mkdirSync(folder)
    const url = `http://127.0.0.1:${port}`
    const ready = (): Promise<boolean> =>
      rawRequest(url, { path: '/v2/' }).then(
        () => true,
        () => false,
      )
    onTestFinished((await runCaddy(folder, `${CADDY_OPTIONS}${site}`, ready)).stop)
    await expectLocked(url, tree)
  })
})

function makeTree(): TreeByHand {
  const folder = mkdtempSync(join(tmpdir(), 'rgp-'))
  chmodSync(folder, 0o755)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const tree = new TreeByHand(join(folder, 'root'))
  tree.image('app', { tags: ['a', 'latest'], note: 'locked', mediaType: OCI_MANIFEST })
  tree.image('app', { tags: ['widget'], note: 'locked too', mediaType: 'application/vnd.example.widget' })
  return tree
}

async function expectLocked(url: string, { root, manifests, blobs }: TreeByHand): Promise<void> {
  await rebuildDocuments(root)
  const [blob] = blobs
  const digests = manifests.flatMap(manifest => manifest.digests)
  const nowhere = `sha256:${'0'.repeat(64)}`
  const there = [
    ...['', '_catalog', 'app/tags/list', 'app/tags/list?last=a', 'app/tags/list?last=nothing'],
    ...['latest', 'widget', ...digests].map(reference => `app/manifests/${reference}`),
    ...[`app/blobs/${blob?.digest}`, `app/referrers/${digests[0]}`],
  ]
  const absent = [
    ...['app/manifests/nothing', 'nobody/manifests/nothing', 'app/manifests/-x', 'nobody/tags/list?last=a'],
    ...[`app/blobs/${nowhere}`, `app/manifests/${nowhere}`],
  ]
  const conditions = [{}, ...['*', ...digests.map(digest => `"${digest}"`), `"${blob?.digest}"`]].map(known =>
    typeof known === 'string' ? { 'If-None-Match': known } : known,
  )
  for (const path of [...there, ...absent].map(tail => `/v2/${tail}`)) {
    for (const [method, headers] of [...conditions.map(entry => ['GET', entry] as const), ['HEAD', {}] as const]) {
      const answer = await rawRequest(url, { method, path, headers })
      expect([answer.status, answer.header('docker-content-digest')], `${method} ${path}`).toEqual([401, undefined])
    }
    const { status } = await rawRequest(url, { path, headers: LOGIN })
    expect(status, path).toBe(there.includes(path.slice('/v2/'.length)) ? 200 : 404)
  }
}
