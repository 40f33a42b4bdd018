import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRegular } from '../../src/tree/read-regular.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const MAKE_PIPE = 'mkfifo'

test('a file is read whole, up to the largest size', async () => {
  const path = join(await makeTemporaryFolder(), 'file')
  for (const text of ['', 'x', 'y'.repeat(100_000)]) {
    writeFileSync(path, text)
    const found = readRegular(path, 100_000)
    expect(found?.bytes.toString()).toBe(text)
    expect(Number(found?.stats.size)).toBe(text.length)
  }
  expect(readRegular(path, 99_999)).toBeUndefined()
  expect(() => readRegular(`${path}.none`, 1)).toThrow('ENOENT')
})

test.runIf(process.platform === 'linux')(
  'pipes, folders and devices are not read, and nobody waits for them',
  async () => {
    const folder = await makeTemporaryFolder()
    execFileSync(MAKE_PIPE, [join(folder, 'pipe')])
    symlinkSync('/dev/zero', join(folder, 'zero'))
    symlinkSync('/dev/full', join(folder, 'full'))
    for (const path of [folder, join(folder, 'pipe'), join(folder, 'zero'), join(folder, 'full')])
      expect(readRegular(path, 1000), path).toBeUndefined()
  },
)
