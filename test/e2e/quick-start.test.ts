import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { run } from './support/run.ts'

/** This checkout. */
const HERE = fileURLToPath(new URL('../..', import.meta.url))

describe('npm run quick-start, in a clone of its own', () => {
  let clone: string
  beforeAll(async () => {
    clone = await makeClone()
  })
  afterAll(() => rm(clone, { recursive: true, force: true }))

  test.each(['the first time', 'and again'])(
    'does the main job and leaves nothing behind but ignored files: %s',
    async () => {
      const { stdout, stderr, exitCode } = await run('npm', ['run', 'quick-start'], { cwd: clone, reject: false })
      expect(exitCode, `${stdout}\n${stderr}`).toBe(0)
      const typed = stdout.split('\n').flatMap(line => /^\$ node dist\/cli\/main\.js (\S+)/.exec(line)?.[1] ?? [])
      expect(typed).toEqual(['fetch', 'list', 'emit', 'serve', 'verify'])
      expect(stdout).toContain('3 manifests and 4 blobs')
      expect(
        stdout
          .trimEnd()
          .split('\n')
          .slice(-2)
          .map(line => line.trim()),
      ).toEqual(['node dist/cli/main.js serve', 'docker run localhost:5000/hello'])
      expect(await gitStatus(clone)).toBe('')
      expect(await processesIn(clone)).toEqual([])
    },
  )

  test('leaves an image that the command line serves again', async () => {
    const server = spawn(process.execPath, ['dist/cli/main.js', 'serve', '--listen', '127.0.0.1:0'], { cwd: clone })
    onTestFinished(() => void server.kill('SIGKILL'))
    const [, address = ''] = await seen(server, /(http:\/\/127\.0\.0\.1:\d+)(?=[/\s])/)
    expect(await statusOf(`${address}/v2/hello/manifests/latest`)).toBe(200)
    server.kill('SIGTERM')
    expect(await once(server, 'close')).toEqual([0, null])
  })

  test('refuses to touch a user’s own image of that name', async () => {
    const tag = join(clone, 'v2/hello/manifests/latest')
    await rm(tag)
    await writeFile(tag, '{"layers":[]}')
    const { stderr, exitCode } = await run('npm', ['run', 'quick-start'], { cwd: clone, reject: false })
    expect(exitCode).toBe(1)
    expect(stderr).toContain('v2/hello holds an image that is not the sample')
    await rm(join(clone, 'v2/hello'), { recursive: true })
  })

  test('stops at once when it is interrupted, with all that it has started', async () => {
    const child = spawn(process.execPath, ['.build/scripts/quick-start.js'], { cwd: clone })
    onTestFinished(() => void child.kill('SIGKILL'))
    await seen(child, /\$ node dist\/cli\/main\.js fetch/)
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([130, null])
    await expect.poll(() => processesIn(clone), { timeout: 10_000 }).toEqual([])
  })
})

/** Copies what git would clone into a repository of its own; the installed packages are linked. */
async function makeClone(): Promise<string> {
  const clone = await mkdtemp(join(tmpdir(), 'registrish-clone-'))
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: HERE })
  for (const path of stdout.split('\0').filter(name => name !== '')) {
    await mkdir(dirname(join(clone, path)), { recursive: true })
    await cp(join(HERE, path), join(clone, path))
  }
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false']
  await run('git', ['init', '--quiet'], { cwd: clone })
  await run('git', ['add', '--all'], { cwd: clone })
  await run('git', [...identity, 'commit', '--quiet', '--no-verify', '--message', 'clone'], { cwd: clone })
  await symlink(join(HERE, 'node_modules'), join(clone, 'node_modules'))
  await writeFile(join(clone, '.git/info/exclude'), 'node_modules\n')
  return clone
}

async function gitStatus(folder: string): Promise<string> {
  return (await run('git', ['status', '--porcelain'], { cwd: folder })).stdout
}

/** Waits until the output of a program matches. */
async function seen(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = ''
    const listen = (chunk: Buffer): void => {
      text += chunk.toString()
      const match = pattern.exec(text)
      if (match !== null) resolve(match)
    }
    child.stdout?.on('data', listen)
    child.stderr?.on('data', listen)
    child.once('close', () => reject(new Error(`it ended without ${pattern}: ${text}`)))
  })
}

/** Ids of the processes whose working folder is `folder`; none where the system does not tell. */
async function processesIn(folder: string): Promise<readonly string[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const folders = ids.map(async id => ((await readlink(`/proc/${id}/cwd`).catch(() => '')) === folder ? [id] : []))
  return (await Promise.all(folders)).flat()
}

async function statusOf(url: string): Promise<number | undefined> {
  const call = request(url, { agent: false }).end()
  const [response] = await once(call, 'response')
  response.resume()
  return response.statusCode
}
