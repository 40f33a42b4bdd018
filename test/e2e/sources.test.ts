import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { done, registrish, startServe } from './support/registrish.ts'
import { manifestTypes, repositoryWriter } from './support/registry-writer.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath, toolSearchPath } from './support/tools.ts'
import { type StartedUpstream, startUpstream, upstreamNeeds } from './support/upstream.ts'

/* Images that real programs wrote elsewhere: archives, layouts, storages. */

const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
/** registrish finds skopeo where the tests do. */
const PATH = { PATH: toolSearchPath() }

let root: string
beforeEach(async () => {
  root = await temporaryFolder()
})

describeWith(['engine', 'registries', 'tar'], 'what docker save wrote', () => {
  it('holds several images, which are served with the engine’s own config', async () => {
    const { docker } = sharedEngine()
    const { plain } = sharedRegistries()
    const names = [`${plain.host}/busybox:latest`, `${plain.host}/busybox:1.10`, 'tools/hello:7']
    const file = await saveImages(names, root)
    const ids = new Map(await Promise.all(names.map(async name => [name, await imageId(name)] as const)))
    for (const name of names) await docker(['rmi', '--force', name])

    const tree = join(root, 'tree')
    const { stdout } = await done(['fetch', '--root', tree, `docker-archive:${file}`])
    expect(stdout.split('\n')).toHaveLength(3)
    await done(['verify', '--root', tree, '--complete'])
    const server = await startServe(tree)
    onTestFinished(server.close)
    const fetched = { 'busybox:latest': names[0], 'busybox:1.10': names[1], 'tools/hello:7': names[2] }
    for (const [image, saved = ''] of Object.entries(fetched)) {
      expect(await configOf(tree, image), image).toBe(ids.get(saved))
      const full = `${server.host}/${image}`
      await docker(['pull', '--quiet', full])
      onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
      expect(await imageId(full)).toBe(ids.get(saved))
      const { stdout: said } = await docker(['run', '--rm', '--network', 'none', full, ...HELLO])
      expect(said).toBe(HELLO_OUTPUT)
    }

    const again = await done(['fetch', '--root', tree, `docker-archive:${file}`])
    expect(again.stdout.split('\n').every(line => line.endsWith('unchanged'))).toBe(true)
  })

  it('gives one of its images under another name, and all of one repository by glob', async () => {
    const { plain } = sharedRegistries()
    const names = [`${plain.host}/busybox:latest`, `${plain.host}/busybox:1.10`, 'tools/hello:7']
    const file = await saveImages(names, root)
    const tree = join(root, 'tree')
    await done(['fetch', '--root', tree, `docker-archive:${file}:tools/hello:7`, '--as', 'hello'])
    expect(await readTree(tree, 'tags/list')).toEqual({ 'hello/tags/list': '{"name":"hello","tags":["7"]}' })
    await done(['fetch', '--root', tree, `docker-archive:${file}`, '--tags', '1.*'])
    expect(await readTree(tree, 'busybox/tags/list')).toEqual({
      'busybox/tags/list': '{"name":"busybox","tags":["1.10"]}',
    })
  })

  it('is the same compressed or not, with the same manifests', async () => {
    const file = await saveImages(['tools/hello:7'], root)
    await run('gzip', ['--keep', file])
    await done(['fetch', '--root', join(root, 'plain'), `docker-archive:${file}`])
    await done(['fetch', '--root', join(root, 'compressed'), `docker-archive:${file}.gz`])
    expect(await readTree(join(root, 'compressed'))).toEqual(await readTree(join(root, 'plain')))
  })
})

/** Images whose manifests are OCI's throughout, which skopeo writes to a layout as they are. */
const OCI_IMAGES = ['team/tools/busybox', 'signed'] as const
/** And those with Docker's manifests, which it would convert. */
const ALL_IMAGES = [...OCI_IMAGES, 'multi', 'busybox'] as const

