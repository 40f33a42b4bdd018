import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { artifactTypes } from './support/artifacts.ts'
import { type Credentials, credentialFile } from './support/credentials.ts'
import { newName } from './support/engine.ts'
import { createPodman, podmanNeeds } from './support/podman.ts'
import { manifestTypes, repositoryWriter } from './support/registry-writer.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath, toolVersion } from './support/tools.ts'
import { startUpstream, testUser, type UpstreamAddress, upstreamNeeds } from './support/upstream.ts'

describeWith(['registries'], 'the shared registries', () => {
  it('hold every image with the media type it was made with', () => {
    const { images } = sharedRegistries()
    const typeOf = (repository: string): string | undefined => images.repositories[repository]?.['latest']?.mediaType
    expect(Object.keys(images.repositories).sort()).toEqual([
      'big',
      'busybox',
      'debian',
      'multi',
      'private/app',
      'signed',
      'team/tools/busybox',
    ])
    expect(Object.keys(images.repositories['busybox'] ?? {}).sort()).toEqual([
      '007',
      '1.10',
      '1e3',
      'RC1',
      'latest',
      'rc1',
    ])
    expect(typeOf('busybox')).toBe(manifestTypes.dockerManifest)
    expect(typeOf('multi')).toBe(manifestTypes.dockerList)
    expect(typeOf('team/tools/busybox')).toBe(manifestTypes.ociManifest)
    expect(typeOf('signed')).toBe(manifestTypes.ociIndex)
  })

  it('answer with what the catalogue says', async () => {
    const { plain, images } = sharedRegistries()
    for (const [repository, tags] of Object.entries(images.repositories)) {
      for (const [tag, expected] of Object.entries(tags)) {
        const { descriptor } = await repositoryWriter(plain.url, repository).getManifest(tag)
        expect(descriptor, `${repository}:${tag}`).toEqual(expected)
      }
    }
  })

  it('hold an image of at least 350 MB in more than five layers', async () => {
    const sizes = await layerSizes('big')
    expect(sizes.length).toBeGreaterThan(5)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(350_000_000)
  })

  it('hold artifacts that refer to an index, a child and an artifact, under fallback tags', async () => {
    const { plain, images } = sharedRegistries()
    expect(images.referrers.map(({ artifactType }) => artifactType)).toEqual([
      artifactTypes.signature,
      artifactTypes.sbom,
      artifactTypes.sbom,
      artifactTypes.signature,
    ])
    for (const { repository, subject, digest } of images.referrers) {
      const { json } = await repositoryWriter(plain.url, repository).getManifest(subject.replace(':', '-'))
      expect(json).toMatchObject({ manifests: expect.arrayContaining([expect.objectContaining({ digest })]) })
      const artifact = await repositoryWriter(plain.url, repository).getManifest(digest)
      expect(artifact.json).toMatchObject({ subject: { digest: subject } })
    }
  })

  it('refuse to be written to', async () => {
    const { plain } = sharedRegistries()
    await expect(repositoryWriter(plain.url, 'busybox').putBlob('x', 'text/plain')).rejects.toThrow(': 405')
  })

  it('say which requests came', async () => {
    const { plain } = sharedRegistries()
    const mark = await plain.mark()
    await repositoryWriter(plain.url, 'busybox').getManifest('latest')
    const before = await plain.requestsSince(mark)
    const size = sharedRegistries().images.repositories['busybox']?.['latest']?.size
    expect(before).toMatchObject([
      { method: 'GET', path: '/v2/busybox/manifests/latest', query: '', status: 200, bytes: size },
    ])
  })
})

