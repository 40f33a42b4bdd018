import { createHash } from 'node:crypto'
import { link, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type AzureWebsite, startAzureWebsite } from './support/azure-website.ts'
import { type Azurite, startAzurite } from './support/azurite.ts'
import { newName } from './support/engine.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done } from './support/registrish.ts'
import { type RunOptions, type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/* Real images are deployed to azurite by the command line; then every client pulls them from a website like that of Azure. */

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
const IMAGES = ['busybox:latest', 'multi:latest', 'team/tools/busybox:latest', 'signed:latest']
/** Tags that look like something else to whoever guesses by endings. */
const ODD_TAGS = ['1.0.gz', 'x.js', 'latest.html', 'index.json']
const ODD_REPOSITORY = 'team/tools/busybox'

const NEEDS = ['azurite-blob', ...podmanNeeds, 'engine', 'registries', 'skopeo', 'crane'] as const

describeWith(NEEDS, 'from a website like that of Azure', () => {
  let root: string
  let azurite: Azurite
  let website: AzureWebsite
  let podman: Podman

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rge-'))
    await fetchAll(root)
    azurite = await startAzurite()
    const place = ['--azure', azurite.account, '--azure-endpoint', azurite.endpoint]
    await done(['setup', ...place, '--apply'], { env: azurite.env })
    website = await startAzureWebsite(azurite.service)
    podman = await createPodman()
    await done(['deploy', '--root', root, ...place, '--url', website.host, '--plain-http'], { env: azurite.env })
  })
  afterAll(async () => {
    await podman.stop()
    await website.close()
    await azurite.stop()
    await rm(root, { recursive: true, force: true })
  })

  describe.each(IMAGES)('%s', image => {
    it('docker pulls and runs it', async () => {
      const { docker } = sharedEngine()
      const full = `${website.host}/${image}`
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      const { stdout } = await docker(['run', '--rm', '--network', 'none', full, ...HELLO])
      expect(stdout).toBe(HELLO_OUTPUT)
      const { stdout: digests } = await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])
      expect(digests).toContain(digestOf(image))
    })

    it('podman pulls and runs it', async () => {
      const full = `${website.host}/${image}`
      await podman.podman(['pull', '--quiet', '--tls-verify=false', full])
      onTestFinished(() => podman.podman(['rmi', '--force', full]).then(() => undefined))
      expect((await podman.podman(['run', '--rm', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
    })

    it('containerd pulls and runs it', async () => {
      const { ctr } = sharedEngine()
      const full = `${website.host}/${image}`
      await ctr(['images', 'pull', '--plain-http', full])
      onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
      expect((await ctr(['run', '--rm', full, newName(), '/bin/echo', 'hello', 'there'])).stdout).toBe(HELLO_OUTPUT)
    })

    it('skopeo copies all of it with its digest', async () => {
      const folder = await makeTemporaryFolder()
      const flags = ['--quiet', '--all', '--preserve-digests', '--src-tls-verify=false']
      await skopeo(['copy', ...flags, `docker://${website.host}/${image}`, `dir:${folder}`])
      const manifest = await readFile(join(folder, 'manifest.json'))
      expect(`sha256:${createHash('sha256').update(manifest).digest('hex')}`).toBe(digestOf(image))
    })

    it('crane finds its digest, by tag and digest, and reads every byte', async () => {
      const full = `${website.host}/${image}`
      const byDigest = `${full.slice(0, full.lastIndexOf(':'))}@${digestOf(image)}`
      for (const asked of [full, byDigest]) {
        expect((await crane(['digest', asked])).stdout).toBe(digestOf(image))
        expect((await crane(['validate', '--remote', asked])).stdout).toContain('PASS')
      }
    })
  })

  it.for(ODD_TAGS)('the tag %s is what it should be', async tag => {
    const full = `${website.host}/${ODD_REPOSITORY}:${tag}`
    const { docker } = sharedEngine()
    await docker(['pull', '--quiet', full])
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    expect((await crane(['digest', full])).stdout).toBe(digestOf(`${ODD_REPOSITORY}:latest`))
  })

  it('docker runs the image of 350 MB', async () => {
    const { docker } = sharedEngine()
    const full = `${website.host}/big:latest`
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    expect((await docker(['run', '--rm', '--network', 'none', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
  })

  it('a missing image is missing to every client', async () => {
    const { docker, ctr } = sharedEngine()
    for (const image of ['busybox:absent', 'nobody:latest']) {
      const full = `${website.host}/${image}`
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

async function fetchAll(root: string): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of ['busybox', 'multi', 'team/tools/busybox', 'big'])
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
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
