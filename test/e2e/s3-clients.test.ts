import { createHash } from 'node:crypto'
import { link, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { newName } from './support/engine.ts'
import { createAuditor } from './support/object-store-audit.ts'
import { listBucket } from './support/object-store-listing.ts'
import { type ObjectStoreServer, startObjectStore } from './support/object-stores.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done, registrish } from './support/registrish.ts'
import { type RunOptions, type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/* Real images are deployed by the command line; then every client pulls and runs them from the store itself, as anyone, with no server of ours. */

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
const IMAGES = [
  'busybox:latest',
  'busybox:RC1',
  'busybox:1.10',
  'multi:latest',
  'team/tools/busybox:latest',
  'signed:latest',
]
/** Tags that look like something else to whoever guesses by endings, in a nested repository. */
const ODD_TAGS = ['1.0.gz', 'x.js', 'latest.html', 'index.json']
const ODD_REPOSITORY = 'team/tools/busybox'

const CLIENTS = [...podmanNeeds, 'engine', 'registries', 'skopeo', 'crane', 'store-names'] as const

for (const kind of ['versitygw', 'minio'] as const) {
  describeWith([kind, ...CLIENTS], `from ${kind} itself`, () => {
    let root: string
    let server: ObjectStoreServer
    let podman: Podman
    let deployed: RunResult
    const deploy = (...args: readonly string[]): Promise<RunResult> =>
      done(
        [
          'deploy',
          '--root',
          root,
          '--s3',
          server.bucket,
          '--s3-endpoint',
          server.endpoint,
          '--url',
          server.host,
          '--plain-http',
          ...args,
        ],
        { env: server.env },
      )
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'rge-'))
      await fetchAll(root)
      server = await startObjectStore(kind)
      podman = await createPodman()
      deployed = await deploy()
    })
    afterAll(async () => {
      await podman.stop()
      await server.stop()
      await rm(root, { recursive: true, force: true })
    })

    it('deploy ends with what to pull', () => {
      for (const image of IMAGES) expect(deployed.stdout + deployed.stderr).toContain(`${server.host}/${image}`)
    })

    it('nothing is sent again', async () => {
      const before = await listBucket(server)
      await deploy()
      expect(await listBucket(server)).toEqual(before)
      const { exitCode } = await registrish(
        ['plan', '--root', root, '--s3', server.bucket, '--s3-endpoint', server.endpoint, '--detailed-exitcode'],
        { env: server.env },
      )
      expect(exitCode).toBe(0)
    })

    it('nothing but files of the registry is there, and all of it is right', async () => {
      const { complaints, listing } = await createAuditor(server)()
      expect(complaints).toEqual([])
      expect([...(await listBucket(server)).keys()].filter(key => !key.startsWith('v2/'))).toEqual([])
      expect([...listing.keys()].filter(key => /\/\.|origin|partial/.test(key))).toEqual([])
    })

    it('the version check is answered by an object without bytes', async () => {
      const { status, body } = await server.ask('/v2/')
      expect(status).toBe(200)
      expect(body).toHaveLength(0)
    })

    it('types and lives of what is there are exact', async () => {
      const { images } = sharedRegistries()
      const { digest = '', mediaType } = images.repositories['multi']?.['latest'] ?? {}
      const tag = await server.ask('/v2/multi/manifests/latest')
      const manifest = await server.ask(`/v2/multi/manifests/${digest}`)
      expect(tag.header('content-type')).toBe(mediaType)
      expect(manifest.header('content-type')).toBe(mediaType)
      expect(tag.header('cache-control')).toBe('public, max-age=60, no-transform')
      expect(manifest.header('cache-control')).toBe('public, max-age=31536000, immutable, no-transform')
    })

    describe.each(IMAGES)('%s', image => {
      it('docker pulls and runs it', async () => {
        const { docker } = sharedEngine()
        const full = `${server.host}/${image}`
        onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
        const { stdout } = await docker(['run', '--rm', '--network', 'none', full, ...HELLO])
        expect(stdout).toBe(HELLO_OUTPUT)
        const { stdout: digests } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])
        expect(digests).toContain(digestOf(image))
      })

      it('podman pulls and runs it', async () => {
        const full = `${server.host}/${image}`
        await podman.podman(['pull', '--quiet', '--tls-verify=false', full])
        onTestFinished(() => podman.podman(['rmi', '--force', full]).then(() => undefined))
        expect((await podman.podman(['run', '--rm', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
      })

      it('containerd pulls and runs it', async () => {
        const { ctr } = sharedEngine()
        const full = `${server.host}/${image}`
        await ctr(['images', 'pull', '--plain-http', full])
        onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
        expect((await ctr(['run', '--rm', full, newName(), '/bin/echo', 'hello', 'there'])).stdout).toBe(HELLO_OUTPUT)
      })

      it('skopeo inspects it, and copies all of it with its digest', async () => {
        const source = `docker://${server.host}/${image}`
        const inspected = await skopeo(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', source])
        expect(inspected.stdout).toBe(digestOf(image))
        const folder = await makeTemporaryFolder()
        await skopeo([
          'copy',
          '--quiet',
          '--all',
          '--preserve-digests',
          '--src-tls-verify=false',
          source,
          `dir:${folder}`,
        ])
        const manifest = await readFile(join(folder, 'manifest.json'))
        expect(`sha256:${createHash('sha256').update(manifest).digest('hex')}`).toBe(digestOf(image))
      })

      it('crane finds its digest, by tag and digest, and pulls every byte', async () => {
        const full = `${server.host}/${image}`
        const byDigest = `${full.slice(0, full.lastIndexOf(':'))}@${digestOf(image)}`
        for (const asked of [full, byDigest]) {
          expect((await crane(['digest', asked])).stdout).toBe(digestOf(image))
          expect((await crane(['validate', '--remote', asked])).stdout).toContain('PASS')
        }
        await crane(['pull', full, join(await makeTemporaryFolder(), 'image.tar')])
      })
    })

    it.for(ODD_TAGS)('the tag %s is what it should be', async tag => {
      const full = `${server.host}/${ODD_REPOSITORY}:${tag}`
      const { docker } = sharedEngine()
      await docker(['pull', '--quiet', full])
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect((await crane(['digest', full])).stdout).toBe(digestOf(`${ODD_REPOSITORY}:latest`))
    })

    it('docker runs the image of 350 MB', async () => {
      const { docker } = sharedEngine()
      const full = `${server.host}/big:latest`
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect((await docker(['run', '--rm', '--network', 'none', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
    })

    it('crane lists the tags and the repositories', async () => {
      const names = Object.keys(sharedRegistries().images.repositories['busybox'] ?? {}).sort()
      expect((await crane(['ls', `${server.host}/busybox`])).stdout.split('\n').sort()).toEqual(names)
      const repositories = ['big', 'busybox', 'multi', 'signed', 'team/tools/busybox']
      expect((await crane(['catalog', server.host])).stdout.split('\n').sort()).toEqual(repositories)
    })

    it('referrers are found by the list and by the fallback tag, and are whole', async () => {
      const all = sharedRegistries().images.referrers.filter(({ repository }) => repository === 'signed')
      for (const { subject, digest, artifactType } of all) {
        const { header, body } = await server.ask(`/v2/signed/referrers/${subject}?artifactType=${artifactType}`)
        expect(header('content-type')).toBe('application/vnd.oci.image.index.v1+json')
        const tag = await crane(['manifest', `${server.host}/signed:${subject.replace(':', '-')}`])
        const raw = await skopeo([
          ...['inspect', '--raw', '--tls-verify=false'],
          `docker://${server.host}/signed:${subject.replace(':', '-')}`,
        ])
        for (const text of [body.toString(), tag.stdout, raw.stdout]) {
          const { manifests } = JSON.parse(text)
          expect(manifests).toContainEqual(expect.objectContaining({ digest, artifactType }))
        }
        await crane(['validate', '--remote', `${server.host}/signed@${digest}`, '--fast'])
      }
    })

    it('a missing image is missing to every client', async () => {
      const { docker, ctr } = sharedEngine()
      for (const image of ['busybox:absent', 'nobody:latest']) {
        const full = `${server.host}/${image}`
        const results = await Promise.all([
          docker(['pull', full], { reject: false }),
          podman.podman(['pull', '--tls-verify=false', full], { reject: false }),
          ctr(['images', 'pull', '--plain-http', full], { reject: false }),
          crane(['digest', full], { reject: false }),
          skopeo(['inspect', '--tls-verify=false', `docker://${full}`], { reject: false }),
        ])
        for (const { failed, stderr } of results) {
          expect(failed).toBe(true)
          expect(stderr).toMatch(/manifest unknown|not found|MANIFEST_UNKNOWN|404/i)
        }
      }
    })
  })
}

async function fetchAll(root: string): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of ['busybox', 'multi', 'team/tools/busybox', 'big']) {
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
  }
  await done(['fetch', '--root', root, `${plain.host}/signed`, 'latest', '--referrers', '--digest-tags'])
  const manifests = join(root, 'v2', ODD_REPOSITORY, 'manifests')
  for (const tag of ODD_TAGS) await link(join(manifests, 'latest'), join(manifests, tag))
}

function digestOf(image: string): string {
  const colon = image.lastIndexOf(':')
  const stored = sharedRegistries().images.repositories[image.slice(0, colon)]?.[image.slice(colon + 1)]
  if (stored === undefined) throw new Error(`the registries hold no ${image}`)
  return stored.digest
}

function skopeo(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(toolPath('skopeo'), args, options)
}

function crane(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(toolPath('crane'), [...args, '--insecure'], options)
}
