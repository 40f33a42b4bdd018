import { createHash } from 'node:crypto'
import { link, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { newName } from './support/engine.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done, type Hosted } from './support/registrish.ts'
import { run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath } from './support/tools.ts'
import { WEB_SERVERS } from './support/web-servers.ts'

/* The main job with real programs: real images from a real registry, and every client that people have pulls and runs them. */

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'

/** What is pulled by tag; each also by digest. */
const IMAGES = [
  'busybox:latest',
  'busybox:RC1',
  'busybox:rc1',
  'busybox:1.10',
  'multi:latest',
  'team/tools/busybox:latest',
  'signed:latest',
] as const

/** Tags that look like something else to a web server, in a nested repository. */
const ODD_TAGS = ['1.0.gz', 'v1.fr', 'x.js', 'latest.html', 'index.html', '1.var', `t${'0'.repeat(127)}`] as const
const ODD_REPOSITORY = 'team/tools/busybox'

for (const { name, needs, start } of WEB_SERVERS) {
  describeWith([...needs, 'engine', 'registries', ...podmanNeeds, 'skopeo', 'crane'], `from ${name}`, () => {
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

    describe.each(IMAGES.flatMap(image => [[image, image] as const, [image, byDigest(image)] as const]))(
      '%s',
      (image, asked) => {
        const digest = (): string => digestOf(image)

        it('docker pulls and runs it', async () => {
          const { docker } = sharedEngine()
          const full = `${server.host}/${resolved(asked)}`
          await docker(['pull', '--quiet', full])
          onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
          const { stdout } = await docker(['run', '--rm', '--network', 'none', full, ...HELLO])
          expect(stdout).toBe(HELLO_OUTPUT)
          const { stdout: digests } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])
          expect(digests).toContain(digest())
        })

        it('podman pulls and runs it', async () => {
          const full = `${server.host}/${resolved(asked)}`
          await podman.podman(['pull', '--quiet', '--tls-verify=false', full])
          const { stdout } = await podman.podman(['run', '--rm', full, ...HELLO])
          expect(stdout).toBe(HELLO_OUTPUT)
          await podman.podman(['rmi', '--force', full])
        })

        it('containerd pulls and runs it', async () => {
          const { ctr } = sharedEngine()
          const full = `${server.host}/${resolved(asked)}`
          await ctr(['images', 'pull', '--plain-http', full])
          onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
          const { stdout } = await ctr(['run', '--rm', full, newName(), '/bin/echo', 'hello', 'there'])
          expect(stdout).toBe(HELLO_OUTPUT)
          expect((await ctr(['images', 'ls', `name==${full}`])).stdout).toContain(digest())
        })

        it('skopeo inspects it, and copies all of it with its digest', async () => {
          const source = `docker://${server.host}/${resolved(asked)}`
          const { stdout } = await run(toolPath('skopeo'), [
            'inspect',
            '--tls-verify=false',
            '--format',
            '{{.Digest}}',
            source,
          ])
          expect(stdout).toBe(digest())
          const folder = await mkdtemp(join(tmpdir(), 'rge-'))
          onTestFinished(() => rm(folder, { recursive: true }))
          const copying = ['copy', '--quiet', '--all', '--preserve-digests', '--src-tls-verify=false']
          await run(toolPath('skopeo'), [...copying, source, `dir:${folder}`])
          const manifest = await readFile(join(folder, 'manifest.json'))
          expect(`sha256:${createHash('sha256').update(manifest).digest('hex')}`).toBe(digest())
        })

        it('crane finds its digest and validates every byte', async () => {
          const full = `${server.host}/${resolved(asked)}`
          expect((await crane(['digest', full])).stdout).toBe(digest())
          expect((await crane(['validate', '--remote', full])).stdout).toContain('PASS')
        })
      },
    )

    it.for(ODD_TAGS)('every client pulls the tag %s', async tag => {
      const { docker, ctr } = sharedEngine()
      const full = `${server.host}/${ODD_REPOSITORY}:${tag}`
      const digest = digestOf(`${ODD_REPOSITORY}:latest`)
      await docker(['pull', '--quiet', full])
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect((await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])).stdout).toContain(digest)
      await podman.podman(['pull', '--quiet', '--tls-verify=false', full])
      onTestFinished(() => podman.podman(['rmi', '--force', full]).then(() => undefined))
      await ctr(['images', 'pull', '--plain-http', full])
      onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
      expect((await ctr(['images', 'ls', `name==${full}`])).stdout).toContain(digest)
      const inspecting = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${full}`]
      expect((await run(toolPath('skopeo'), inspecting)).stdout).toBe(digest)
      expect((await crane(['digest', full])).stdout).toBe(digest)
      expect((await crane(['validate', '--remote', full])).stdout).toContain('PASS')
    })

    it('docker runs a whole Debian, and the image of 350 MB', async () => {
      const { docker } = sharedEngine()
      for (const [image, command, output] of [
        ['debian', ['cat', '/etc/debian_version'], /^12/],
        ['big', HELLO, /^hello there$/],
      ] as const) {
        const full = `${server.host}/${image}:latest`
        const { stdout } = await docker(['run', '--rm', '--network', 'none', full, ...command])
        expect(stdout).toMatch(output)
        await docker(['rmi', '--force', full])
      }
    })

    it('crane lists the tags and the repositories', async () => {
      expect((await crane(['ls', `${server.host}/busybox`])).stdout.split('\n').sort()).toEqual([
        '007',
        '1.10',
        '1e3',
        'RC1',
        'latest',
        'rc1',
      ])
      expect((await crane(['catalog', server.host])).stdout.split('\n').sort()).toEqual([
        'big',
        'busybox',
        'debian',
        'multi',
        'signed',
        'team/tools/busybox',
      ])
    })

    it('a missing tag is missing to every client', async () => {
      const full = `${server.host}/busybox:absent`
      const { docker, ctr } = sharedEngine()
      const results = await Promise.all([
        docker(['pull', full], { reject: false }),
        podman.podman(['pull', '--tls-verify=false', full], { reject: false }),
        ctr(['images', 'pull', '--plain-http', full], { reject: false }),
        run(toolPath('crane'), ['digest', '--insecure', full], { reject: false }),
      ])
      for (const { failed, stderr } of results) {
        expect(failed).toBe(true)
        expect(stderr).toMatch(/manifest unknown|not found|MANIFEST_UNKNOWN/i)
      }
    })

    it('docker push is refused and changes nothing', async () => {
      const { docker } = sharedEngine()
      const full = `${server.host}/busybox:latest`
      await docker(['pull', '--quiet', full])
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      const { failed } = await docker(['push', full], { reject: false })
      expect(failed).toBe(true)
      await done(['verify', '--root', root])
    })
  })
}

/** Fetches what the clients pull, with signatures, and writes the configuration of the hosts. */
async function fetchAll(root: string): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of ['busybox', 'multi', 'team/tools/busybox', 'debian', 'big']) {
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
  }
  await done(['fetch', '--root', root, `${plain.host}/signed`, 'latest', '--referrers', '--digest-tags'])
  const manifests = join(root, 'v2', ODD_REPOSITORY, 'manifests')
  for (const tag of ODD_TAGS) await link(join(manifests, 'latest'), join(manifests, tag))
  await done(['verify', '--root', root])
}

/** `name:tag` → a placeholder for `name@digest`: digests are known only when the tests run. */
function byDigest(image: string): string {
  return `${image}@`
}

function resolved(asked: string): string {
  if (!asked.endsWith('@')) return asked
  const image = asked.slice(0, -1)
  return `${image.slice(0, image.lastIndexOf(':'))}@${digestOf(image)}`
}

function digestOf(image: string): string {
  const colon = image.lastIndexOf(':')
  const stored = sharedRegistries().images.repositories[image.slice(0, colon)]?.[image.slice(colon + 1)]
  if (stored === undefined) throw new Error(`the registries hold no ${image}`)
  return stored.digest
}

function crane(args: readonly string[]): ReturnType<typeof run> {
  return run(toolPath('crane'), [...args, '--insecure'])
}
