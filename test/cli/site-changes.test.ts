import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { tryNamedLock } from '../../src/tree/lock.ts'
import { putProgram, readRuns } from '../support/fake-program.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

/* What others do to a tree while its site is made and published. */

const hooks = vi.hoisted(() => ({
  beforeFiles: async (): Promise<void> => {},
  beforePublishing: async (): Promise<void> => {},
}))
vi.mock(import('../../src/emit/write-site.ts'), async load => {
  const original = await load()
  return {
    ...original,
    writeSite: async (...args) => hooks.beforeFiles().then(async () => original.writeSite(...args)),
  }
})
vi.mock(import('../../src/emit/measure-site.ts'), async load => {
  const original = await load()
  return {
    ...original,
    measureSite: async (...args) => hooks.beforePublishing().then(async () => original.measureSite(...args)),
  }
})

let root: string
let bin: string

beforeEach(async () => {
  const folder = await makeTemporaryFolder()
  root = join(folder, 'root')
  bin = join(folder, 'bin')
  await mkdir(root)
  await writeTree(root, 'app', { latest: await makeImage() })
  await putProgram(bin, 'netlify', { stdout: JSON.stringify({ url: 'https://pull.example.com' }) })
  vi.stubEnv('PATH', bin)
  hooks.beforeFiles = async () => {}
  hooks.beforePublishing = async () => {}
})
afterEach(() => void vi.unstubAllEnvs())

test('nobody writes the site between its making and its publishing', async () => {
  const locks: unknown[] = []
  hooks.beforePublishing = async () => void locks.push(await tryNamedLock(root, 'emit'))
  expect((await deploy()).code).toBe(0)
  expect(locks).toEqual([undefined])
  const lock = await tryNamedLock(root, 'emit')
  expect(lock).toBeDefined()
  await lock?.release()
})

test('nothing is published of a tree whose tags move after they were looked at', async () => {
  hooks.beforeFiles = async () => writeTree(root, 'app', { latest: await makeImage({ seed: 'moved' }) })
  const { code, err } = await deploy()
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('tags of the tree were moved') })
  expect(await readRuns(bin, 'netlify')).toEqual([])
  hooks.beforeFiles = async () => {}
  expect((await deploy()).code).toBe(0)
})

async function deploy(): Promise<{ readonly code: number; readonly err: string }> {
  const written: string[] = []
  const write = (text: string | Uint8Array): boolean => written.push(String(text)) > 0
  const spies = [
    vi.spyOn(process.stdout, 'write').mockReturnValue(true),
    vi.spyOn(process.stderr, 'write').mockImplementation(write),
  ]
  const code = await runCli(['deploy', '--root', root, '--netlify'])
  for (const spy of spies) spy.mockRestore()
  return { code, err: written.join('') }
}
