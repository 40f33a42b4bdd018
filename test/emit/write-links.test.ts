import type * as Fs from 'node:fs'
import {
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { EmittedLink, LinkFarm } from '../../src/emit/emitter.ts'
import { writeLinks } from '../../src/emit/write-links.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

vi.mock('node:fs', async importOriginal => {
  const actual = await importOriginal<typeof Fs>()
  return { ...actual, linkSync: vi.fn(actual.linkSync) }
})

const BYTES = '{"a":"manifest"}'
const DIGEST = digestOf(BYTES)
const FILE = `v2/app/manifests/${DIGEST}`
const LINK = `links/app/a:b/${DIGEST}`

const farm: LinkFarm = { folder: 'links', folderOf: repository => `links/${repository}`, links: () => [] }

test.for(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])(
  'where the file system gives no hard link (%s) a copy takes its place, readable by all, and is known again',
  async code => {
    const root = await makeRoot()
    const umask = process.umask(0o077)
    const actual = vi.mocked(linkSync).getMockImplementation() ?? linkSync
    vi.mocked(linkSync).mockImplementation(() => {
      throw Object.assign(new Error(code), { code })
    })
    try {
      expect(await writeLinks({ root, farm }, 'app', [hardLink()])).toBe(1)
      expect(await writeLinks({ root, farm }, 'app', [hardLink()])).toBe(0)
    } finally {
      process.umask(umask)
      vi.mocked(linkSync).mockImplementation(actual)
    }
    expect(readFileSync(join(root, LINK), 'utf8')).toBe(BYTES)
    expect(statSync(join(root, LINK)).ino).not.toBe(statSync(join(root, FILE)).ino)
    expect(statSync(join(root, LINK)).mode & 0o777).toBe(0o644)
    expect(statSync(join(root, 'links/app/a:b')).mode & 0o777).toBe(0o755)
  },
)

test('a failure that is no lack of hard links is told with its path', async () => {
  const root = await makeRoot()
  vi.mocked(linkSync).mockImplementationOnce(() => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  })
  await expect(writeLinks({ root, farm }, 'app', [hardLink()])).rejects.toMatchObject({
    code: 'no-space',
    message: expect.stringContaining(LINK),
  })
})

test('the file of a tag that has moved on is not linked under the old digest', async () => {
  const root = await makeRoot()
  await writeFile(join(root, 'v2/app/manifests/latest'), '{"another":"manifest"}')
  expect(await writeLinks({ root, farm }, 'app', [hardLink('v2/app/manifests/latest')])).toBe(0)
  expect(existsSync(join(root, LINK))).toBe(false)
})

test('the file of a tag is linked under its digest where no file bears that', async () => {
  const root = await makeRoot()
  await writeFile(join(root, 'v2/app/manifests/latest'), BYTES)
  expect(await writeLinks({ root, farm }, 'app', [hardLink('v2/app/manifests/latest')])).toBe(1)
  expect(statSync(join(root, LINK)).ino).toBe(statSync(join(root, 'v2/app/manifests/latest')).ino)
})

test('a file that went since it was listed is left out', async () => {
  const root = await makeRoot()
  await rm(join(root, FILE))
  expect(await writeLinks({ root, farm }, 'app', [hardLink()])).toBe(0)
})

test('another file of that name is replaced, and one with other bytes of the same length too', async () => {
  const root = await makeRoot()
  for (const text of ['short', BYTES.toUpperCase()]) {
    await mkdir(join(root, 'links/app/a:b'), { recursive: true })
    await rm(join(root, LINK), { force: true })
    writeFileSync(join(root, LINK), text)
    utimesSync(join(root, LINK), 1, 1)
    expect(await writeLinks({ root, farm }, 'app', [hardLink()])).toBe(1)
    expect(readFileSync(join(root, LINK), 'utf8')).toBe(BYTES)
  }
})

