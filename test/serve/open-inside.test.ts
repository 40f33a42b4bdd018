import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { isAbsent, openInside } from '../../src/serve/open-inside.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const MAKE_PIPE = 'mkfifo'
let root: string

beforeEach(async () => {
  root = await makeTemporaryFolder()
  mkdirSync(join(root, 'v2/app'), { recursive: true })
  writeFileSync(join(root, 'v2/app/file'), 'inside')
  mkdirSync(join(root, 'v2-not'))
  writeFileSync(join(root, 'v2-not/file'), 'outside')
})

function contentOf(path: string): string | undefined {
  const file = openInside(root, path)
  if (file === undefined) return undefined
  try {
    return readFileSync(file.fd, 'utf8')
  } finally {
    file.close()
  }
}

test('a file is opened with its state', () => {
  const file = openInside(root, 'v2/app/file')
  expect(file?.stamp.size).toBe(6)
  file?.close()
  // a second close must not give back a descriptor that is someone else's by now
  file?.close()
  expect(contentOf('v2/app/file')).toBe('inside')
})

test('hard links and symbolic links inside v2 are files', () => {
  linkSync(join(root, 'v2/app/file'), join(root, 'v2/app/hard'))
  symlinkSync('file', join(root, 'v2/app/soft'))
  symlinkSync('app', join(root, 'v2/alias'))
  symlinkSync(join(root, 'v2/app/file'), join(root, 'v2/app/absolute'))
  for (const path of ['app/hard', 'app/soft', 'alias/file', 'app/absolute'])
    expect(contentOf(`v2/${path}`), path).toBe('inside')
})

test('symbolic links that lead out are nothing, also into a folder whose name begins alike', () => {
  symlinkSync('../../v2-not/file', join(root, 'v2/app/out'))
  symlinkSync('../v2-not', join(root, 'v2/out'))
  symlinkSync('../out/file', join(root, 'v2/app/twice'))
  for (const path of ['app/out', 'out/file', 'app/twice']) expect(contentOf(`v2/${path}`), path).toBeUndefined()
})

test('what is absent, a folder, a circle or too long is nothing', () => {
  symlinkSync('circle', join(root, 'v2/app/circle'))
  symlinkSync('nowhere', join(root, 'v2/app/dangling'))
  for (const path of [
    'app/none',
    'none/file',
    'app',
    'app/file/below',
    'app/circle',
    'app/dangling',
    `app/${'x'.repeat(300)}`,
  ])
    expect(contentOf(`v2/${path}`), path).toBeUndefined()
})

test.runIf(process.platform === 'linux')('a pipe is nothing, and nobody waits for its writer', () => {
  execFileSync(MAKE_PIPE, [join(root, 'v2/app/pipe')])
  expect(contentOf('v2/app/pipe')).toBeUndefined()
})

test('absence is told from failure', () => {
  expect(isAbsent({ code: 'ENOENT' })).toBe(true)
  for (const error of [{ code: 'EMFILE' }, { code: 'EACCES' }, new Error('x'), undefined])
    expect(isAbsent(error)).toBe(false)
})
