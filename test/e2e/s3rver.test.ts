import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServingTree, writeServingTree } from '../contract/serving-fixture.ts'
import { describeWebsite } from '../contract/website.ts'
import { done, registrish } from './support/registrish.ts'
import type { RunResult } from './support/run.ts'
import { type S3rver, startS3rver } from './support/s3rver.ts'
import { describeWith } from './support/suites.ts'

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

  // Koa, which it is made of, adds a charset to errors.
  describeWebsite(() => ({ tree, ask: server.askWebsite }), 'application/json; charset=utf-8')

  test('a second deploy finds nothing to do', async () => {
    const { exitCode } = await registrish([...args('plan'), '--detailed-exitcode'], { env: server.env })
    expect(exitCode).toBe(0)
  })
})
