import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { credentialFile } from './support/credentials.ts'
import { done, registrish, startRegistrish } from './support/registrish.ts'
import { repositoryWriter } from './support/registry-writer.ts'
import { run } from './support/run.ts'
import { describeWith, sharedRegistries } from './support/suites.ts'
import { startUpstream, testUser, type Upstream, upstreamNeeds } from './support/upstream.ts'

/* `registrish fetch` against Debian's docker-registry, filled by a real engine. */

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rge-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
})

describeWith(['registries'], 'fetch from a real registry', () => {
  it('takes tags as they are written; options never swallow them', async () => {
    const { plain, images } = sharedRegistries()
    const { stdout } = await done([
      'fetch',
      '--root',
      root,
      '--platform',
      'linux/amd64',
      `${plain.host}/busybox`,
      '1.10',
      '007',
      '1e3',
    ])
    const expected = ['1.10', '007', '1e3'].map(
      tag => `busybox:${tag}  ${images.repositories['busybox']?.[tag]?.digest}  new`,
    )
    expect(stdout.split('\n')).toEqual(expected)
    expect((await readdir(join(root, 'v2/busybox/manifests'))).filter(name => !name.includes(':')).sort()).toEqual([
      '007',
      '1.10',
      '1e3',
    ])
  })

  it('keeps every manifest byte for byte', async () => {
    const { plain, images } = sharedRegistries()
    for (const repository of ['multi', 'signed', 'team/tools/busybox']) {
      await done(['fetch', '--root', root, `${plain.host}/${repository}`, 'latest'])
      const expected = images.repositories[repository]?.['latest']?.digest ?? ''
      expect(await readFile(join(root, 'v2', repository, 'manifests/latest'))).toEqual(
        await readFile(join(root, 'v2', repository, 'manifests', expected)),
      )
    }
    await done(['verify', '--root', root, '--complete'])
  })

  it('asks once per tag, and for nothing else, when nothing is new', async () => {
    const { plain } = sharedRegistries()
    const fetching = ['fetch', '--root', root, `${plain.host}/multi`, 'latest', 'amd64']
    await done(fetching)
    const mark = await plain.mark()
    const { stdout } = await done(fetching)
    expect(stdout.split('\n').every(line => line.endsWith('unchanged'))).toBe(true)
    const asked = (await plain.requestsSince(mark)).filter(({ path }) => path !== '/v2/')
    expect(asked.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      'HEAD /v2/multi/manifests/amd64',
      'HEAD /v2/multi/manifests/latest',
    ])
  })

  it('downloads a layer once that many images share', async () => {
    const { plain } = sharedRegistries()
    const mark = await plain.mark()
    await done(['fetch', '--root', root, `${plain.host}/busybox`, '--all-tags'])
    await done(['fetch', '--root', root, `${plain.host}/big`])
    const blobs = (await plain.requestsSince(mark))
      .filter(({ path }) => path.includes('/blobs/'))
      .map(({ path }) => path.slice(path.lastIndexOf('/')))
    expect(blobs).toHaveLength(new Set(blobs).size)
  })

  it('resumes after kill -9 where it was', async () => {
    const { plain } = sharedRegistries()
    const start = await plain.mark()
    const child = startRegistrish(['fetch', '--root', root, `${plain.host}/big`, '--jobs', '1'])
    const partials = join(root, '.registrish/partial')
    await expect.poll(() => sizeOf(partials), { interval: 5, timeout: 30_000 }).toBeGreaterThan(8_000_000)
    child.kill('SIGKILL')
    await once(child, 'close')
    await done(['verify', '--root', root])
    expect(await readdir(join(root, 'v2/big/manifests')).catch(() => [])).toEqual([])
    const there = (await sizeOf(partials)) + (await sizeOf(join(root, '.registrish/verified')))
    await brokenTransfersLogged(plain, start, partials)
    const mark = await plain.mark()
    await done(['fetch', '--root', root, `${plain.host}/big`])
    const sent = (await plain.requestsSince(mark))
      .filter(({ path }) => path.includes('/blobs/'))
      .reduce((sum, { bytes }) => sum + bytes, 0)
    const whole = await sizeOf(join(root, 'v2/big/blobs'))
    expect(there).toBeGreaterThan(8_000_000)
    expect(sent).toBeLessThanOrEqual(whole - there + 64 * 1024)
    await done(['verify', '--root', root, '--complete'])
  })

  it('ends tidily when it is interrupted, and says so', async () => {
    const { plain } = sharedRegistries()
    const child = startRegistrish(['fetch', '--root', root, `${plain.host}/big`, '--jobs', '1'])
    await expect
      .poll(() => sizeOf(join(root, '.registrish/partial')), { interval: 5, timeout: 30_000 })
      .toBeGreaterThan(1_000_000)
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([130, null])
    expect(await readdir(join(root, '.registrish/locks'))).toEqual([])
    await done(['fetch', '--root', root, `${plain.host}/big`])
  })

  it('takes along what refers to an image and its children, found again both ways', async () => {
    const { plain, images } = sharedRegistries()
    await done(['fetch', '--root', root, `${plain.host}/signed`, 'latest', '--referrers', '--digest-tags'])
    for (const { subject, digest } of images.referrers) {
      for (const path of [`referrers/${subject}`, `manifests/${subject.replace(':', '-')}`]) {
        const list = JSON.parse(await readFile(join(root, 'v2/signed', path), 'utf8')) as {
          readonly manifests: readonly { readonly digest: string }[]
        }
        expect(
          list.manifests.map(entry => entry.digest),
          path,
        ).toContain(digest)
      }
    }
    const tags = await readdir(join(root, 'v2/signed/manifests'))
    expect(tags.some(tag => tag.endsWith('.sig'))).toBe(true)
  })

  it('takes the chosen platforms only, and the index as it is', async () => {
    const { plain, images } = sharedRegistries()
    await done(['fetch', '--root', root, `${plain.host}/multi`, '--platform', 'linux/arm64'])
    const { stdout } = await done(['list', '--root', root])
    expect(stdout).toContain('1 of 2: linux/arm64')
    expect(await readdir(join(root, 'v2/multi/manifests'))).toContain(images.repositories['multi']?.['latest']?.digest)
    await done(['verify', '--root', root])
    expect((await registrish(['verify', '--root', root, '--complete'])).exitCode).toBe(2)
  })

  it('fetches by digest, and prune keeps what was asked for', async () => {
    const { plain, images } = sharedRegistries()
    const digest = images.repositories['busybox']?.['latest']?.digest ?? ''
    await done(['fetch', '--root', root, `${plain.host}/busybox@${digest}`])
    await done(['prune', '--root', root])
    expect(await readdir(join(root, 'v2/busybox/manifests'))).toEqual([digest])
  })

  it('writes nothing with --dry-run', async () => {
    const { plain } = sharedRegistries()
    const fetching = ['fetch', '--root', root, `${plain.host}/multi`, '--output', 'json']
    const planned = JSON.parse((await done([...fetching, '--dry-run'])).stdout) as Record<string, unknown>
    expect(await readdir(root)).toEqual([])
    const { blobsFetched, bytesFetched, manifestsFetched } = JSON.parse((await done(fetching)).stdout) as Record<
      string,
      unknown
    >
    expect(planned).toMatchObject({ blobsFetched, bytesFetched, manifestsFetched })
  })
})