describeWith(['engine', 'registries'], 'the engine', () => {
  it.each(['busybox', 'multi', 'team/tools/busybox', 'signed'])('pulls and runs %s', async repository => {
    const { plain } = sharedRegistries()
    const { docker } = sharedEngine()
    const image = `${plain.host}/${repository}:latest`
    await docker(['pull', '--quiet', image])
    const { stdout } = await docker(['run', '--rm', '--network', 'none', image, 'echo', 'hello there'])
    expect(stdout).toBe('hello there')
  })

  it('runs a whole Debian', async () => {
    const image = `${sharedRegistries().plain.host}/debian:latest`
    const { stdout } = await sharedEngine().docker([
      'run',
      '--rm',
      '--network',
      'none',
      image,
      'cat',
      '/etc/os-release',
    ])
    expect(stdout).toContain('Debian')
  })

  it('publishes a port of a network of its own', async () => {
    const { docker } = sharedEngine()
    const image = `${sharedRegistries().plain.host}/busybox:latest`
    const network = newName('net')
    const container = newName('web')
    await docker(['network', 'create', network])
    onTestFinished(async () => {
      await docker(['rm', '--force', container])
      await docker(['network', 'rm', network])
    })
    const options = ['--detach', '--name', container, '--network', network, '--publish', '127.0.0.1::80']
    await docker(['run', ...options, image, 'busybox', 'httpd', '-f', '-h', '/bin'])
    const { stdout } = await docker(['port', container, '80'])
    await expect
      .poll(() => fetch(`http://${stdout}/sh`).then(({ status }) => status, String), { timeout: 10_000 })
      .toBe(200)
  })

  it('has a containerd that pulls and runs', async () => {
    const image = `${sharedRegistries().plain.host}/team/tools/busybox:latest`
    const { ctr } = sharedEngine()
    await ctr(['images', 'pull', '--plain-http', image])
    const { stdout } = await ctr(['run', '--rm', image, newName(), '/bin/echo', 'hello there'])
    expect(stdout).toBe('hello there')
  })
})

describeWith([...podmanNeeds, 'skopeo', 'registries'], 'podman', () => {
  it('pulls, runs, and shares its storage with skopeo', async () => {
    const { podman, env, stop } = await createPodman()
    onTestFinished(stop)
    const image = `${sharedRegistries().plain.host}/signed:latest`
    await podman(['pull', '--tls-verify=false', image])
    const { stdout } = await podman(['run', '--rm', image, 'echo', 'hello there'])
    expect(stdout).toBe('hello there')
    const inspected = await run(toolPath('skopeo'), ['inspect', '--raw', `containers-storage:${image}`], { env })
    expect(JSON.parse(inspected.stdout)).toMatchObject({ schemaVersion: 2 })
  })
})

describeWith(['crane', 'registries'], 'basic authentication', () => {
  it('lets the right password in', async () => {
    const { basic, images } = sharedRegistries()
    const { stdout } = await crane(['digest', `${basic.host}/busybox:latest`], { at: basic, credentials: testUser })
    expect(stdout).toBe(images.repositories['busybox']?.['latest']?.digest)
  })

  it.each([undefined, { username: testUser.username, password: 'wrong' }])('refuses %j', async credentials => {
    const { basic } = sharedRegistries()
    const { failed, stderr } = await crane(['digest', `${basic.host}/busybox:latest`], { at: basic, credentials })
    expect(failed).toBe(true)
    expect(stderr).toContain('401')
  })
})

describeWith(['crane', 'registries'], 'token authentication', () => {
  it('gives the anonymous what is public', async () => {
    const { token, images } = sharedRegistries()
    const { stdout } = await crane(['digest', `${token.host}/busybox:latest`], { at: token })
    expect(stdout).toBe(images.repositories['busybox']?.['latest']?.digest)
  })

  it('keeps what is private from the anonymous', async () => {
    const { token } = sharedRegistries()
    const { failed, stderr } = await crane(['digest', `${token.host}/private/app:latest`], { at: token })
    expect(failed).toBe(true)
    expect(stderr).toContain('UNAUTHORIZED')
  })

  it('gives what is private to the right password, and nothing to a wrong one', async () => {
    const { token, images } = sharedRegistries()
    const image = `${token.host}/private/app:latest`
    const right = await crane(['digest', image], { at: token, credentials: testUser })
    expect(right.stdout).toBe(images.repositories['private/app']?.['latest']?.digest)
    const wrong = await crane(['digest', image], { at: token, credentials: { ...testUser, password: 'wrong' } })
    expect(wrong.failed).toBe(true)
  })
})

