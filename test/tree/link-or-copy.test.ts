import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { linkOrCopy } from '../../src/tree/files.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** Replaces a file by one like it, again and again. */
const REPLACE = `
const { renameSync, writeFileSync } = require('node:fs')
const [named, next] = process.argv.slice(1)
for (let count = 0; ; count += 1) {
  writeFileSync(next, 'the same bytes')
  renameSync(next, named)
  if (count === 0) process.stdout.write('begun')
}`

test('a file that another process writes anew at the same time gets its second name', async () => {
  const root = await makeTemporaryFolder()
  const folder = join(root, 'v2/app/manifests')
  await mkdir(folder, { recursive: true })
  const named = join(folder, 'one')
  await writeFile(named, 'the same bytes')
  const other = spawn(process.execPath, ['-e', REPLACE, named, join(root, 'next')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(other.stdout, 'data')
    for (let number = 0; number < 3000; number += 1)
      expect(await linkOrCopy(root, named, join(folder, `t${number}`))).toBe(true)
  } finally {
    other.kill('SIGKILL')
    await once(other, 'close')
  }
})