describeWith(['registries', 'skopeo'], 'what skopeo wrote is the tree that the registry gives', () => {
  for (const transport of ['oci', 'oci-archive']) {
    it.each(OCI_IMAGES)(`${transport}: %s`, async repository => {
      const { plain } = sharedRegistries()
      const place = `${transport}:${join(root, 'copied')}`
      const from = `docker://${plain.host}/${repository}:latest`
      await skopeo('copy', '--all', '--src-tls-verify=false', from, `${place}:latest`)
      await done(['fetch', '--root', join(root, 'copy'), place, '--as', repository])
      await done(['fetch', '--root', join(root, 'direct'), `${plain.host}/${repository}`])
      expect(await readTree(join(root, 'copy'))).toEqual(await readTree(join(root, 'direct')))
    })
  }

  it.each(ALL_IMAGES)('--via skopeo: %s', async repository => {
    const { plain } = sharedRegistries()
    const image = `${plain.host}/${repository}`
    const options = { env: PATH }
    await done(['fetch', '--root', join(root, 'skopeo'), '--via', 'skopeo', `docker://${image}:latest`], options)
    await done(['fetch', '--root', join(root, 'direct'), `${image}:latest`])
    expect(await readTree(join(root, 'skopeo'))).toEqual(await readTree(join(root, 'direct')))
    expect(await readdir(join(root, 'skopeo/.registrish/temporary')).catch(() => [])).toEqual([])
  })

  it('--via skopeo: chosen tags and platforms, and the direct way goes on from there', async () => {
    const { plain } = sharedRegistries()
    const options = ['--tags', 'a*', '--platform', 'linux/arm64,linux/amd64']
    const fetch = (tree: string, ...more: readonly string[]): Promise<RunResult> => {
      return done(['fetch', '--root', join(root, tree), `${plain.host}/multi`, ...options, ...more], { env: PATH })
    }
    await fetch('skopeo', '--via', 'skopeo')
    await fetch('direct')
    expect(await readTree(join(root, 'skopeo'))).toEqual(await readTree(join(root, 'direct')))
    expect((await fetch('skopeo')).stdout.split('\n').every(line => line.endsWith('unchanged'))).toBe(true)
  })

  it('--via skopeo: what is not there is not found, and nothing is written', async () => {
    const { plain } = sharedRegistries()
    const absent = `docker://${plain.host}/busybox:absent`
    const { exitCode, stderr } = await registrish(['fetch', '--root', root, '--via', 'skopeo', absent], { env: PATH })
    expect(exitCode).toBe(5)
    expect(stderr).toContain('absent')
    expect(await readTree(root)).toEqual({})
  })
})

describeWith(['registries', 'skopeo', 'crane', ...upstreamNeeds], 'an index inside an index', () => {
  it('is refused by way of skopeo, with the way out, which works', async () => {
    const upstream = await startOwn()
    const { plain } = sharedRegistries()
    await run(toolPath('crane'), ['copy', '--insecure', `${plain.host}/signed:latest`, `${upstream.host}/nested:inner`])
    const writer = repositoryWriter(upstream.url, 'nested')
    const { descriptor } = await writer.getManifest('inner')
    const index = { schemaVersion: 2, mediaType: manifestTypes.ociIndex, manifests: [descriptor] }
    const outer = await writer.putManifest(index, { mediaType: manifestTypes.ociIndex, tag: 'outer' })

    const image = `${upstream.host}/nested:outer`
    const refused = await registrish(['fetch', '--root', root, '--via', 'skopeo', image], { env: PATH })
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toMatch(/^registrish: .*skopeo/m)
    expect(refused.stderr).toContain('leave out --via skopeo')
    expect(await readTree(root)).toEqual({})
    await done(['fetch', '--root', root, image])
    expect(Object.keys(await readTree(root, 'manifests'))).toContain(`nested/manifests/${outer.digest}`)
    await done(['verify', '--root', root, '--complete'])
  })
})

describeWith(['registries', 'skopeo', 'engine', ...podmanNeeds], 'a storage of podman', () => {
  it('gives its images; one line says that the digest changes', async () => {
    const { podman, image } = await podmanWith('team/tools/busybox')
    const options = { env: { ...podman.env, ...PATH } }
    const name = `containers-storage:${image}:latest`
    const { stderr, stdout } = await done(['fetch', '--root', root, '--via', 'skopeo', name], options)
    expect(stderr.split('\n').filter(line => line.includes('the digest changes'))).toHaveLength(1)
    const digest = /sha256:[0-9a-f]{64}/.exec(stdout)?.[0] ?? ''
    expect(stderr).toMatch(new RegExp(`digest changes from sha256:[0-9a-f]{64} to ${digest}`))
    await done(['verify', '--root', root, '--complete'])
    const server = await startServe(root)
    onTestFinished(server.close)
    await runsInDocker(`${server.host}/team/tools/busybox`)
  })

  it('is refused where the digest must stay, with the way out', async () => {
    const { podman, image } = await podmanWith('busybox')
    const fetch = ['fetch', '--root', root, '--via', 'skopeo', `containers-storage:${image}`, '--require-digest']
    const { exitCode, stderr } = await registrish(fetch, { env: { ...podman.env, ...PATH } })
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^registrish: .*digest/m)
    expect(stderr).toContain('--require-digest')
    expect(await readTree(root)).toEqual({})
  })
})