describeWith(['registries'], 'fetch with credentials', () => {
  const authfile = async (
    host: string,
    credentials = testUser as { username: string; password: string },
  ): Promise<string> => {
    const file = join(root, 'auth.json')
    await writeFile(file, credentialFile({ [host]: credentials }))
    return file
  }
  const target = (): string => join(root, 'tree')

  it('passes basic authentication', async () => {
    const { basic } = sharedRegistries()
    await done(['fetch', '--root', target(), `${basic.host}/busybox`, '--authfile', await authfile(basic.host)])
    await done(['verify', '--root', target()])
  })

  it('gets tokens, anonymously and with a password', async () => {
    const { token } = sharedRegistries()
    await done(['fetch', '--root', target(), `${token.host}/multi`])
    await done(['fetch', '--root', target(), `${token.host}/private/app`, '--authfile', await authfile(token.host)])
    await done(['verify', '--root', target()])
  })

  it.each(['basic', 'token'] as const)('says what to do when the password is wrong: %s', async kind => {
    const upstream = sharedRegistries()[kind]
    const file = await authfile(upstream.host, { username: testUser.username, password: 'nonsense' })
    const { exitCode, stderr, stdout } = await registrish([
      'fetch',
      '--root',
      target(),
      `${upstream.host}/private/app`,
      '--authfile',
      file,
    ])
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^registrish: .*credentials/)
    expect(stderr).toContain('docker login')
    expect(stderr).not.toContain('nonsense')
    expect(await readdir(join(target(), 'v2')).catch(() => [])).toEqual([])
  })
})

