import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { preparePayload, readPieces } from '../../src/deploy/body.ts'
import type { NewObject } from '../../src/deploy/store.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

const LARGE = 3 * 1024 * 1024 + 5

async function makeFile(bytes: Uint8Array): Promise<string> {
  const file = join(await makeTemporaryFolder(), 'body')
  await writeFile(file, bytes)
  return file
}

function object(file: string, size: number, more: Partial<NewObject> = {}): NewObject {
  return { key: 'v2/a', size, contentType: 'a/b', cacheControl: 'no-cache', body: { file }, ...more }
}

async function gather(pieces: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (pieces instanceof Uint8Array) return Buffer.from(pieces)
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

describe('the pieces of a file', () => {
  test('are its bytes', async () => {
    const bytes = randomBytes(LARGE)
    const file = await makeFile(bytes)
    expect((await gather(readPieces(file, { size: LARGE, digest: digestOf(bytes) }))).equals(bytes)).toBe(true)
  })

  test.each([
    ['digest-mismatch', 'bytes that are not those of its digest', LARGE, 'other'],
    ['size-mismatch', 'too few', LARGE + 1, undefined],
    ['size-mismatch', 'too many', LARGE - 1, undefined],
  ])('end with %s before the last where there are %s', async (code, _, size, text) => {
    const file = await makeFile(randomBytes(LARGE))
    let given = 0
    const read = async (): Promise<void> => {
      const pieces = readPieces(file, { size, digest: text === undefined ? undefined : digestOf(text) })
      for await (const piece of pieces) given += piece.length
    }
    await expect(read()).rejects.toMatchObject({ code, side: 'source', hint: expect.stringMatching(/verify --repair/) })
    expect(given).toBeLessThan(size)
  })

  test('end at once when interrupted', async () => {
    const file = await makeFile(randomBytes(LARGE))
    const pieces = readPieces(file, { size: LARGE, digest: undefined, signal: AbortSignal.abort() })
    await expect(gather(pieces)).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('an object made ready', () => {
  const never = async (): Promise<boolean> => expect.fail('the store was asked')

  test('is signed with the digest it must have, which the store then checks', async () => {
    const bytes = randomBytes(LARGE)
    const file = await makeFile(randomBytes(LARGE))
    const digest = digestOf(bytes)
    const payload = await preparePayload(object(file, LARGE, { digest }), { isChecked: async () => true })
    expect(payload.sha256).toBe(hexOf(digest))
    expect(await gather(payload.open())).toHaveLength(LARGE)
  })

  test('is hashed on its way where the store does not check', async () => {
    const file = await makeFile(randomBytes(LARGE))
    const wrong = object(file, LARGE, { digest: digestOf('other') })
    const payload = await preparePayload(wrong, { isChecked: async () => false })
    await expect(gather(payload.open())).rejects.toMatchObject({ code: 'digest-mismatch', side: 'source' })
  })

  test.each(['sha256', 'sha512'] as const)('is hashed in memory where it is small: %s', async algorithm => {
    const file = await makeFile(Buffer.from('hello'))
    const right = object(file, 5, { digest: digestOf('hello', algorithm) })
    expect((await preparePayload(right, { isChecked: never })).sha256).toBe(hexOf(digestOf('hello')))
    const wrong = object(file, 5, { digest: digestOf('world', algorithm) })
    await expect(preparePayload(wrong, { isChecked: never })).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  test('of sha512, or of no digest, is signed with its sha256, whatever its size', async () => {
    const bytes = randomBytes(LARGE)
    const file = await makeFile(bytes)
    const isChecked = async (): Promise<boolean> => true
    for (const more of [{}, { digest: digestOf(bytes, 'sha512') }]) {
      expect((await preparePayload(object(file, LARGE, more), { isChecked })).sha256).toBe(hexOf(digestOf(bytes)))
    }
    const wrong = object(file, LARGE, { digest: digestOf('other', 'sha512') })
    await expect(preparePayload(wrong, { isChecked })).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  test('that is not there: the file is named', async () => {
    const missing = preparePayload(object('/nonesuch/file', 5), { isChecked: never })
    await expect(missing).rejects.toMatchObject({ side: 'source', message: expect.stringContaining('/nonesuch/file') })
  })
})
