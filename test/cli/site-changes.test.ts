import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { tryNamedLock } from '../../src/tree/lock.ts'
import { putProgram, readRuns } from '../support/fake-program.ts'
import { makeImage } from '../support/made-images.ts'
import { makeSiteTree, type Ran, runLine } from '../support/run-cli.ts'
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
  ;({ root, bin } = await makeSiteTree())
  await putProgram(bin, 'netlify', { stdout: JSON.stringify({ url: 'https://pull.example.com' }) })
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
  expect(code).toBe(1)
  expect(err.join('\n')).toContain('tags of the tree were moved')
  expect(await readRuns(bin, 'netlify')).toEqual([])
  hooks.beforeFiles = async () => {}
  expect((await deploy()).code).toBe(0)
})

async function deploy(): Promise<Ran> {
  return runLine(root, 'deploy --netlify')
}