describeWith(['registries', ...upstreamNeeds], 'what goes wrong leaves the tree as it was', () => {
  const before = async (): Promise<Readonly<Record<string, string>>> => {
    const { plain } = sharedRegistries()
    await done(['fetch', '--root', root, `${plain.host}/busybox`])
    return filesIn(join(root, 'v2'))
  }

  it('no such tag', async () => {
    const files = await before()
    const { plain } = sharedRegistries()
    const { exitCode, stderr } = await registrish(['fetch', '--root', root, `${plain.host}/busybox:absent`])
    expect(exitCode).toBe(5)
    expect(stderr).toContain('busybox')
    expect(stderr).toContain('absent')
    expect(await filesIn(join(root, 'v2'))).toEqual(files)
  })

  it('some of several tags', async () => {
    const { plain } = sharedRegistries()
    const { exitCode, stdout, stderr } = await registrish([
      'fetch',
      '--root',
      root,
      `${plain.host}/busybox`,
      'latest',
      'absent',
      'RC1',
    ])
    expect(exitCode).toBe(3)
    expect(stdout.split('\n')).toHaveLength(2)
    expect(stderr).toContain('absent')
    await done(['verify', '--root', root])
  })

  it('an upstream that is down', async () => {
    const files = await before()
    const { exitCode, stderr } = await registrish([
      'fetch',
      '--root',
      root,
      'localhost:1/busybox',
      '--retry-times',
      '0',
      '--force',
    ])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^registrish: localhost:1 refuses connections/)
    expect(await filesIn(join(root, 'v2'))).toEqual(files)
  })

  it.each(['wrong bytes', 'a truncated body'])('%s', async fault => {
    const files = await before()
    const { dataFolder, data } = await copyData()
    const upstream = await startUpstream({ data: dataFolder })
    onTestFinished(upstream.stop)
    const layer = await largestLayer(upstream.url, 'debian')
    const file = join(data, 'docker/registry/v2/blobs/sha256', layer.slice(7, 9), layer.slice(7), 'data')
    if (fault === 'wrong bytes') await writeFile(file, Buffer.alloc((await stat(file)).size, 'x'))
    else await truncate(file, 1000)
    const { exitCode, stderr } = await registrish([
      'fetch',
      '--root',
      root,
      `${upstream.host}/debian`,
      '--retry-times',
      '1',
    ])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(layer)
    expect(await filesIn(join(root, 'v2'))).toEqual(files)
    await done(['verify', '--root', root])
  })
})

