import { createHash } from 'node:crypto'
import { link, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { newName } from './engine.ts'
import { createPodman, type Podman, podmanNeeds } from './podman.ts'
import { done, type Hosted } from './registrish.ts'
import { type RunResult, run } from './run.ts'
import { describeWith, type Need, sharedEngine, sharedRegistries } from './suites.ts'
import { toolPath } from './tools.ts'

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
/** What is pulled, and whether by digest. */
const PULLS = [
  ['busybox:RC1', false],
  ['multi:latest', false],
  ['multi:latest', true],
  ['team/tools/busybox:latest', false],
] as const
/** Tags that look like something else to whoever guesses by endings, in a nested repository. */
const ODD_TAGS = ['1.0.gz', 'x.js', 'latest.html', 'index.html', '404.html', 'index', 'index.json']
const ODD_REPOSITORY = 'team/tools/busybox'

/** Has every client pull small real images from a host that runs here, by tag and by digest. */
export function describePulls(name: string, needs: readonly Need[], start: (root: string) => Promise<Hosted>): void {
  describeWith([...needs, ...podmanNeeds, 'engine', 'registries', 'skopeo', 'crane'], `from ${name}`, () => {
    let root: string
    let server: Hosted
    let podman: Podman
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'rge-'))
      await fetchAll(root)
      server = await start(root)
      podman = await createPodman()
    })
    afterAll(async () => {
      await podman.stop()
      await server.close()
      await rm(root, { recursive: true, force: true })
    })

    describe.each(PULLS)('%s (by digest: %s)', (image, byDigest) => {
      const full = (): string =>
        `${server.host}/${byDigest ? `${image.slice(0, image.lastIndexOf(':'))}@${digestOf(image)}` : image}`

      it('docker pulls and runs it', async () => {
        const { docker } = sharedEngine()
        onTestFinished(() => docker(['rmi', '--force', full()]).then(() => undefined))
        await docker(['pull', '--quiet', full()])
        const { stdout } = await docker(['run', '--rm', '--network', 'none', full(), ...HELLO])
        expect(stdout).toBe(HELLO_OUTPUT)
        const { stdout: digests } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full()])
        expect(digests).toContain(digestOf(image))
      })

      it('podman pulls and runs it', async () => {
        onTestFinished(() => podman.podman(['rmi', '--force', full()]).then(() => undefined))
        await podman.podman(['pull', '--quiet', '--tls-verify=false', full()])
        expect((await podman.podman(['run', '--rm', full(), ...HELLO])).stdout).toBe(HELLO_OUTPUT)
      })

      it('containerd pulls and runs it', async () => {
        const { ctr } = sharedEngine()
        onTestFinished(() => ctr(['images', 'rm', full()]).then(() => undefined))
        await ctr(['images', 'pull', '--plain-http', full()])
        expect((await ctr(['run', '--rm', full(), newName(), '/bin/echo', 'hello', 'there'])).stdout).toBe(HELLO_OUTPUT)
        expect((await ctr(['images', 'ls', `name==${full()}`])).stdout).toContain(digestOf(image))
      })

      it('skopeo copies all of it with its digest', async () => {
        const folder = await makeTemporaryFolder()
        const copying = ['copy', '--quiet', '--all', '--preserve-digests', '--src-tls-verify=false']
        await run(toolPath('skopeo'), [...copying, `docker://${full()}`, `dir:${folder}`])
        const manifest = await readFile(join(folder, 'manifest.json'))
        expect(`sha256:${createHash('sha256').update(manifest).digest('hex')}`).toBe(digestOf(image))
      })

      it('crane finds its digest and validates every byte', async () => {
        expect((await crane(['digest', full()])).stdout).toBe(digestOf(image))
        expect((await crane(['validate', '--remote', full()])).stdout).toContain('PASS')
      })
    })

    it.for(ODD_TAGS)('the tag %s is what it should be', async tag => {
      const full = `${server.host}/${ODD_REPOSITORY}:${tag}`
      expect((await crane(['digest', full])).stdout).toBe(digestOf(`${ODD_REPOSITORY}:latest`))
      expect((await crane(['validate', '--remote', full])).stdout).toContain('PASS')
    })

    it('docker pulls a tag that looks like a page', async () => {
      const full = `${server.host}/${ODD_REPOSITORY}:index.html`
      const { docker } = sharedEngine()
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      await docker(['pull', '--quiet', full])
      const { stdout } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])
      expect(stdout).toContain(digestOf(`${ODD_REPOSITORY}:latest`))
    })

    it('crane lists the tags and the repositories', async () => {
      const names = Object.keys(sharedRegistries().images.repositories['busybox'] ?? {}).sort()
      expect((await crane(['ls', `${server.host}/busybox`])).stdout.split('\n').sort()).toEqual(names)
      const repositories = ['busybox', 'multi', 'signed', 'team/tools/busybox']
      expect((await crane(['catalog', server.host])).stdout.split('\n').sort()).toEqual(repositories)
    })

    it('a missing image is missing to every client', async () => {
      const { docker, ctr } = sharedEngine()
      for (const image of ['busybox:absent', 'nobody:latest']) {
        const full = `${server.host}/${image}`
        const results = await Promise.all([
          docker(['pull', full], { reject: false }),
          podman.podman(['pull', '--tls-verify=false', full], { reject: false }),
          ctr(['images', 'pull', '--plain-http', full], { reject: false }),
          run(toolPath('crane'), ['digest', full, '--insecure'], { reject: false }),
        ])
        for (const { failed, stderr } of results) {
          expect(failed).toBe(true)
          expect(stderr).toMatch(/manifest unknown|not found|MANIFEST_UNKNOWN|name unknown|404/i)
        }
      }
    })
  })
}

async function fetchAll(root: string): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of ['busybox', 'multi', 'team/tools/busybox'])
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
  await done(['fetch', '--root', root, `${plain.host}/signed`, 'latest', '--referrers', '--digest-tags'])
  const manifests = join(root, 'v2', ODD_REPOSITORY, 'manifests')
  for (const tag of ODD_TAGS) await link(join(manifests, 'latest'), join(manifests, tag))
  await done(['verify', '--root', root])
}

function digestOf(image: string): string {
  const colon = image.lastIndexOf(':')
  const stored = sharedRegistries().images.repositories[image.slice(0, colon)]?.[image.slice(colon + 1)]
  if (stored === undefined) throw new Error(`the registries hold no ${image}`)
  return stored.digest
}

function crane(args: readonly string[]): Promise<RunResult> {
  return run(toolPath('crane'), [...args, '--insecure'])
}
