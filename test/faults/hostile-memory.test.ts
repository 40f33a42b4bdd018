import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type CompiledModules, compileModules } from '../tree/support/child-program.ts'
import { HEAVY_PROGRAM, type HeavyResult, type HeavyShape } from './support/heavy-program.ts'

/* Memory does not grow with what a source names: manifests that wait for others wait on disk. */

let modules: CompiledModules
beforeAll(() => {
  modules = compileModules('copy/copy.ts', 'tree/disk-tree.ts')
})
afterAll(() => modules.remove())

async function copyHeavy(root: string, shape: HeavyShape, count: number): Promise<HeavyResult> {
  const child = modules.start(HEAVY_PROGRAM, [root, shape, String(count)])
  return JSON.parse(await child.nextLine()) as HeavyResult
}

test.each<[HeavyShape, number]>([
  ['index', 150],
  ['layers', 40],
])(
  'an index of manifests of 4 MiB (%s, %d of them) takes less memory than they weigh, and leaves nothing',
  async (shape, count) => {
    const root = await makeTemporaryFolder()
    const { codes, memory } = await copyHeavy(root, shape, count)
    expect(codes).toEqual(['not-found'])
    expect(memory).toBeLessThan(500)
    expect(await readdir(root)).toEqual(['.registrish'])
    expect(await readdir(join(root, '.registrish/incoming'))).toEqual([])
  },
  120_000,
)

test('as many tags are begun a few at a time', async () => {
  const root = await makeTemporaryFolder()
  const { codes, memory, most } = await copyHeavy(root, 'tags', 100)
  expect(codes).toEqual(['done'])
  expect(most).toBeLessThanOrEqual(16)
  expect(memory).toBeLessThan(300)
}, 120_000)
