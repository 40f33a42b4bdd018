import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RawAnswer, type RawRequest, rawRequest } from '../contract/raw-request.ts'
import { HOSTILE_TAGS, type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { done } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'
import { type Superstatic, startSuperstatic } from './support/superstatic.ts'

const NOWHERE = `sha256:${'0'.repeat(64)}`
const JSON_TYPE = 'application/json'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const IMMUTABLE = 'public, max-age=31536000, immutable, no-transform'
const SHORT = 'public, max-age=60, no-transform'

/** superstatic, the server of Firebase's emulator, on what `emit` writes: every address of a tree with hostile tags, and what this server does not keep, as it is. */
describeWith(['superstatic'], 'superstatic', () => {
  let root: string
  let tree: ServingTree
  let server: Superstatic

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'registrish-firebase-'))
    tree = writeServingTree(root)
    await done(['emit', '--root', root, '--host', 'firebase'])
    server = await startSuperstatic(root)
  })
  afterAll(async () => {
    await server?.stop()
    await rm(root, { recursive: true, force: true })
  })

  const send = (request: RawRequest): Promise<RawAnswer> => rawRequest(server.url, request)

  /** A whole answer, the same for HEAD but for the body. */
  async function expectAnswer(path: string, want: Wanted): Promise<void> {
    const headers = { 'Accept-Encoding': 'gzip, deflate, br' }
    for (const method of ['GET', 'HEAD']) {
      const asked = `${method} ${path}`
      const answer = await send({ method, path, headers })
      expect(answer.status, asked).toBe(200)
      expect(answer.header('content-type'), asked).toBe(want.type)
      expect(answer.header('cache-control'), asked).toBe(want.cache)
      expect(answer.header('docker-content-digest'), asked).toBe(want.digest)
      expect(answer.header('docker-distribution-api-version'), asked).toBe('registry/2.0')
      expect(answer.header('x-content-type-options'), asked).toBe('nosniff')
      expect(answer.header('content-encoding'), asked).toBeUndefined()
      // Of a file without bytes this server says no length.
      if (want.bytes.length > 0) expect(answer.header('content-length'), asked).toBe(`${want.bytes.length}`)
      expect(answer.body.equals(method === 'HEAD' ? Buffer.alloc(0) : want.bytes), asked).toBe(true)
    }
  }

  test('every manifest is there by tag and digest, with its bytes, type and digest', async () => {
    expect(tree.manifests.flatMap(({ tags }) => tags)).toEqual(expect.arrayContaining([...HOSTILE_TAGS]))
    for (const { repository, tags, digests, bytes, mediaType: type } of tree.manifests) {
      const [digest = ''] = digests
      for (const tag of tags)
        await expectAnswer(`/v2/${repository}/manifests/${tag}`, { bytes, type, digest, cache: SHORT })
      for (const named of digests)
        await expectAnswer(`/v2/${repository}/manifests/${named}`, { bytes, type, digest: named, cache: IMMUTABLE })
    }
  })

  test('every blob is there, in its own repository only', async () => {
    for (const { repository, digest, bytes } of tree.blobs)
      await expectAnswer(`/v2/${repository}/blobs/${digest}`, {
        bytes,
        type: 'application/octet-stream',
        cache: IMMUTABLE,
      })
    expect((await send({ path: `/v2/other/blobs/${tree.text.digest}` })).status).toBe(404)
  })

  test('documents are there', async () => {
    for (const path of ['/v2/', '/v2', '/v2/?x=y'])
      await expectAnswer(path, { bytes: Buffer.from('{}'), type: JSON_TYPE, cache: SHORT })
    const repositories = [...tree.tags.keys()].sort()
    const lists = [...tree.tags].map(([name, tags]) => [`/v2/${name}/tags/list`, { name, tags }] as const)
    for (const [path, document] of [['/v2/_catalog', { repositories }] as const, ...lists]) {
      const { body } = await send({ path })
      expect(JSON.parse(body.toString()), path).toEqual(document)
      await expectAnswer(path, { bytes: body, type: JSON_TYPE, cache: SHORT })
    }
  })

  test('referrers are listed, by fallback tag too, and for a digest that nothing refers to there is an empty list', async () => {
    for (const { repository, subject, fallbackTag, descriptors } of tree.referrers) {
      for (const path of [`referrers/${subject}`, `manifests/${fallbackTag}`]) {
        const answer = await send({ path: `/v2/${repository}/${path}` })
        expect(answer.status).toBe(200)
        expect(answer.header('content-type')).toBe(OCI_INDEX)
        expect(JSON.parse(answer.body.toString()).manifests).toHaveLength(descriptors.length)
        expect(JSON.parse(answer.body.toString()).manifests).toEqual(expect.arrayContaining([...descriptors]))
      }
    }
    const bytes = Buffer.from(`{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`)
    for (const digest of [NOWHERE, `sha512:${'0'.repeat(128)}`])
      await expectAnswer(`/v2/app/referrers/${digest}`, { bytes, type: OCI_INDEX, cache: SHORT })
  })

  describe('what is not there is 404, an error of the distribution API', () => {
    test.for([
      ...['nothing', 'lAtEsT', 'rC1', '.hidden', `t${'0'.repeat(128)}`].map(tag => `/v2/app/manifests/${tag}`),
      ...['/v2/nobody/manifests/latest', '/v2/nobody/tags/list', '/v2/app/nested/tags/list', '/v2/app/secret'],
      ...['/v2/app/referrers/latest', '/v2/index.json', '/v2/_headers', '/nothing', '/V2/', '/v2x', '/firebase.json'],
    ])('%s', async path => {
      for (const method of ['GET', 'HEAD']) {
        const answer = await send({ method, path })
        expect(answer.status).toBe(404)
        expect(answer.header('content-type')).toBe(JSON_TYPE)
        expect(answer.header('docker-content-digest')).toBeUndefined()
        expect(answer.header('docker-distribution-api-version')).toBe('registry/2.0')
        if (method === 'GET')
          expect(JSON.parse(answer.body.toString())).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
      }
    })

    test('also files that stand in the tree and are no part of the API', async () => {
      for (const path of tree.hidden) {
        const answer = await send({ path })
        expect(answer.status, path).toBe(404)
        expect(answer.body.toString(), path).not.toContain(tree.secret)
      }
    })

    test('with the headers of its address where a rule of this server covers addresses by digest', async () => {
      const manifest = await send({ path: `/v2/app/manifests/${NOWHERE}` })
      expect([manifest.status, manifest.header('content-type')]).toEqual([404, JSON_TYPE])
      expect(manifest.header('docker-content-digest')).toBeUndefined()
      expect(manifest.header('cache-control')).toBe(IMMUTABLE)
      const blob = await send({ path: `/v2/app/blobs/${NOWHERE}` })
      expect([blob.status, blob.header('content-type')]).toEqual([404, 'application/octet-stream'])
      expect(JSON.parse(blob.body.toString())).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    })
  })

  describe('what this server does otherwise, as it is', () => {
    test('an escaped colon finds nothing', async () => {
      const [
        {
          repository,
          digests: [digest = ''],
        } = { repository: '', digests: [] },
      ] = tree.manifests
      for (const path of [`/v2/${repository}/manifests/${digest}`, `/v2/app/blobs/${tree.text.digest}`]) {
        expect((await send({ path })).status).toBe(200)
        expect((await send({ path: path.replace(':', '%3A') })).status).toBe(404)
      }
    })

    test('a range gets the whole blob, with 200', async () => {
      const { digest, bytes } = tree.text
      const answer = await send({ path: `/v2/app/blobs/${digest}`, headers: { Range: 'bytes=10-19' } })
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
    })

    test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is answered as GET is: 404 where a push begins', async method => {
      expect((await send({ method, path: '/v2/app/blobs/uploads/' })).status).toBe(404)
      expect((await send({ method, path: '/v2/app/manifests/latest' })).status).toBe(200)
    })

    test('the tag index.html is what its folder is', async () => {
      const tag = await send({ path: '/v2/app/manifests/index.html' })
      const folder = await send({ path: '/v2/app/manifests/' })
      expect([folder.status, folder.header('content-type')]).toEqual([200, JSON_TYPE])
      expect(folder.body.equals(tag.body)).toBe(true)
      const bare = await send({ path: '/v2/app/manifests' })
      expect([bare.status, bare.header('location')]).toEqual([301, '/v2/app/manifests/'])
    })
  })
})

/** What an answer must be. */
interface Wanted {
  readonly bytes: Buffer
  readonly type: string
  readonly digest?: string
  readonly cache: string
}