describeWith([...upstreamNeeds, 'crane', 'registries'], 'a registry of a test of its own', () => {
  it.each(['ec', 'rsa'] as const)(
    'takes tokens signed by an %s key, and its token server says who asked',
    async keyType => {
      const upstream = await startUpstream({ auth: 'token', token: { keyType } })
      onTestFinished(upstream.stop)
      const { plain, images } = sharedRegistries()
      const image = `${upstream.host}/private/app:latest`
      await crane(['copy', `${plain.host}/busybox:latest`, image], { at: upstream, credentials: testUser })
      const { stdout } = await crane(['digest', image], { at: upstream, credentials: testUser })
      expect(stdout).toBe(images.repositories['busybox']?.['latest']?.digest)
      expect(upstream.tokenServer?.requests.at(-1)).toMatchObject({
        user: testUser.username,
        scopes: ['repository:private/app:pull'],
        status: 200,
      })
    },
  )

  it('refuses a token whose life is over', async () => {
    const { dataFolder } = sharedRegistries()
    const upstream = await startUpstream({ auth: 'token', data: dataFolder, token: { lifetime: -3_600 } })
    onTestFinished(upstream.stop)
    const { stderr } = await crane(['ls', `${upstream.host}/busybox`], { at: upstream })
    expect(stderr).toContain('UNAUTHORIZED')
    expect(upstream.tokenServer?.requests.at(-1)?.status).toBe(200)
  })

  it('speaks TLS with a certificate to trust', async () => {
    const upstream = await startUpstream({ tls: true, auth: 'token' })
    onTestFinished(upstream.stop)
    const image = `${upstream.host}/busybox:latest`
    const env = { SSL_CERT_FILE: upstream.caFile ?? '' }
    const untrusted = await crane(['digest', image], { at: upstream, insecure: false })
    expect(untrusted.stderr).toContain('certificate')
    await crane(['copy', `${sharedRegistries().plain.host}/busybox:latest`, image], {
      at: upstream,
      credentials: testUser,
      env,
    })
    const { stdout } = await crane(['ls', `${upstream.host}/busybox`], { at: upstream, env, insecure: false })
    expect(stdout).toBe('latest')
    expect(
      (await upstream.requestsSince({ offset: 0 })).some(({ method, status }) => method === 'PUT' && status === 201),
    ).toBe(true)
  })
})

describe('a tool', () => {
  it('that is here has a version', async () => {
    expect(await toolVersion('bash')).toMatch(/version \d+/)
  })
})

async function layerSizes(repository: string): Promise<readonly number[]> {
  const { json } = await repositoryWriter(sharedRegistries().plain.url, repository).getManifest('latest')
  return (json as { readonly layers: readonly { readonly size: number }[] }).layers.map(({ size }) => size)
}

interface CraneOptions {
  readonly at: UpstreamAddress
  readonly credentials?: Credentials | undefined
  readonly env?: Readonly<Record<string, string>>
  readonly insecure?: boolean
}

/** Runs crane with these credentials and no others; a failure is a result. */
async function crane(args: readonly string[], options: CraneOptions): Promise<RunResult> {
  const { at, credentials, env = {}, insecure = at.caFile === undefined } = options
  const folder = await mkdtemp(join(tmpdir(), 'rgc-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(
    join(folder, 'config.json'),
    credentialFile(credentials === undefined ? {} : { [at.host]: credentials }),
  )
  const flags = insecure ? ['--insecure'] : []
  return run(toolPath('crane'), [...args, ...flags], { reject: false, env: { DOCKER_CONFIG: folder, ...env } })
}
