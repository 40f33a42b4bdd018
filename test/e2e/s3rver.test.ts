import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { done, registrish } from './support/registrish.ts'
import type { RunResult } from './support/run.ts'
import { type S3rver, startS3rver } from './support/s3rver.ts'
import { describeWith } from './support/suites.ts'

const NOWHERE = `sha256:${'0'.repeat(64)}`

/**
 * A witness that neither we nor the makers of the other stores wrote, and that needs no Go: the website endpoint with its index and error documents, and a store
 * that ignores conditions without a word. As the website of S3 it serves each object with the type that was put with it.
 */
describeWith(['s3rver'], 's3rver', () => {
  let root: string
  let tree: ServingTree
  let server: S3rver
  let deployed: RunResult
  const args = (command: string): readonly string[] => [
    ...[command, '--root', root, '--s3', server.bucket, '--s3-endpoint', server.endpoint],
  ]

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rgs-'))
    tree = writeServingTree(root)
    server = await startS3rver('v2/_404.json')
    deployed = await done(args('deploy'), { env: server.env })
  })
  afterAll(async () => {
    await server.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('deploy says that the store keeps no conditions', () => {
    expect(deployed.stderr).toMatch(/condition/)
  })

  test('every manifest is there by tag and digest, with its type and bytes', async () => {
    for (const { repository, tags, digests, mediaType, bytes } of tree.manifests) {
      for (const reference of [...tags, ...digests]) {
        const path = `/v2/${repository}/manifests/${reference}`
        const answer = await server.askWebsite(path)
        expect(answer.status, path).toBe(200)
        expect(answer.body.equals(bytes), path).toBe(true)
        expect(answer.header('content-type'), path).toBe(mediaType)
      }
    }
  })

  test('every blob is there', async () => {
    for (const { repository, digest, bytes } of tree.blobs) {
      const answer = await server.askWebsite(`/v2/${repository}/blobs/${digest}`)
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
      expect(answer.header('content-type')).toBe('application/octet-stream')
    }
  })

  test('documents name what is there, the index among them', async () => {
    const json = async (path: string): Promise<unknown> => JSON.parse((await server.askWebsite(path)).body.toString())
    expect(await json('/v2/index.json')).toEqual({})
    expect((await server.askWebsite('/v2/')).status).toBe(200)
    expect(await json('/v2/_catalog')).toEqual({ repositories: [...tree.tags.keys()].sort() })
    for (const [name, tags] of tree.tags) expect(await json(`/v2/${name}/tags/list`)).toEqual({ name, tags })
    for (const { repository, subject, fallbackTag, descriptors } of tree.referrers) {
      for (const path of [`referrers/${subject}`, `manifests/${fallbackTag}`]) {
        const answer = await server.askWebsite(`/v2/${repository}/${path}`)
        expect(answer.header('content-type')).toBe('application/vnd.oci.image.index.v1+json')
        expect(JSON.parse(answer.body.toString()).manifests).toEqual(expect.arrayContaining([...descriptors]))
      }
    }
  })

  test('what is not there is 404 with an error of the distribution API', async () => {
    const absent = ['/v2/app/manifests/nothing', `/v2/app/blobs/${NOWHERE}`, '/v2/nobody/tags/list']
    for (const path of [...absent, ...tree.hidden]) {
      const { status, body, header } = await server.askWebsite(path)
      expect(status, path).toBe(404)
      // Koa, which it is made of, adds a charset to errors.
      expect(header('content-type'), path).toMatch(/^application\/json/)
      expect(JSON.parse(body.toString()), path).toMatchObject({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    }
  })

  test('a second deploy finds nothing to do', async () => {
    const { exitCode } = await registrish([...args('plan'), '--detailed-exitcode'], { env: server.env })
    expect(exitCode).toBe(0)
  })
})
