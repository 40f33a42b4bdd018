import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { describeObjectStore } from '../contract/object-store.ts'
import { pagesOf } from '../contract/object-store-support.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type GcsEmulator, startGcsEmulator } from './support/gcs.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done, registrish } from './support/registrish.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/* Others' copy of Google Cloud Storage: the contract of a store first; then real images are deployed by the command line, and clients pull them from it. */

/** The emulator takes the host of a request for the name of a bucket. */
const BUCKET = 'localhost'
const IMAGES = ['busybox:latest', 'busybox:1.10', 'multi:latest', 'team/tools/busybox:latest']
const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'

describeWith(['fake-gcs-server'], 'fake-gcs-server', () => {
  let server: GcsEmulator
  let buckets = 0
  beforeAll(async () => {
    server = await startGcsEmulator()
  })
  afterAll(() => server.stop())

  describe('keeps the contract of a store', () => {
    describeObjectStore('it', async () => {
      buckets += 1
      return { store: await server.addBucket(`contract-${buckets}`) }
    })
  })
})

describeWith(
  ['fake-gcs-server', ...podmanNeeds, 'engine', 'registries', 'skopeo', 'crane'],
  'from fake-gcs-server',
  () => {
    let server: GcsEmulator
    let store: ObjectStore
    let root: string
    let podman: Podman
    const command = (name: string, folder: string): readonly string[] => [
      ...[name, '--root', folder, '--gcs', BUCKET, '--gcs-endpoint', server.endpoint],
    ]
    const deploy = (folder: string, ...args: readonly string[]): Promise<RunResult> =>
      done([...command('deploy', folder), ...args])

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'rge-'))
      await fetchAll(root, ['busybox', 'multi', 'team/tools/busybox', 'big'])
      server = await startGcsEmulator()
      store = await server.addBucket(BUCKET)
      podman = await createPodman()
      await deploy(root, '--url', server.host, '--plain-http')
    })
    afterAll(async () => {
      await podman.stop()
      await store.close()
      await server.stop()
      await rm(root, { recursive: true, force: true })
    })

    it('a second deploy writes nothing, and conditions are kept', async () => {
      const before = await objectsOf(store)
      const { stderr } = await deploy(root)
      expect(stderr).not.toMatch(/condition/)
      expect(await objectsOf(store)).toEqual(before)
      const { exitCode } = await registrish([...command('plan', root), '--detailed-exitcode'])
      expect(exitCode).toBe(0)
    })

    it('types and lives of what is there are exact', async () => {
      const { digest = '', mediaType } = sharedRegistries().images.repositories['multi']?.['latest'] ?? {}
      const heads = await Promise.all(['latest', digest].map(name => store.head(`v2/multi/manifests/${name}`)))
      expect(heads).toEqual([
        expect.objectContaining({ contentType: mediaType, cacheControl: 'public, max-age=60, no-transform' }),
        expect.objectContaining({
          contentType: mediaType,
          cacheControl: 'public, max-age=31536000, immutable, no-transform',
        }),
      ])
      expect(await store.head('v2/')).toMatchObject({ size: 0 })
    })

    it.for(IMAGES)('docker, podman, containerd, skopeo and crane pull %s', async image => {
      const { docker, ctr } = sharedEngine()
      const full = `${server.host}/${image}`
      const { digest } = storedOf(image)
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect((await docker(['run', '--rm', '--network', 'none', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
      await podman.podman(['pull', '--quiet', '--tls-verify=false', full])
      expect((await podman.podman(['run', '--rm', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
      await ctr(['images', 'pull', '--plain-http', full])
      onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
      const inspected = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${full}`]
      expect((await run(toolPath('skopeo'), inspected)).stdout).toBe(digest)
      const byDigest = `${full.slice(0, full.lastIndexOf(':'))}@${digest}`
      for (const asked of [full, byDigest])
        expect((await run(toolPath('crane'), ['validate', '--remote', asked, '--insecure'])).stdout).toContain('PASS')
    })

    it('every byte of the image of 350 MB is there, which was sent in chunks', async () => {
      const args = ['validate', '--remote', `${server.host}/big:latest`, '--insecure']
      expect((await run(toolPath('crane'), args)).stdout).toContain('PASS')
    })

    it('another tree adds its images, and takes none away', async () => {
      const folder = await makeTemporaryFolder()
      await fetchAll(folder, ['signed'])
      const before = await objectsOf(store)
      await deploy(folder)
      const after = await objectsOf(store)
      const documents = ['v2/_catalog']
      for (const [key, etag] of before) if (!documents.includes(key)) expect(after.get(key), key).toBe(etag)
      const { stdout } = await run(toolPath('crane'), ['catalog', server.host, '--insecure'])
      expect(stdout.split('\n').sort()).toEqual(['big', 'busybox', 'multi', 'signed', 'team/tools/busybox'])
      expect((await registrish([...command('plan', root), '--detailed-exitcode'])).exitCode).toBe(0)
    })

    it('three deploys at once lose no tags of one another', async () => {
      const other = await server.addBucket('two-at-once')
      const trees = await Promise.all(
        ['1.10', 'RC1', 'latest'].map(async tag => {
          const folder = await makeTemporaryFolder()
          await done(['fetch', '--root', folder, `${sharedRegistries().plain.host}/busybox`, tag])
          return folder
        }),
      )
      const args = ['--gcs', 'two-at-once', '--gcs-endpoint', server.endpoint]
      await Promise.all(trees.map(folder => done(['deploy', '--root', folder, ...args])))
      const found = await other.get('v2/busybox/tags/list', { limit: 10_000 })
      expect(JSON.parse(String(Buffer.from(found?.bytes ?? [])))).toEqual({
        name: 'busybox',
        tags: ['1.10', 'RC1', 'latest'],
      })
      await other.close()
    })

    it('a missing image is missing to every client', async () => {
      const { docker } = sharedEngine()
      const full = `${server.host}/busybox:absent`
      const results = await Promise.all([
        docker(['pull', full], { reject: false }),
        podman.podman(['pull', '--tls-verify=false', full], { reject: false }),
        run(toolPath('crane'), ['digest', full, '--insecure'], { reject: false }),
      ])
      for (const { failed, stderr } of results) {
        expect(failed).toBe(true)
        expect(stderr).toMatch(/manifest unknown|not found|MANIFEST_UNKNOWN|404/i)
      }
    })
  },
)

async function fetchAll(root: string, repositories: readonly string[]): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of repositories)
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
}

async function objectsOf(store: ObjectStore): Promise<ReadonlyMap<string, string>> {
  const objects = (await pagesOf(store.list('v2/'))).flatMap(page => page.objects)
  return new Map(objects.map(({ key, etag }) => [key, etag]))
}

function storedOf(image: string): { readonly digest: string } {
  const colon = image.lastIndexOf(':')
  const stored = sharedRegistries().images.repositories[image.slice(0, colon)]?.[image.slice(colon + 1)]
  if (stored === undefined) throw new Error(`the registries hold no ${image}`)
  return stored
}
