import { open, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ByteStore, readSmall } from '../../src/layout/byte-store.ts'
import { openTarArchive } from '../../src/layout/tar-archive.ts'
import { packTar, type TarEntry } from '../support/tar.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { failure, temporaryFile } from './layout-support.ts'

const LONG = `${'folder/'.repeat(40)}file.txt`

describe('members', () => {
  test('are found by name, whatever length, order and spelling', async () => {
    const store = await openPacked([
      { name: './a', content: 'one' },
      { name: 'folder', type: 'directory' },
      { name: 'folder/b', content: 'x'.repeat(1025) },
      { name: LONG, content: 'long' },
      { name: 'ünïcode', content: 'name' },
      { name: 'empty', content: '' },
    ])
    expect(await text(store, 'a')).toBe('one')
    expect(await text(store, './folder//b')).toBe('x'.repeat(1025))
    expect(await text(store, LONG)).toBe('long')
    expect(await text(store, 'ünïcode')).toBe('name')
    expect(await text(store, 'empty')).toBe('')
    expect(await text(store, 'absent')).toBeUndefined()
  })

  test('that come later replace earlier ones of their name', async () => {
    const store = await openPacked([
      { name: 'a', content: 'first' },
      { name: './a', content: 'second' },
    ])
    expect(await text(store, 'a')).toBe('second')
  })

  test('are read from the middle', async () => {
    const store = await openPacked([{ name: 'a', content: '0123456789' }])
    const chunks: Uint8Array[] = []
    for await (const chunk of store.read('a', { offset: 7 })) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('789')
  })

  test('with GNU long names, long links, prefixes and binary sizes are found', async () => {
    const name = `${'n'.repeat(150)}/file`
    const archive = Buffer.concat([
      member({ name: '././@LongLink', type: 'L', content: `${name}\0` }),
      member({ name: name.slice(0, 100), content: 'gnu' }),
      member({ name: '././@LongLink', type: 'K', content: `${name}\0` }),
      member({ name: 'link', type: '2', linkname: name.slice(0, 100) }),
      member({ name: 'file', prefix: 'p'.repeat(120), content: 'prefix' }),
      member({ name: 'binary', content: 'binary size', binarySize: true }),
      Buffer.alloc(1024),
    ])
    const store = await openBytes(archive)
    expect(await text(store, name)).toBe('gnu')
    expect(await text(store, 'link')).toBe('gnu')
    expect(await text(store, `${'p'.repeat(120)}/file`)).toBe('prefix')
    expect(await text(store, 'binary')).toBe('binary size')
  })

  test('with pax sizes and link paths are found, and global pax headers passed over', async () => {
    const archive = Buffer.concat([
      member({ name: 'pax_global_header', type: 'g', content: pax({ comment: 'x', path: 'not this' }) }),
      member({ name: 'pax', type: 'x', content: pax({ path: 'real', size: '3' }) }),
      member({ name: 'short', content: 'abc', statedSize: 0 }),
      member({ name: 'pax', type: 'x', content: pax({ linkpath: 'real' }) }),
      member({ name: 'link', type: '1', linkname: 'short' }),
      Buffer.alloc(1024),
    ])
    const store = await openBytes(archive)
    expect(await text(store, 'real')).toBe('abc')
    expect(await text(store, 'link')).toBe('abc')
  })
})

describe('links', () => {
  test('are followed: hard links from the root, symbolic ones from where they stand, over several, before their target', async () => {
    const store = await openPacked([
      { name: 'b/layer.tar', type: 'symlink', linkname: '../a/layer.tar' },
      { name: 'c/layer.tar', type: 'symlink', linkname: '../b/layer.tar' },
      { name: 'a/layer.tar', content: 'layer' },
      { name: 'd/layer.tar', type: 'link', linkname: 'a/layer.tar' },
    ])
    for (const name of ['b', 'c', 'd']) expect(await text(store, `${name}/layer.tar`)).toBe('layer')
    expect(await store.size('b/layer.tar')).toBe(5)
  })

  test('that lead out, are a circle or lead to a folder are refused; those that lead nowhere are absent', async () => {
    const store = await openPacked([
      { name: 'out', type: 'symlink', linkname: '../../etc/passwd' },
      { name: 'absolute', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'hard', type: 'link', linkname: '../etc/passwd' },
      { name: 'circle', type: 'symlink', linkname: 'circle' },
      { name: 'folder', type: 'directory' },
      { name: 'nowhere', type: 'symlink', linkname: 'absent' },
    ])
    for (const name of ['out', 'absolute', 'hard', 'folder', '../x']) {
      expect((await failure(store.size(name))).code, name).toBe('unsupported')
    }
    expect((await failure(store.size('circle'))).code).toBe('bad-answer')
    expect(await store.size('nowhere')).toBeUndefined()
  })
})

