import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { findFreePort } from './support/nginx.ts'
import { done } from './support/registrish.ts'
import { type ServerProcess, startServerProcess } from './support/server-process.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

const NOWHERE = `sha256:${'0'.repeat(64)}`
const SETTINGS = fileURLToPath(new URL('../../netlify.toml', import.meta.url))

/**
 * Netlify's own development server, on what `emit` writes and the committed netlify.toml. It sets Content-Type and Cache-Control itself, whatever the rules say: those are
 * judged by the documented meaning of the rules, in test/emit.
 */
describeWith(['netlify'], 'netlify dev', () => {
  let root: string
  let tree: ServingTree
  let url: string
  let server: ServerProcess | undefined

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'registrish-netlify-'))
    tree = writeServingTree(root)
    for (const tag of DIFFERENT_BY_CASE) await rm(join(root, 'v2/app/manifests', tag))
    await done(['emit', '--root', root, '--host', 'netlify'])
    await copyFile(SETTINGS, join(root, 'netlify.toml'))
    const port = await findFreePort()
    url = `http://127.0.0.1:${port}`
    server = await startNetlify(root, port)
  })
  afterAll(async () => {
    await server?.stop()
    await rm(root, { recursive: true, force: true })
  })

  const send = (request: RawRequest): Promise<RawAnswer> => rawRequest(url, request)

  test('every manifest is there by tag and digest, with the digest of its bytes', async () => {
    for (const { repository, tags, digests, bytes } of tree.manifests) {
      const [digest] = digests
      const kept = tags.filter(tag => repository !== 'app' || !DIFFERENT_BY_CASE.includes(tag))
      for (const reference of [...kept, ...digests]) {
        const path = `/v2/${repository}/manifests/${reference}`
        const answer = await send({ path })
        expect(answer.status, path).toBe(200)
        expect(answer.body.equals(bytes), path).toBe(true)
        const named = digests.includes(reference) ? reference : digest
        expect(answer.header('docker-content-digest'), path).toBe(named)
        expect(answer.header('x-content-type-options')).toBe('nosniff')
        expect((await send({ method: 'HEAD', path })).status, `HEAD ${path}`).toBe(200)
      }
    }
  })

  test('every blob is there', async () => {
    for (const { repository, digest, bytes } of tree.blobs) {
      for (const spelled of [digest, digest.replace(':', '%3A')]) {
        const answer = await send({ path: `/v2/${repository}/blobs/${spelled}` })
        expect(answer.status).toBe(200)
        expect(answer.body.equals(bytes)).toBe(true)
      }
    }
  })

  test('a range gets the whole blob', async () => {
    const [{ repository, digest, bytes } = { repository: '', digest: '', bytes: Buffer.alloc(0) }] = tree.blobs.filter(
      blob => blob.bytes.length > 4,
    )
    const answer = await send({ path: `/v2/${repository}/blobs/${digest}`, headers: { range: 'bytes=1-3' } })
    expect(answer.status).toBe(200)
    expect(answer.body.equals(bytes)).toBe(true)
  })

  test('a manifest is not found by a digest with %3A: this server decodes what it rewrites only', async () => {
    const [{ repository, digests } = { repository: '', digests: [''] }] = tree.manifests
    const [digest = ''] = digests
    expect((await send({ path: `/v2/${repository}/manifests/${digest.replace(':', '%3A')}` })).status).toBe(404)
  })

  test('documents are there', async () => {
    for (const path of ['/v2/', '/v2']) expect((await send({ path })).body.toString()).toBe('{}')
    const repositories = [...tree.tags.keys()].sort()
    expect(JSON.parse((await send({ path: '/v2/_catalog' })).body.toString())).toEqual({ repositories })
    for (const [name, tags] of tree.tags) {
      const kept = tags.filter(tag => name !== 'app' || !DIFFERENT_BY_CASE.includes(tag))
      const { body } = await send({ path: `/v2/${name}/tags/list` })
      expect(JSON.parse(body.toString())).toEqual({ name, tags: kept })
    }
  })

  test('referrers are listed, and for a digest that nothing refers to there is an empty list', async () => {
    for (const { repository, subject, descriptors } of tree.referrers) {
      const { status, body } = await send({ path: `/v2/${repository}/referrers/${subject}` })
      expect(status).toBe(200)
      expect(JSON.parse(body.toString()).manifests).toHaveLength(descriptors.length)
    }
    for (const repository of tree.tags.keys()) {
      const { status, body } = await send({ path: `/v2/${repository}/referrers/${NOWHERE}` })
      expect(status).toBe(200)
      expect(JSON.parse(body.toString())).toMatchObject({ schemaVersion: 2, manifests: [] })
    }
  })

  test.for([
    '/v2/app/manifests/nothing',
    '/v2/app/manifests/lAtEsT',
    `/v2/app/manifests/${NOWHERE}`,
    `/v2/app/blobs/${NOWHERE}`,
    '/v2/nobody/manifests/latest',
    '/v2/nobody/tags/list',
    '/v2/app/nested/tags/list',
    '/nothing',
    '/V2/',
  ])('%s is 404, and the page is an error of the distribution API', async path => {
    const { status, body } = await send({ path })
    expect(status).toBe(404)
    expect(JSON.parse(body.toString())).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    expect((await send({ method: 'HEAD', path })).status).toBe(404)
  })

  test.for(['POST', 'PUT', 'PATCH', 'DELETE'])(
    '%s is refused where a push begins, and gets no content anywhere',
    async method => {
      expect((await send({ method, path: '/v2/app/blobs/uploads/' })).status).toBe(405)
      // The status of a rewrite covers that of the file's refusal, in this server at least.
      const { body } = await send({ method, path: '/v2/app/manifests/latest' })
      expect(body.toString()).toBe('Method Not Allowed')
    },
  )
})

/** Tags of the fixture that differ from another only by case, some also in type, which Netlify cannot hold. */
const DIFFERENT_BY_CASE: readonly string[] = ['RC1', 'Latest', 'LATEST']

/** It listens on all interfaces: there is no option for that. What it writes goes to the tree's root and a home folder of its own; as in CI it asks and reports nothing. */
async function startNetlify(root: string, port: number): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'registrish-netlify-home-'))
  const options = [
    '--offline',
    '--no-open',
    '--internal-disable-edge-functions',
    '--dir',
    'netlify/site',
    '--port',
    String(port),
  ]
  const settings = ['-C', root, `HOME=${folder}`, `XDG_CONFIG_HOME=${folder}`, 'CI=true']
  return startServerProcess(['env', ...settings, toolPath('netlify'), 'dev', ...options], {
    folder,
    ready: () =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
  })
}
