import { link, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  crane,
  describeImage,
  digestOf,
  expectCrane,
  HELLO,
  HELLO_OUTPUT,
  type Host,
  ODD_REPOSITORY,
  type Running,
  skopeo,
} from './image-pulls.ts'
import { createPodman, type Podman, podmanNeeds } from './podman.ts'
import { done } from './registrish.ts'
import { describeWith, type Need, sharedEngine, sharedRegistries } from './suites.ts'

/** What is pulled from a host. */
interface PullsOptions<H extends Host> {
  /** By tag, with every client; few that differ unless said. */
  readonly images?: readonly string[]
  /** By digest, with every client. */
  readonly byDigest?: readonly string[]
  /** Tags that look like something else to whoever guesses by endings, of an image in a nested repository. */
  readonly oddTags?: readonly string[]
  /** Other repositories that are there; of `big`, 350 MB, docker runs the image. */
  readonly also?: readonly string[]
  /** How a client says that a tag is missing; of a repository it may also say that the name is unknown. */
  readonly missing?: RegExp
  /** The host's own tests; they come last, and may change what it holds. */
  readonly more?: (running: () => Running<H>) => void
}

const IMAGES = ['busybox:RC1', 'multi:latest', 'team/tools/busybox:latest']
const ODD_TAGS = ['1.0.gz', 'x.js', 'latest.html', 'index.html', '404.html', 'index', 'index.json']
const MISSING = /manifest unknown|not found|MANIFEST_UNKNOWN|404/i
const REPOSITORIES = ['busybox', 'multi', ODD_REPOSITORY]

/** Has every client pull real images from a host that runs here, by tag and by digest; what is missing has to be missing to each. */
export function describePulls<H extends Host>(
  name: string,
  needs: readonly Need[],
  start: (root: string) => Promise<H>,
  options: PullsOptions<H> = {},
): void {
  const { images = IMAGES, byDigest = ['multi:latest'], oddTags = ODD_TAGS, also = [] } = options
  const repositories = [...REPOSITORIES, ...also]
  describeWith([...needs, ...podmanNeeds, 'engine', 'registries', 'skopeo', 'crane'], `from ${name}`, () => {
    let root: string
    let server: H
    let podman: Podman
    const running = (): Running<H> => ({ root, server, podman: podman.podman })
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'rge-'))
      await fetchAll(root, repositories, oddTags)
      server = await start(root)
      podman = await createPodman()
    })
    afterAll(async () => {
      await podman?.stop()
      await server?.close()
      await rm(root, { recursive: true, force: true })
    })

    describe.each(images)('%s', image => describeImage(image, false, running))
    describe.each(byDigest)('%s by digest', image => describeImage(image, true, running))
    describeOddTags(oddTags, running)
    if (also.includes('big')) describeBig(running)
    describeLists([...repositories, 'signed'], running)
    describeMissing(options.missing ?? MISSING, running)
    options.more?.(running)
  })
}

function describeOddTags(tags: readonly string[], running: () => Running): void {
  it.for(tags)('the tag %s is what it should be', async tag => {
    const full = `${running().server.host}/${ODD_REPOSITORY}:${tag}`
    const digest = digestOf(`${ODD_REPOSITORY}:latest`)
    const { docker } = sharedEngine()
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    await Promise.all([docker(['pull', '--quiet', full]), expectCrane(full, digest)])
    expect((await docker(['image', 'inspect', '--format', '{{json .RepoDigests}}', full])).stdout).toContain(digest)
  })
}

function describeBig(running: () => Running): void {
  it('docker runs the image of 350 MB', async () => {
    const { docker } = sharedEngine()
    const full = `${running().server.host}/big:latest`
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    expect((await docker(['run', '--rm', '--network', 'none', full, ...HELLO])).stdout).toBe(HELLO_OUTPUT)
  })
}

function describeLists(repositories: readonly string[], running: () => Running): void {
  it('crane lists the tags and the repositories, and each tag is its own', async () => {
    const { host } = running().server
    const names = Object.keys(sharedRegistries().images.repositories['busybox'] ?? {}).sort()
    expect((await crane(['ls', `${host}/busybox`])).stdout.split('\n').sort()).toEqual(names)
    expect((await crane(['catalog', host])).stdout.split('\n').sort()).toEqual([...repositories].sort())
    const digests = await Promise.all(names.map(tag => crane(['digest', `${host}/busybox:${tag}`])))
    expect(digests.map(({ stdout }) => stdout)).toEqual(names.map(tag => digestOf(`busybox:${tag}`)))
  })
}

function describeMissing(message: RegExp, running: () => Running): void {
  it('a missing image is missing to every client', async () => {
    const { docker, ctr } = sharedEngine()
    const { server, podman } = running()
    for (const [image, said] of [
      ['busybox:absent', message],
      ['nobody:latest', new RegExp(`${message.source}|name.unknown`, 'i')],
    ] as const) {
      const full = `${server.host}/${image}`
      const results = await Promise.all([
        docker(['pull', full], { reject: false }),
        podman(['pull', '--tls-verify=false', full], { reject: false }),
        ctr(['images', 'pull', '--plain-http', full], { reject: false }),
        crane(['digest', full], { reject: false }),
        skopeo(['inspect', '--tls-verify=false', `docker://${full}`], { reject: false }),
      ])
      for (const { failed, stderr } of results) {
        expect(failed).toBe(true)
        expect(stderr).toMatch(said)
      }
    }
  })
}

async function fetchAll(root: string, repositories: readonly string[], oddTags: readonly string[]): Promise<void> {
  const { plain } = sharedRegistries()
  for (const repository of repositories)
    await done(['fetch', '--root', root, `${plain.host}/${repository}`, '--all-tags'])
  await done(['fetch', '--root', root, `${plain.host}/signed`, 'latest', '--referrers', '--digest-tags'])
  const manifests = join(root, 'v2', ODD_REPOSITORY, 'manifests')
  for (const tag of oddTags) await link(join(manifests, 'latest'), join(manifests, tag))
  await done(['verify', '--root', root])
}
