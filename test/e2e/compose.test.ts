import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newName } from './support/engine.ts'
import { cacheFolder } from './support/images.ts'
import { importNginx, nginxImageNeeds } from './support/nginx-image.ts'
import { createPodman, type Podman, podmanNeeds } from './support/podman.ts'
import { pollUntil } from './support/poll.ts'
import { e2eMode } from './support/provided.ts'
import { MAIN } from './support/registrish.ts'
import { type RunResult, run } from './support/run.ts'
import { describeWith, sharedEngine, sharedRegistries } from './support/suites.ts'
import { toolPath } from './support/tools.ts'
import { type StartedUpstream, startUpstream, upstreamNeeds } from './support/upstream.ts'

/* The README's way with docker-compose: a clone, `registrish fetch`, `docker-compose up`, `docker run localhost:5555/…`. */

const HERE = fileURLToPath(new URL('../..', import.meta.url))
/** What docker-compose.yml publishes. */
const PORT = 5555
const HOST = `localhost:${PORT}`
const HELLO = ['echo', 'hello', 'there']
const HELLO_OUTPUT = 'hello there'
const NEEDS = [
  'docker-compose',
  'engine',
  'registries',
  'crane',
  ...podmanNeeds,
  ...upstreamNeeds,
  ...nginxImageNeeds,
] as const

const taken = await isTaken(PORT)

describeWith(NEEDS, 'docker-compose with the docker-compose.yml of this repository', () => {
  if (taken && e2eMode() !== 'required') {
    process.stderr.write(`skipped: docker-compose: port ${PORT} is taken on this machine\n`)
    it.skip(`skipped: port ${PORT} is taken on this machine`, () => undefined)
    return
  }
  let clone: string
  let upstream: StartedUpstream
  let podman: Podman
  let committed: Readonly<Record<string, string>>
  const project = newName('compose')

  const compose = (...args: readonly string[]): Promise<RunResult> => {
    const { env } = sharedEngine()
    return run(toolPath('docker-compose'), ['--project-name', project, ...args], { cwd: clone, env })
  }
  /** Runs the command line in the clone, as a user whose files are nobody else's business. */
  const registrish = (...args: readonly string[]): Promise<RunResult> => {
    return run(toolPath('bash'), ['-c', 'umask 077; exec "$@"', 'bash', process.execPath, MAIN, ...args], {
      cwd: clone,
    })
  }

  const undo: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    if (taken) throw new Error(`port ${PORT}, which docker-compose.yml publishes, is taken on this machine`)
    const { plain } = sharedRegistries()
    clone = await makeClone()
    undo.push(() => rm(clone, { recursive: true }))
    committed = await readAll(clone)
    podman = await createPodman()
    undo.push(podman.stop)
    upstream = await startUpstream()
    undo.push(upstream.stop)
    await crane('copy', `${plain.host}/busybox:latest`, `${upstream.host}/o/moving:latest`)
    await importNginx(sharedEngine(), cacheFolder())
    undo.push(() => sharedEngine().docker(['rmi', '--force', 'nginx']))
    for (const image of ['multi', 'busybox', 'signed']) await registrish('fetch', `${plain.host}/${image}`)
    await registrish('fetch', `${upstream.host}/o/moving`)
    await registrish('emit', '--host', 'nginx')
    undo.push(() => compose('down', '--timeout', '1'))
    await compose('up', '--detach')
    await pollUntil(() => answers(`http://${HOST}/v2/`), { timeout: 20_000 })
  })
  afterAll(async () => {
    for (const step of undo.toReversed()) await step()
  })

  it.each(['multi', 'busybox', 'signed', 'o/moving'])('docker pulls and runs %s', async repository => {
    await runsInDocker(`${HOST}/${repository}`)
  })

  it.each(['multi', 'signed'])('podman pulls and runs %s', async repository => {
    await podman.podman(['pull', '--quiet', '--tls-verify=false', `${HOST}/${repository}`])
    const { stdout } = await podman.podman(['run', '--rm', `${HOST}/${repository}`, ...HELLO])
    expect(stdout).toBe(HELLO_OUTPUT)
  })

  it.each(['multi', 'busybox', 'signed'])('crane finds the digest of %s and validates every byte', async repository => {
    expect((await crane('digest', `${HOST}/${repository}`)).stdout).toBe(digestOf(repository, 'latest'))
    expect((await crane('validate', '--remote', `${HOST}/${repository}`)).stdout).toContain('PASS')
  })

  it('serves by no server of the image’s own', async () => {
    const response = await fetch(`http://${HOST}/`)
    expect(response.status).toBe(404)
    expect(await response.text()).not.toContain('html')
    const { stdout } = await compose('exec', '-T', await service(), 'nginx', '-T')
    expect(stdout).toContain('# configuration file /etc/nginx/conf.d/registry.conf')
    expect(stdout).not.toMatch(/listen\s+80\b/)
  })

  it('serves what is fetched and a tag that moved at once, without a reload or a restart', async () => {
    const { plain } = sharedRegistries()
    const before = await processes()
    expect((await crane('digest', `${HOST}/o/moving`)).stdout).toBe(digestOf('busybox', 'latest'))
    const absent = await run(toolPath('crane'), ['digest', '--insecure', `${HOST}/team/tools/busybox`], {
      reject: false,
    })
    expect(absent.stderr).toContain('NAME_UNKNOWN')

    const added = await registrish('fetch', `${plain.host}/team/tools/busybox`)
    await crane('copy', `${plain.host}/busybox:1.10`, `${upstream.host}/o/moving:latest`)
    const moved = await registrish('fetch', `${upstream.host}/o/moving`)

    await runsInDocker(`${HOST}/team/tools/busybox`)
    expect((await crane('digest', `${HOST}/o/moving`)).stdout).toBe(digestOf('busybox', '1.10'))
    expect((await crane('validate', '--remote', `${HOST}/o/moving`)).stdout).toContain('PASS')
    expect((await crane('ls', `${HOST}/team/tools/busybox`)).stdout).toBe('latest')
    for (const { stderr } of [added, moved]) expect(stderr).not.toMatch(/reload/)
    expect(await processes()).toEqual(before)
  })

  it('serves files that its own user may read, whatever the umask of who fetched', async () => {
    const entries = await readdir(clone, { recursive: true, withFileTypes: true })
    const served = entries.filter(({ parentPath }) => /\/(?:v2|nginx)(?:\/|$)/.test(parentPath))
    const modes = served
      .filter(entry => !entry.isSymbolicLink())
      .map(async entry => {
        const { mode } = await stat(join(entry.parentPath, entry.name))
        return `${entry.isDirectory() ? 'folder' : 'file'} ${(mode & 0o777).toString(8)}`
      })
    expect([...new Set(await Promise.all(modes))].sort()).toEqual(['file 644', 'folder 755'])
    const { stdout } = await compose('top')
    expect(stdout).toContain('worker process')
    expect(await workerUsers()).toEqual(['101'])
  })

  it('changes no file that a clone brings', async () => {
    const now = await readAll(clone)
    for (const [path, content] of Object.entries(committed)) expect(now[path], path).toBe(content)
  })

  it('goes down and leaves nothing', async () => {
    await compose('down', '--timeout', '1')
    expect(await answers(`http://${HOST}/v2/`)).toBe(false)
    const { docker } = sharedEngine()
    const filter = ['--filter', `label=com.docker.compose.project=${project}`, '--quiet']
    expect((await docker(['ps', '--all', ...filter])).stdout).toBe('')
    expect((await docker(['network', 'ls', ...filter])).stdout).toBe('')
  })

  async function service(): Promise<string> {
    return (await compose('config', '--services')).stdout
  }

  /** nginx's processes, by the numbers that the machine gave them. */
  async function processes(): Promise<readonly string[]> {
    return (await top('pid,args')).map(line => line.replace(/\s+/g, ' '))
  }

  async function workerUsers(): Promise<readonly string[]> {
    const workers = (await top('uid,pid,args')).filter(line => line.includes('worker process'))
    return [...new Set(workers.map(line => line.trim().split(/\s+/)[0] ?? ''))]
  }

  async function top(columns: string): Promise<readonly string[]> {
    const { stdout: id } = await compose('ps', '--quiet')
    const { stdout } = await sharedEngine().docker(['top', id, '-o', columns])
    return stdout.split('\n').slice(1).sort()
  }
})

