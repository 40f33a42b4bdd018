import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nginx } from '../../src/emit/nginx.ts'
import { writeFiles } from '../../src/emit/write-files.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const FIRST = '# registrish emit --host nginx'

test.for([1, 100_000])('text of %i lines is written whole, after our first line', async lines => {
  const root = await makeTemporaryFolder()
  expect(await write(root, numbered(lines))).toEqual(['a/b.conf'])
  const [first, ...rest] = readFileSync(join(root, 'a/b.conf'), 'utf8').split('\n')
  expect(first?.startsWith(FIRST)).toBe(true)
  expect(rest).toEqual([...[...numbered(lines)].map(line => line.trimEnd()), ''])
  expect(readdirSync(join(root, 'a'))).toEqual(['b.conf'])
})

test.for([1, 100_000])('text of %i lines that is there already is left alone', async lines => {
  const root = await makeTemporaryFolder()
  await write(root, numbered(lines))
  const { ino } = statSync(join(root, 'a/b.conf'))
  expect(await write(root, numbered(lines))).toEqual([])
  expect(statSync(join(root, 'a/b.conf')).ino).toBe(ino)
  expect(readdirSync(join(root, 'a'))).toEqual(['b.conf'])
})

test.for([1, 99_999])('of 100,000 lines one that differs, line %i, is enough to write them again', async odd => {
  const root = await makeTemporaryFolder()
  await write(root, numbered(100_000))
  const other = [...numbered(100_000)].map((line, position) => (position === odd ? line.replace('e', 'E') : line))
  expect(await write(root, other)).toEqual(['a/b.conf'])
  expect(readFileSync(join(root, 'a/b.conf'), 'utf8')).toContain(other.join(''))
})

test('a shorter text replaces a longer one', async () => {
  const root = await makeTemporaryFolder()
  await write(root, numbered(100_000))
  expect(await write(root, ['short\n'])).toEqual(['a/b.conf'])
  expect(readFileSync(join(root, 'a/b.conf'), 'utf8').split('\n').slice(1)).toEqual(['short', ''])
})

test('where the text ends with an error nothing is written, and nothing is left', async () => {
  const root = await makeTemporaryFolder()
  await write(root, ['before\n'])
  const before = readFileSync(join(root, 'a/b.conf'))
  await expect(write(root, failing())).rejects.toThrow('no more routes')
  expect(readFileSync(join(root, 'a/b.conf'))).toEqual(before)
  expect(readdirSync(join(root, 'a'))).toEqual(['b.conf'])
})

test('a folder in the way is told with its path', async () => {
  const root = await makeTemporaryFolder()
  writeFileSync(join(root, 'a'), '')
  await expect(write(root, numbered(1))).rejects.toMatchObject({ message: expect.stringContaining('a/b.conf') })
  expect(existsSync(join(root, 'a/b.conf'))).toBe(false)
})

function* numbered(lines: number): Generator<string> {
  for (let line = 0; line < lines; line++) yield `line ${line} of some text\n`
}

async function* failing(): AsyncGenerator<string> {
  yield* numbered(100_000)
  throw new Error('no more routes')
}

function write(root: string, chunks: Iterable<string> | AsyncIterable<string>): Promise<readonly string[]> {
  return writeFiles(root, nginx, { files: [{ path: 'a/b.conf', chunks }], options: {} })
}