describe('compressed archives', () => {
  test('by gzip are read, several members too, and leave no file behind', async () => {
    const archive = await packTar([{ name: 'a', content: 'packed' }])
    const bytes = Buffer.concat([gzipSync(archive.subarray(0, 700)), gzipSync(archive.subarray(700))])
    const temporary = join(await makeTemporaryFolder(), 'made', 'on demand')
    const store = await openTarArchive(await temporaryFile('a.tar.gz', bytes), 'it', { temporary })
    expect(await readdir(temporary)).toEqual([])
    expect(await text(store, 'a')).toBe('packed')
    await store.close()
  })

  test('that are cut short or broken are refused, and leave no file behind', async () => {
    const bytes = gzipSync(await packTar([{ name: 'a', content: 'packed' }]))
    const temporary = await makeTemporaryFolder()
    const broken = Buffer.from(bytes)
    broken.writeUInt32LE(0, bytes.length - 8)
    for (const damaged of [bytes.subarray(0, -9), broken]) {
      const path = await temporaryFile('a.tar.gz', damaged)
      const error = await failure(openTarArchive(path, 'it', { temporary }))
      expect(error).toMatchObject({ code: 'bad-answer', side: 'source' })
      expect(error.message).toContain(path)
      expect(await readdir(temporary)).toEqual([])
    }
  })

  test('stop being decompressed when that is interrupted', async () => {
    const path = await temporaryFile('a.tar.gz', gzipSync(Buffer.alloc(50_000_000)))
    const temporary = await makeTemporaryFolder()
    const signal = AbortSignal.abort()
    expect((await failure(openTarArchive(path, 'it', { temporary, signal }))).code).toBe('aborted')
    expect(await readdir(temporary)).toEqual([])
  })

  test.each([
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd, 0, 0]],
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39, 0, 0]],
  ])('by %s are refused with the command that decompresses them', async (name, magic) => {
    const path = await temporaryFile('a.tar', Buffer.from(magic))
    const error = await failure(openTarArchive(path, 'it'))
    expect(error).toMatchObject({ code: 'unsupported', side: 'source', hint: expect.stringContaining(path) })
    expect(error.message).toContain(name)
  })
})

