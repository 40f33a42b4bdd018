import { mkdir, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { makeBlob } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { abandon, expectCode, filesOf, made, type OpenTree, putBlob, readBlob } from './tree-support.ts'

/** The part of the tree contract that is about blobs once they are there. */
export function blobTests(open: OpenTree): void {
  test.each([0, 1, 3_000_000])('a blob of %d bytes is there once it is committed, not before', async size => {
    const tree = open(await makeTemporaryFolder())
    const [descriptor, bytes] = made(size)
    const writer = await tree.writeBlob('app', descriptor)
    expect(writer.offset).toBe(0)
    await writer.write(bytes)
    expect(await tree.blobSize('app', descriptor.digest)).toBeUndefined()
    await writer.commit()
    await writer.close()
    expect(await tree.blobSize('app', descriptor.digest)).toBe(size)
    expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
  })

  test.each([7, 100_000, 262_143, 262_144, 700_000])(
    'chunks of %d bytes may be overwritten as soon as they are written',
    async size => {
      const tree = open(await makeTemporaryFolder())
      const [descriptor, bytes] = made(size === 7 ? 10_000 : 2_000_000)
      const writer = await tree.writeBlob('app', descriptor)
      const buffer = new Uint8Array(size)
      for (let start = 0; start < bytes.length; start += size) {
        const chunk = buffer.subarray(0, Math.min(size, bytes.length - start))
        chunk.set(bytes.subarray(start, start + size))
        await writer.write(chunk)
        buffer.fill(0)
      }
      await writer.commit()
      expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
    },
  )

  test('a blob can be named by sha512', async () => {
    const tree = open(await makeTemporaryFolder())
    const bytes = makeBlob(1000)
    const descriptor = { mediaType: OCTET_STREAM, digest: digestOf(bytes, 'sha512'), size: bytes.length }
    await putBlob(tree, 'app', descriptor, bytes)
    expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
  })

  test('a blob of one repository can be linked into another, and is stored once', async () => {
    const root = await makeTemporaryFolder()
    const tree = open(root)
    const [descriptor, bytes] = made(1000)
    await putBlob(tree, 'one', descriptor, bytes)
    expect(await tree.blobSize('two/deep', descriptor.digest)).toBeUndefined()
    expect(await tree.linkBlob('two/deep', descriptor)).toBe(true)
    expect(await tree.linkBlob('two/deep', descriptor)).toBe(true)
    expect((await readBlob(tree, 'two/deep', descriptor)).equals(bytes)).toBe(true)
    const paths = (await filesOf(join(root, 'v2'))).filter(path => path.endsWith(descriptor.digest))
    const numbers = await Promise.all(paths.map(async path => (await stat(join(root, 'v2', path))).ino))
    expect([numbers.length, new Set(numbers).size]).toEqual([2, 1])
  })

  test('a blob that another repository holds as a symbolic link is linked as the file that it leads to', async () => {
    const root = await makeTemporaryFolder()
    const tree = open(root)
    const [descriptor, bytes] = made(10)
    await putBlob(tree, 'lib', descriptor, bytes)
    const linked = join(root, 'v2/a/b/c/blobs')
    await mkdir(linked, { recursive: true })
    await symlink(`../../../../lib/blobs/${descriptor.digest}`, join(linked, descriptor.digest))
    expect(await tree.linkBlob('app', descriptor)).toBe(true)
    expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
  })

  test('a blob that is nowhere, or has another size, is not linked', async () => {
    const tree = open(await makeTemporaryFolder())
    const [descriptor, bytes] = made(1000)
    expect(await tree.linkBlob('two', descriptor)).toBe(false)
    await putBlob(tree, 'one', descriptor, bytes)
    expect(await tree.linkBlob('two', { ...descriptor, size: 999 })).toBe(false)
    expect(await tree.blobSize('two', descriptor.digest)).toBeUndefined()
  })
}

/** The part of the tree contract that is about blobs that are being written: whole or not at all, resumed, one writer at a time. */
export function writerTests(open: OpenTree): void {
  test('an interrupted blob is resumed where it ended, by the next process too', async () => {
    const root = await makeTemporaryFolder()
    const [descriptor, bytes] = made(3_000_000)
    for (const [from, to] of [
      [0, 1],
      [1, 1_700_000],
      [1_700_000, 2_000_000],
    ] as const) {
      const writer = await open(root).writeBlob('app', descriptor)
      expect(writer.offset).toBe(from)
      await writer.write(bytes.subarray(from, to))
      await writer.close()
    }
    const last = await open(root).writeBlob('other', descriptor)
    expect(last.offset).toBe(2_000_000)
    await last.write(bytes.subarray(2_000_000))
    await last.commit()
    expect((await readBlob(open(root), 'other', descriptor)).equals(bytes)).toBe(true)
  })

  test('a resumed blob can begin anew', async () => {
    const tree = open(await makeTemporaryFolder())
    const [descriptor, bytes] = made(1000)
    await abandon(tree, descriptor, makeBlob(500, 'not its bytes'))
    const writer = await tree.writeBlob('app', descriptor)
    expect(writer.offset).toBe(500)
    await writer.restart()
    expect(writer.offset).toBe(0)
    await writer.write(bytes)
    await writer.commit()
    expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
  })

  const wrong: Readonly<Record<string, readonly [Uint8Array, ErrorCode]>> = {
    'other bytes': [makeBlob(1000, 'other'), 'digest-mismatch'],
    'too few bytes': [makeBlob(1000).subarray(0, 999), 'size-mismatch'],
    'too many bytes': [makeBlob(1001), 'size-mismatch'],
    'no bytes': [new Uint8Array(), 'size-mismatch'],
  }
  test.each(Object.entries(wrong))(
    '%s are refused, blamed on the source, and leave nothing',
    async (_, [bytes, code]) => {
      const root = await makeTemporaryFolder()
      const [descriptor] = made(1000)
      const writer = await open(root).writeBlob('app', descriptor)
      const committing = writer.write(bytes).then(() => writer.commit())
      expect(await expectCode(committing, code)).toHaveProperty('side', 'source')
      await writer.close()
      expect(await filesOf(join(root, 'v2'))).toEqual([])
      const next = await open(root).writeBlob('app', descriptor)
      expect(next.offset).toBe(0)
      await next.close()
    },
  )

  test('a part that is damaged on disk is found out, and the next try begins anew', async () => {
    const tree = open(await makeTemporaryFolder())
    const [descriptor, bytes] = made(1000)
    await abandon(tree, descriptor, makeBlob(500, 'damage'))
    const writer = await tree.writeBlob('app', descriptor)
    await writer.write(bytes.subarray(writer.offset))
    await expectCode(writer.commit(), 'digest-mismatch')
    await writer.close()
    await putBlob(tree, 'app', descriptor, bytes)
    expect((await readBlob(tree, 'app', descriptor)).equals(bytes)).toBe(true)
  })

  test('a second writer of a blob waits for the first and goes on where it ended', async () => {
    const root = await makeTemporaryFolder()
    const [descriptor, bytes] = made(1000)
    const order: string[] = []
    const first = await open(root).writeBlob('app', descriptor)
    const waiting = open(root)
      .writeBlob('app', descriptor)
      .then(writer => {
        order.push('second begins')
        return writer
      })
    await first.write(bytes.subarray(0, 400))
    order.push('first ends')
    await first.close()
    const second = await waiting
    expect(order).toEqual(['first ends', 'second begins'])
    expect(second.offset).toBe(400)
    await second.close()
  })

  test('a writer that waits can give up', async () => {
    const root = await makeTemporaryFolder()
    const [descriptor] = made(1000)
    const first = await open(root).writeBlob('app', descriptor)
    const controller = new AbortController()
    const waiting = open(root).writeBlob('app', descriptor, { signal: controller.signal })
    controller.abort()
    await expectCode(waiting, 'aborted')
    await first.close()
  })

  test('different blobs do not wait for each other', async () => {
    const tree = open(await makeTemporaryFolder())
    const first = await tree.writeBlob('app', made(10)[0])
    await putBlob(tree, 'app', ...made(20))
    await first.close()
    expect(await tree.blobSize('app', made(20)[0].digest)).toBe(20)
  })

  test('closing twice, and closing after the commit, is harmless', async () => {
    const tree = open(await makeTemporaryFolder())
    const [descriptor, bytes] = made(10)
    const first = await tree.writeBlob('app', descriptor)
    await first.close()
    await first.close()
    const second = await tree.writeBlob('app', descriptor)
    await second.write(bytes)
    await second.commit()
    await second.close()
    await second.close()
    expect(await tree.blobSize('app', descriptor.digest)).toBe(10)
  })
}