describeWith(
  ['registries', 'engine', 'buildah', 'busybox', ...podmanNeeds, ...upstreamNeeds],
  'an image that buildah built',
  () => {
    it('is fetched from where it was pushed, byte for byte, and runs', async () => {
      const upstream = await startOwn()
      const { env } = await ownPodman()
      const buildah = (...args: readonly string[]): Promise<RunResult> => run(toolPath('buildah'), args, { env })
      const { stdout: container } = await buildah('from', 'scratch')
      onTestFinished(() => buildah('rm', container).then(() => undefined))
      await buildah('copy', '--chmod', '0755', container, toolPath('busybox'), '/bin/busybox')
      await buildah('run', '--isolation', 'chroot', container, '/bin/busybox', 'ln', '-s', 'busybox', '/bin/echo')
      await buildah('config', '--env', 'PATH=/bin', '--label', 'made=by buildah', container)
      const digestFile = join(root, 'digest')
      const image = `${upstream.host}/built/app:1.0`
      await buildah('commit', '--format', 'oci', container, image)
      await buildah('push', '--tls-verify=false', '--digestfile', digestFile, image)

      const tree = join(root, 'tree')
      const { stdout } = await done(['fetch', '--root', tree, image])
      expect(stdout).toContain(await readFile(digestFile, 'utf8'))
      await done(['verify', '--root', tree, '--complete'])
      const server = await startServe(tree)
      onTestFinished(server.close)
      await runsInDocker(`${server.host}/built/app:1.0`)
    })
  },
)

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rgs-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Pulls what bears a registry's name, makes the others from it, and saves all to one archive. */
async function saveImages(names: readonly string[], folder: string): Promise<string> {
  const { docker } = sharedEngine()
  const { plain } = sharedRegistries()
  const base = `${plain.host}/busybox:RC1`
  await docker(['pull', '--quiet', base])
  for (const name of names) {
    if (name.startsWith(plain.host)) await docker(['pull', '--quiet', name])
    else await docker(['tag', base, name])
    onTestFinished(() => docker(['rmi', '--force', name], { reject: false }).then(() => undefined))
  }
  const file = join(folder, 'saved.tar')
  await docker(['save', '--output', file, ...names])
  return file
}

/** The digest of the config by which an engine knows an image. */
async function imageId(name: string): Promise<string> {
  return (await sharedEngine().docker(['image', 'inspect', '--format', '{{.Id}}', name])).stdout
}

async function configOf(tree: string, image: string): Promise<string> {
  const path = join(tree, 'v2', image.replace(/:([^:]*)$/, '/manifests/$1'))
  const manifest = JSON.parse(await readFile(path, 'utf8')) as { readonly config: { readonly digest: string } }
  return manifest.config.digest
}

async function runsInDocker(image: string): Promise<void> {
  const { docker } = sharedEngine()
  await docker(['pull', '--quiet', image])
  onTestFinished(() => docker(['rmi', '--force', image]).then(() => undefined))
  const { stdout } = await docker(['run', '--rm', '--network', 'none', image, ...HELLO])
  expect(stdout).toBe(HELLO_OUTPUT)
}

async function startOwn(): Promise<StartedUpstream> {
  const upstream = await startUpstream()
  onTestFinished(upstream.stop)
  return upstream
}

async function ownPodman(): Promise<Podman> {
  const podman = await createPodman()
  onTestFinished(podman.stop)
  return podman
}

/** A podman that has pulled an image of the shared registry. */
async function podmanWith(repository: string): Promise<{ readonly podman: Podman; readonly image: string }> {
  const podman = await ownPodman()
  const image = `${sharedRegistries().plain.host}/${repository}`
  await podman.podman(['pull', '--quiet', '--tls-verify=false', image])
  return { podman, image }
}

function skopeo(...args: readonly string[]): Promise<RunResult> {
  return run(toolPath('skopeo'), args)
}

/** The published files below v2/, links as what they are, with their bytes; only those whose path holds `part`. */
async function readTree(tree: string, part = ''): Promise<Readonly<Record<string, string>>> {
  const folder = join(tree, 'v2')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const paths = entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  const chosen = paths.filter(path => path.includes(part)).sort()
  const files = chosen.map(async path => [path.slice(folder.length + 1), await readFile(path, 'latin1')] as const)
  return Object.fromEntries(await Promise.all(files))
}
