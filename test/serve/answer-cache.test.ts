import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createAnswerCache } from '../../src/serve/answer-cache.ts'
import type { Found } from '../../src/serve/content.ts'
import type { Stamp } from '../../src/serve/open-inside.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

let path: string
let stamp: Stamp

beforeEach(async () => {
  path = join(await makeTemporaryFolder(), 'file')
  writeFileSync(path, 'content')
  stamp = stampOf(path)
})

function stampOf(file: string): Stamp {
  const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file)
  return { dev, ino, size, mtimeMs, ctimeMs }
}

function foundOf(length: number): Found {
  const bytes = Buffer.alloc(length)
  return { kind: 'tag', mediaType: 'a/b', bytes, whole: { status: 200, headers: {}, body: bytes } }
}

/** Makes files that were just written look as if they had been still for a minute. */
function wait(): void {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
  onTestFinished(() => clock.mockRestore())
}

test('an answer is given while its file is as it was', () => {
  wait()
  const cache = createAnswerCache()
  const found = foundOf(10)
  cache.put('/a', found, { path, stamp })
  expect(cache.get('/a')).toBe(found)
  expect(cache.get('/b')).toBeUndefined()
})

test.for(['dev', 'ino', 'size', 'mtimeMs', 'ctimeMs'] as const)('a file with another %s is another', field => {
  wait()
  const cache = createAnswerCache()
  cache.put('/a', foundOf(10), { path, stamp: { ...stamp, [field]: stamp[field] - 1 } })
  expect(cache.get('/a')).toBeUndefined()
})

test('a file that is gone has no answer', () => {
  wait()
  const cache = createAnswerCache()
  cache.put('/a', foundOf(10), { path: `${path}.gone`, stamp })
  expect(cache.get('/a')).toBeUndefined()
})

test('a file that changed a moment ago is not trusted, since a second change might leave no trace', () => {
  const cache = createAnswerCache()
  cache.put('/a', foundOf(10), { path, stamp })
  expect(cache.get('/a')).toBeUndefined()
})

test('a file of which the state changed at a moment that is yet to come is not trusted: the clock went back', () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 60_000)
  onTestFinished(() => clock.mockRestore())
  const cache = createAnswerCache()
  cache.put('/a', foundOf(10), { path, stamp })
  expect(cache.get('/a')).toBeUndefined()
})

test('a file that was given a date of the future is trusted once its state is old, and not before', () => {
  const ahead = new Date(Date.now() + 86_400_000)
  utimesSync(path, ahead, ahead)
  const cache = createAnswerCache()
  const found = foundOf(10)
  cache.put('/a', found, { path, stamp: stampOf(path) })
  expect(cache.get('/a')).toBeUndefined()
  wait()
  cache.put('/a', found, { path, stamp: stampOf(path) })
  expect(cache.get('/a')).toBe(found)
})

test('an answer that depends on no file is kept', () => {
  const cache = createAnswerCache()
  const found = foundOf(2)
  cache.put('/v2/', found)
  expect(cache.get('/v2/')).toBe(found)
})

test('memory is bounded: what was not asked for the longest goes first, and no answer takes it all', () => {
  const cache = createAnswerCache(100_000)
  for (let number = 0; number < 8; number++) cache.put(`/${number}`, foundOf(10_000))
  expect(cache.get('/0')).toBeDefined()
  cache.put('/8', foundOf(10_000))
  expect(cache.get('/0')).toBeDefined()
  expect(cache.get('/1')).toBeUndefined()
  cache.put('/large', foundOf(30_000))
  expect(cache.get('/large')).toBeUndefined()
  expect(cache.get('/8')).toBeDefined()
})
