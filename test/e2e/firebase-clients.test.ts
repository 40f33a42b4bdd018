import { link, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { newName } from './support/engine.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done } from './support/registrish.ts'
import { type RunOptions, type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { type Superstatic, startSuperstatic } from './support/superstatic.ts'
import { toolPath } from './support/tools.ts'

/* Real images on superstatic, as `registrish emit --host firebase` lays them out: every client pulls and runs them. */

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
const IMAGES = ['busybox:latest', 'busybox:RC1', 'busybox:rc1', 'multi:latest', 'team/tools/busybox:latest']
/** Tags that look like something else to whoever guesses by endings, in a nested repository. */
const ODD_TAGS = ['1.0.gz', 'x.js', 'latest.html', 'index.html', 'index.json']
const ODD_REPOSITORY = 'team/tools/busybox'

describeWith(
  ['superstatic', 'engine', 'registries', ...podmanNeeds, 'skopeo', 'crane'],
  'from Firebase’s superstatic',
  () => {
    let root: string
    let server: Superstatic
    let podman: Podman
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'rge-'))
      await fetchAll(root)
      await done(['emit', '--root', root, '--host', 'firebase'])
      server = await startSuperstatic(root)
      podman = await createPodman()
    })
    afterAll(async () => {
      await podman?.stop()
      await server?.stop()
      await rm(root, { recursive: true, force: true })
    })

    describe.each(IMAGES.flatMap(image => [[image, image] as const, [image, undefined] as const]))(
      '%s by %s',
      (image, tagged) => {
        const asked = (): string => `${server.host}/${tagged ?? byDigest(image)}`

        it('docker pulls and runs it', async () => {
          const { docker } = sharedEngine()
          onTestFinished(() => docker(['rmi', '--force', asked()]).then(() => undefined))
          await docker(['pull', '--quiet', asked()])
          const { stdout } = await docker(['run', '--rm', '--network', 'none', asked(), ...HELLO])
          expect(stdout).toBe(HELLO_OUTPUT)
          const { stdout: digests } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', asked()])
          expect(digests).toContain(digestOf(image))
        })

        it('podman pulls and runs it', async () => {
          await podman.podman(['pull', '--quiet', '--tls-verify=false', asked()])
          onTestFinished(() => podman.podman(['rmi', '--force', asked()]).then(() => undefined))
          expect((await podman.podman(['run', '--rm', asked(), ...HELLO])).stdout).toBe(HELLO_OUTPUT)
        })

        it('containerd pulls and runs it', async () => {
          const { ctr } = sharedEngine()
          await ctr(['images', 'pull', '--plain-http', asked()])
          onTestFinished(() => ctr(['images', 'rm', asked()]).then(() => undefined))
          const { stdout } = await ctr(['run', '--rm', asked(), newName(), '/bin/echo', 'hello', 'there'])
          expect(stdout).toBe(HELLO_OUTPUT)
        })

        it('skopeo copies all of it with its digest', async () => {
          const folder = await makeTemporaryFolder()
          const options = ['--quiet', '--all', '--preserve-digests', '--src-tls-verify=false']
          await skopeo(['copy', ...options, `docker://${asked()}`, `dir:${folder}`])
          const inspected = await skopeo([
            'inspect',
            '--tls-verify=false',
            '--format',
            '{{.Digest}}',
            `docker://${asked()}`,
          ])
          expect(inspected.stdout).toBe(digestOf(image))
        })

        it('crane finds its digest and pulls every byte', async () => {
          expect((await crane(['digest', asked()])).stdout).toBe(digestOf(image))
          expect((await crane(['validate', '--remote', asked()])).stdout).toContain('PASS')
        })
      },
    )

    it.for(ODD_TAGS)('the tag %s is what it should be', async tag => {
      const full = `${server.host}/${ODD_REPOSITORY}:${tag}`
      const { docker } = sharedEngine()
      await docker(['pull', '--quiet', full])
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect((await crane(['digest', full])).stdout).toBe(digestOf(`${ODD_REPOSITORY}:latest`))
    })

    it('crane lists the tags and the repositories', async () => {
      const names = Object.keys(sharedRegistries().images.repositories['busybox'] ?? {}).sort()
      expect((await crane(['ls', `${server.host}/busybox`])).stdout.split('\n').sort()).toEqual(names)
      expect((await crane(['catalog', server.host])).stdout.split('\n').sort()).toEqual([
        'busybox',
        'multi',
        ODD_REPOSITORY,
      ])
    })

    it('a missing image is missing to every client', async () => {
      const { docker, ctr } = sharedEngine()
      const full = `${server.host}/busybox:absent`
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
    })
  },
)

async function fetchAll(root: string): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of ['busybox', 'multi', ODD_REPOSITORY])
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
  const manifests = join(root, 'v2', ODD_REPOSITORY, 'manifests')
  for (const tag of ODD_TAGS) await link(join(manifests, 'latest'), join(manifests, tag))
}

function byDigest(image: string): string {
  return `${image.slice(0, image.lastIndexOf(':'))}@${digestOf(image)}`
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