test('a tag that a digest happens to end with is no name of it: bytes of the same length and date are read', async () => {
  const root = await makeRoot()
  const path = `links/app/a:b/${DIGEST.at(-1)}`
  const { atime, mtime } = statSync(join(root, FILE))
  await mkdir(join(root, 'links/app/a:b'), { recursive: true })
  writeFileSync(join(root, path), BYTES.toUpperCase())
  utimesSync(join(root, path), atime, mtime)
  expect(await writeLinks({ root, farm }, 'app', [{ ...hardLink(), path }])).toBe(1)
  expect(readFileSync(join(root, path), 'utf8')).toBe(BYTES)
})

test('a symbolic link is relative, and replaces whatever bears its name', async () => {
  const root = await makeRoot()
  const link: EmittedLink = { type: 'symlink', path: 'links/app/latest', to: LINK }
  expect(await writeLinks({ root, farm }, 'app', [hardLink(), link])).toBe(2)
  expect(readlinkSync(join(root, 'links/app/latest'))).toBe(`a:b/${DIGEST}`)
  await rm(join(root, 'links/app/latest'))
  await writeFile(join(root, 'links/app/latest'), BYTES)
  expect(await writeLinks({ root, farm }, 'app', [hardLink(), link])).toBe(1)
  expect(lstatSync(join(root, 'links/app/latest')).isSymbolicLink()).toBe(true)
})

test('a small file is readable by all, is left alone where it says the same, and is replaced whole', async () => {
  const root = await makeRoot()
  const file = join(root, 'links/app/latest')
  const text = (value: string): EmittedLink => ({ type: 'text', path: 'links/app/latest', text: value })
  const umask = process.umask(0o077)
  try {
    expect(await writeLinks({ root, farm }, 'app', [hardLink(), text('one')])).toBe(2)
    expect(await writeLinks({ root, farm }, 'app', [hardLink(), text('one')])).toBe(0)
  } finally {
    process.umask(umask)
  }
  expect(statSync(file).mode & 0o777).toBe(0o644)
  const { ino } = statSync(file)
  expect(await writeLinks({ root, farm }, 'app', [hardLink(), text('two')])).toBe(1)
  expect(readFileSync(file, 'utf8')).toBe('two')
  expect(statSync(file).ino).not.toBe(ino)
})

test('a small file replaces a link of its name, and leaves what that led to as it was', async () => {
  const root = await makeRoot()
  const link: EmittedLink = { type: 'symlink', path: 'links/app/latest', to: LINK }
  await writeLinks({ root, farm }, 'app', [hardLink(), link])
  expect(await writeLinks({ root, farm }, 'app', [hardLink(), { type: 'text', path: link.path, text: 'one' }])).toBe(1)
  expect(lstatSync(join(root, link.path)).isFile()).toBe(true)
  expect(readFileSync(join(root, LINK), 'utf8')).toBe(BYTES)
})

test('what a killed run has left is in nobody’s way and goes', async () => {
  const root = await makeRoot()
  await mkdir(join(root, 'links/app/a:b'), { recursive: true })
  const left = join(root, `links/app/.${process.pid}.latest~`)
  await symlink('nowhere', left)
  await symlink('elsewhere', join(root, 'links/app/latest'))
  await writeLinks({ root, farm }, 'app', [hardLink(), { type: 'symlink', path: 'links/app/latest', to: LINK }])
  expect(readlinkSync(join(root, 'links/app/latest'))).toBe(`a:b/${DIGEST}`)
  expect(lstatSync(left, { throwIfNoEntry: false })).toBeUndefined()
})

async function makeRoot(): Promise<string> {
  const root = await makeTemporaryFolder()
  await mkdir(join(root, 'v2/app/manifests'), { recursive: true })
  await writeFile(join(root, FILE), BYTES)
  return root
}

function hardLink(to = FILE, digest: Digest = DIGEST): EmittedLink {
  return { type: 'link', path: LINK, to, digest }
}