describe('damaged archives', () => {
  test('cut short inside a member, inside its header, or without an end are refused', async () => {
    const bytes = await packTar([
      { name: 'a', content: 'x'.repeat(2000) },
      { name: 'b', content: 'y' },
    ])
    for (const length of [600, 512 + 2048 + 100, 100, 0]) {
      const error = await failure(openBytes(bytes.subarray(0, length)))
      expect(error, String(length)).toMatchObject({ code: 'bad-answer', side: 'source' })
      expect(error.message).toMatch(/^it: the archive is damaged/)
    }
  })

  test.each([
    ['text', Buffer.from('not a tar archive at all\n'.repeat(50))],
    ['brotli', brotliCompressSync(Buffer.alloc(3_000_000, 'abc'))],
    ['a wrong checksum', flipped(member({ name: 'a', content: 'x' }))],
    ['a size that is no number', member({ name: 'a', content: '', rawSize: 'zzzzzzzzzzz' })],
    ['a negative size', member({ name: 'a', content: '', rawSize: '\xff'.repeat(12) })],
    ['a size beyond reason', member({ name: 'a', content: '', rawSize: `\x80${'\x7f'.repeat(11)}` })],
    ['a pax record without end', member({ name: 'p', type: 'x', content: '9999 path=a\n' })],
    ['a pax record of no length', member({ name: 'p', type: 'x', content: 'path=a\n' })],
    ['a pax record of length 0', member({ name: 'p', type: 'x', content: '0 path=a\n' })],
    ['a negative pax size', member({ name: 'p', type: 'x', content: pax({ size: '-1' }) })],
    ['a name of two megabytes', member({ name: 'p', type: 'L', content: 'x'.repeat(2_000_000) })],
  ])('with %s are refused', async (_, bytes) => {
    const error = await failure(openBytes(Buffer.concat([bytes, Buffer.alloc(1024)])))
    expect(error).toMatchObject({ code: 'bad-answer', side: 'source' })
  })

  test('with a sparse file are refused with a way out', async () => {
    const error = await failure(
      openBytes(Buffer.concat([member({ name: 'a', type: 'S', content: '' }), Buffer.alloc(1024)])),
    )
    expect(error).toMatchObject({ code: 'unsupported', hint: expect.stringContaining('--sparse') })
  })

  test('a file that becomes shorter while it is read fails to be read', async () => {
    const path = await temporaryFile('a.tar', await packTar([{ name: 'a', content: 'x'.repeat(600_000) }]))
    const store = await openTarArchive(path, 'it')
    onTestFinished(async () => store.close())
    const file = await open(path, 'r+')
    await file.truncate(300_000)
    await file.close()
    expect(await failure(text(store, 'a'))).toMatchObject({ code: 'io', side: 'source' })
  })

  test('a folder and an absent file are not found', async () => {
    const folder = await makeTemporaryFolder()
    expect((await failure(openTarArchive(folder, 'it'))).code).toBe('not-found')
    expect((await failure(openTarArchive(join(folder, 'absent'), 'it'))).code).toBe('not-found')
  })
})

test('an archive of many gigabytes is opened by reading its headers only', async () => {
  const size = 20_000_000_000
  const folder = await makeTemporaryFolder()
  const path = join(folder, 'big.tar')
  await writeFile(path, member({ name: 'big', content: '', statedSize: size, binarySize: true }))
  const end = 512 + Math.ceil(size / 512) * 512
  const file = await open(path, 'r+')
  const last = member({ name: 'last', content: 'found' })
  await file.write(last, 0, last.length, end)
  await file.truncate(end + last.length + 1024)
  await file.close()
  const store = await openTarArchive(path, 'it')
  onTestFinished(async () => store.close())
  expect(await store.size('big')).toBe(size)
  expect(await text(store, 'last')).toBe('found')
  expect((await stat(path)).size).toBeGreaterThan(size)
})

async function openPacked(entries: readonly TarEntry[]): Promise<ByteStore> {
  return openBytes(await packTar(entries))
}

async function openBytes(bytes: Uint8Array): Promise<ByteStore> {
  const store = await openTarArchive(await temporaryFile('archive.tar', bytes), 'it')
  onTestFinished(async () => store.close())
  return store
}

async function text(store: ByteStore, path: string): Promise<string | undefined> {
  const bytes = await readSmall(store, path, { most: 1_000_000 })
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

interface Member {
  readonly name: string
  readonly content?: string
  readonly type?: string
  readonly linkname?: string
  readonly prefix?: string
  /** Writes the size in GNU's base 256. */
  readonly binarySize?: boolean
  /** What the size field says instead of the content's length. */
  readonly statedSize?: number
  readonly rawSize?: string
}

/** One member as tar writes it, byte by byte, for what the packer does not write. */
function member({ name, content = '', type = '0', linkname = '', prefix = '', ...options }: Member): Buffer {
  const header = Buffer.alloc(512)
  const data = Buffer.from(content)
  const size = options.statedSize ?? data.length
  header.write(name, 0, 100)
  header.write('0000644\0', 100)
  if (options.binarySize === true) header.writeUIntBE(size, 130, 6)
  else header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  if (options.binarySize === true) header[124] = 0x80
  if (options.rawSize !== undefined) header.write(options.rawSize, 124, 12, 'latin1')
  header.write(type, 156)
  header.write(linkname, 157, 100)
  header.write('ustar\x0000', 257)
  header.write(prefix, 345, 155)
  header.write('        ', 148)
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}

function pax(records: Readonly<Record<string, string>>): string {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    const length = rest.length + String(rest.length + 2).length
    return `${length}${rest}`
  })
  return lines.join('')
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[5] = 0x41
  return copy
}
