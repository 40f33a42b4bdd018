import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/deploy/store.ts'
import { describeObjectStore } from '../contract/object-store.ts'
import { pagesOf } from '../contract/object-store-support.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { describePulls } from './support/client-pulls.ts'
import { type GcsEmulator, startGcsEmulator } from './support/gcs.ts'
import { crane, type Running } from './support/image-pulls.ts'
import { done, registrish } from './support/registrish.ts'
import { describeWith, sharedRegistries } from './support/suites.ts'

/* Others' copy of Google Cloud Storage: the contract of a store first; then real images are deployed by the command line, and clients pull them from it. */

/** The emulator takes the host of a request for the name of a bucket. */
const BUCKET = 'localhost'

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

describePulls('fake-gcs-server', ['fake-gcs-server'], startDeployed, {
  images: ['busybox:1.10', 'multi:latest', 'team/tools/busybox:latest'],
  byDigest: [],
  oddTags: ['1.0.gz', 'index.html'],
  // It is sent in chunks.
  also: ['big'],
  more: describeDeployed,
})

/** A bucket with what `deploy` put into it. */
interface Deployed {
  readonly host: string
  readonly emulator: GcsEmulator
  readonly store: ObjectStore
  /** The flags that name the bucket. */
  readonly place: readonly string[]
  readonly close: () => Promise<void>
}

async function startDeployed(root: string): Promise<Deployed> {
  const emulator = await startGcsEmulator()
  const { host, endpoint } = emulator
  const store = await emulator.addBucket(BUCKET)
  const place = ['--gcs', BUCKET, '--gcs-endpoint', endpoint]
  await done(['deploy', '--root', root, ...place, '--url', host, '--plain-http'])
  const close = async (): Promise<void> => {
    await store.close()
    await emulator.stop()
  }
  return { host, emulator, store, place, close }
}

function describeDeployed(running: () => Running<Deployed>): void {
  it('a second deploy writes nothing, and conditions are kept', async () => {
    const { root, server } = running()
    const { store, place } = server
    const before = await objectsOf(store)
    const { stderr } = await done(['deploy', '--root', root, ...place])
    expect(stderr).not.toMatch(/condition/)
    expect(await objectsOf(store)).toEqual(before)
    const { exitCode } = await registrish(['plan', '--root', root, ...place, '--detailed-exitcode'])
    expect(exitCode).toBe(0)
  })

  it('types and lives of what is there are exact', async () => {
    const { store } = running().server
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

  it('another tree adds its images, and takes none away', async () => {
    const { root, server } = running()
    const { store, place, host } = server
    const folder = await makeTemporaryFolder()
    const { plain } = sharedRegistries()
    await done(['fetch', '--root', folder, `${plain.host}/private/app`, 'latest'])
    const before = await objectsOf(store)
    await done(['deploy', '--root', folder, ...place])
    const after = await objectsOf(store)
    const documents = ['v2/_catalog']
    for (const [key, etag] of before) if (!documents.includes(key)) expect(after.get(key), key).toBe(etag)
    const { stdout } = await crane(['catalog', host])
    expect(stdout.split('\n').sort()).toEqual([
      'big',
      'busybox',
      'multi',
      'private/app',
      'signed',
      'team/tools/busybox',
    ])
    expect((await registrish(['plan', '--root', root, ...place, '--detailed-exitcode'])).exitCode).toBe(0)
  })

  it('three deploys at once lose no tags of one another', async () => {
    const { emulator } = running().server
    const other = await emulator.addBucket('two-at-once')
    const trees = await Promise.all(
      ['1.10', 'RC1', 'latest'].map(async tag => {
        const folder = await makeTemporaryFolder()
        await done(['fetch', '--root', folder, `${sharedRegistries().plain.host}/busybox`, tag])
        return folder
      }),
    )
    const args = ['--gcs', 'two-at-once', '--gcs-endpoint', emulator.endpoint]
    await Promise.all(trees.map(folder => done(['deploy', '--root', folder, ...args])))
    const found = await other.get('v2/busybox/tags/list', { limit: 10_000 })
    expect(JSON.parse(String(Buffer.from(found?.bytes ?? [])))).toEqual({
      name: 'busybox',
      tags: ['1.10', 'RC1', 'latest'],
    })
    await other.close()
  })
}

async function objectsOf(store: ObjectStore): Promise<ReadonlyMap<string, string>> {
  const objects = (await pagesOf(store.list('v2/'))).flatMap(page => page.objects)
  return new Map(objects.map(({ key, etag }) => [key, etag]))
}