describeWith(['registries', 'root'], 'a full disk', () => {
  it('is one sentence with a way out; with more room the next run resumes', async () => {
    const { plain } = sharedRegistries()
    await mkdir(join(root, 'small'))
    const small = join(root, 'small')
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', small])
    onTestFinished(() => run('umount', ['--lazy', small]).then(() => undefined))
    await done(['fetch', '--root', small, `${plain.host}/busybox`])
    const files = await filesIn(join(small, 'v2'))
    const start = await plain.mark()
    const { exitCode, stderr } = await registrish(['fetch', '--root', small, `${plain.host}/big`])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/registrish: cannot write .*: no space left on the device\n {2}free some space/)
    expect(await filesIn(join(small, 'v2'), 'manifests')).toEqual(onlyManifests(files))
    await done(['verify', '--root', small])
    await brokenTransfersLogged(plain, start, join(small, '.registrish/partial'))
    await run('mount', ['-o', 'remount,size=600m', small])
    const mark = await plain.mark()
    await done(['fetch', '--root', small, `${plain.host}/big`])
    const sent = (await plain.requestsSince(mark))
      .filter(({ path }) => path.includes('/blobs/'))
      .reduce((sum, { bytes }) => sum + bytes, 0)
    expect(sent).toBeLessThan(350_000_000)
    await done(['verify', '--root', small, '--complete'])
  })
})

describe('the command line', () => {
  it.each([
    [['fetch'], 64],
    [['fetch', 'a', '--nonsense'], 64],
    [['fetch', 'A/B'], 64],
    [['fetch', 'localhost:1/a', '--platform', 'x'], 64],
    [['fetch', 'localhost:1/a', '--jobs', '0'], 64],
    [['fetch', 'localhost:1/manifests/a'], 64],
    [['fetch', 'localhost:1/a', '--as', '../x'], 64],
    [['nonsense'], 64],
    [[], 64],
  ])('%j is refused in one sentence', async (args, code) => {
    const { exitCode, stderr, stdout } = await registrish(args, { cwd: root })
    expect([exitCode, stdout]).toEqual([code, ''])
    expect(stderr).toMatch(/^registrish: [^\n]+(\n {2}[^\n]+)?$/)
    expect(await readdir(root)).toEqual([])
  })
})

/** Waits until the registry has logged the transfers whose parts are here: it does so when it notices that they broke. */
async function brokenTransfersLogged(
  upstream: Upstream,
  start: Awaited<ReturnType<Upstream['mark']>>,
  partials: string,
): Promise<void> {
  const digests = await readdir(partials)
  expect(digests.length).toBeGreaterThan(0)
  const logged = async (): Promise<boolean> => {
    const paths = (await upstream.requestsSince(start)).map(({ path }) => path)
    return digests.every(digest => paths.some(path => path.endsWith(digest)))
  }
  await expect.poll(logged, { timeout: 20_000 }).toBe(true)
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const sizes = await Promise.all(
    names.map(name =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Paths and contents, for comparison; contents of up to 10 kB. */
async function filesIn(folder: string, part = ''): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files: Record<string, string> = {}
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !path.includes(part)) continue
    const { size } = await stat(path)
    files[path.slice(folder.length)] = size > 10_000 ? `${size} bytes` : (await readFile(path)).toString('latin1')
  }
  return files
}

function onlyManifests(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => path.includes('manifests')))
}

/** A copy of the shared registries' data that a test may damage. */
async function copyData(): Promise<{ readonly dataFolder: string; readonly data: string }> {
  const { dataFolder } = sharedRegistries()
  const copy = await mkdtemp(join(tmpdir(), 'rge-data-'))
  onTestFinished(() => rm(copy, { recursive: true, force: true }))
  await cp(dataFolder, copy, { recursive: true, filter: source => !source.includes('/repositories/big') })
  return { dataFolder: copy, data: copy }
}

async function largestLayer(url: string, repository: string): Promise<string> {
  const { json } = await repositoryWriter(url, repository).getManifest('latest')
  const { layers } = json as { readonly layers: readonly { readonly digest: string; readonly size: number }[] }
  return layers.toSorted((a, b) => b.size - a.size)[0]?.digest ?? ''
}
