import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { hasChanges } from '../../src/tree/change-notes.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

test('a deploy that fails after its tags has brought the hosts in use there up to date', async () => {
  const root = await makeTemporaryFolder()
  const folder = join(root, 'public')
  await writeTree(root, 'app', { latest: await makeImage() })
  expect(await run('deploy', '--root', root, '--dir', folder)).toBe(0)
  expect(await run('emit', '--root', folder, '--host', 'nginx')).toBe(0)
  await writeTree(root, 'app', { '2.0': await makeImage({ seed: '2' }) })
  await writeTree(root, 'new', { '1': await makeImage({ seed: 'new' }) })
  await rm(join(folder, 'v2/_catalog'))
  await mkdir(join(folder, 'v2/_catalog'))

  expect(await run('deploy', '--root', root, '--dir', folder)).toBe(1)
  expect(existsSync(join(folder, 'v2/app/manifests/2.0'))).toBe(true)
  expect(await readdir(join(folder, 'nginx/links/app:'))).toContain('2.0')
  expect(await readdir(join(folder, 'nginx/links/new:'))).toContain('1')
  expect(await hasChanges(folder)).toBe(false)
})

async function run(...words: readonly string[]): Promise<number> {
  const spies = (['stdout', 'stderr'] as const).map(name => vi.spyOn(process[name], 'write').mockReturnValue(true))
  try {
    return await runCli(words)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
