import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { describePulls } from './support/client-pulls.ts'
import { crane, type Running, skopeo } from './support/image-pulls.ts'
import { createAuditor } from './support/object-store-audit.ts'
import { listBucket } from './support/object-store-listing.ts'
import type { StoreKind } from './support/object-store-names.ts'
import { type ObjectStoreServer, startObjectStore } from './support/object-stores.ts'
import { done, registrish } from './support/registrish.ts'
import type { RunResult } from './support/run.ts'
import { sharedRegistries } from './support/suites.ts'

/* Real images are deployed by the command line; then every client pulls and runs them from the store itself, as anyone, with no server of ours. */

const IMAGES = [
  'busybox:latest',
  'busybox:RC1',
  'busybox:1.10',
  'multi:latest',
  'team/tools/busybox:latest',
  'signed:latest',
]

for (const kind of ['versitygw', 'minio'] as const) {
  describePulls(`${kind} itself`, [kind, 'store-names'], root => startDeployed(kind, root), {
    images: IMAGES,
    byDigest: [],
    also: ['big'],
    more: describeDeployed,
  })
}

/** A store with what `deploy` put into it. */
interface Deployed {
  readonly host: string
  readonly store: ObjectStoreServer
  /** All that the first deploy printed. */
  readonly printed: string
  readonly deploy: () => Promise<RunResult>
  readonly plan: () => Promise<RunResult>
  readonly close: () => Promise<void>
}

async function startDeployed(kind: StoreKind, root: string): Promise<Deployed> {
  const store = await startObjectStore(kind)
  const { host, env } = store
  const place = ['--root', root, '--s3', store.bucket, '--s3-endpoint', store.endpoint]
  const deploy = (): Promise<RunResult> => done(['deploy', ...place, '--url', host, '--plain-http'], { env })
  const plan = (): Promise<RunResult> => registrish(['plan', ...place, '--detailed-exitcode'], { env })
  const { stdout, stderr } = await deploy()
  return { host, store, printed: stdout + stderr, deploy, plan, close: store.stop }
}

function describeDeployed(running: () => Running<Deployed>): void {
  it('deploy ends with what to pull', () => {
    const { host, printed } = running().server
    for (const image of IMAGES) expect(printed).toContain(`${host}/${image}`)
  })

  it('nothing is sent again', async () => {
    const { store, deploy, plan } = running().server
    const before = await listBucket(store)
    await deploy()
    expect(await listBucket(store)).toEqual(before)
    const { exitCode } = await plan()
    expect(exitCode).toBe(0)
  })

  it('nothing but files of the registry is there, and all of it is right', async () => {
    const { store } = running().server
    const { complaints, listing } = await createAuditor(store)()
    expect(complaints).toEqual([])
    expect([...(await listBucket(store)).keys()].filter(key => !key.startsWith('v2/'))).toEqual([])
    expect([...listing.keys()].filter(key => /\/\.|origin|partial/.test(key))).toEqual([])
  })

  it('the version check is answered by an object without bytes', async () => {
    const { store } = running().server
    const { status, body } = await store.ask('/v2/')
    expect(status).toBe(200)
    expect(body).toHaveLength(0)
  })

  it('types and lives of what is there are exact', async () => {
    const { store } = running().server
    const { images } = sharedRegistries()
    const { digest = '', mediaType } = images.repositories['multi']?.['latest'] ?? {}
    const tag = await store.ask('/v2/multi/manifests/latest')
    const manifest = await store.ask(`/v2/multi/manifests/${digest}`)
    expect(tag.header('content-type')).toBe(mediaType)
    expect(manifest.header('content-type')).toBe(mediaType)
    expect(tag.header('cache-control')).toBe('public, max-age=60, no-transform')
    expect(manifest.header('cache-control')).toBe('public, max-age=31536000, immutable, no-transform')
  })

  it.for(IMAGES)('crane pulls %s into a file', async image => {
    const { host } = running().server
    await crane(['pull', `${host}/${image}`, join(await makeTemporaryFolder(), 'image.tar')])
  })

  it('referrers are found by the list and by the fallback tag, and are whole', async () => {
    const { store, host } = running().server
    const all = sharedRegistries().images.referrers.filter(({ repository }) => repository === 'signed')
    for (const { subject, digest, artifactType } of all) {
      const { header, body } = await store.ask(`/v2/signed/referrers/${subject}?artifactType=${artifactType}`)
      expect(header('content-type')).toBe('application/vnd.oci.image.index.v1+json')
      const tag = await crane(['manifest', `${host}/signed:${subject.replace(':', '-')}`])
      const source = `docker://${host}/signed:${subject.replace(':', '-')}`
      const raw = await skopeo(['inspect', '--raw', '--tls-verify=false', source])
      for (const text of [body.toString(), tag.stdout, raw.stdout]) {
        const { manifests } = JSON.parse(text)
        expect(manifests).toContainEqual(expect.objectContaining({ digest, artifactType }))
      }
      await crane(['validate', '--remote', `${host}/signed@${digest}`, '--fast'])
    }
  })
}