/** What git has of the files that compose needs, in a folder that others may read. */
async function makeClone(): Promise<string> {
  const clone = await mkdtemp(join(tmpdir(), 'rgc-'))
  await chmod(clone, 0o755)
  const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '--', 'docker-compose.yml', 'nginx', 'v2']
  const { stdout } = await run('git', listed, { cwd: HERE })
  for (const path of stdout.split('\n')) {
    await mkdir(dirname(join(clone, path)), { recursive: true })
    await copyFile(join(HERE, path), join(clone, path))
  }
  return clone
}

async function readAll(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const small = files.filter(path => !path.includes('/blobs/') && !path.includes('/.registrish/'))
  const contents = small.map(async path => [path.slice(folder.length), await readFile(path, 'utf8')] as const)
  return Object.fromEntries(await Promise.all(contents))
}

async function runsInDocker(image: string): Promise<void> {
  const { docker } = sharedEngine()
  await docker(['pull', '--quiet', image])
  try {
    const { stdout } = await docker(['run', '--rm', '--network', 'none', image, ...HELLO])
    expect(stdout).toBe(HELLO_OUTPUT)
  } finally {
    await docker(['rmi', '--force', image])
  }
}

function digestOf(repository: string, tag: string): string {
  const stored = sharedRegistries().images.repositories[repository]?.[tag]
  if (stored === undefined) throw new Error(`the registries hold no ${repository}:${tag}`)
  return stored.digest
}

function crane(...args: readonly string[]): Promise<RunResult> {
  return run(toolPath('crane'), [...args, '--insecure'])
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ status }) => status === 200,
    () => false,
  )
}

function isTaken(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(true))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(false)))
  })
}
