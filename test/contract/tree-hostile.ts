import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { makeImage, makeMultiPlatform, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { expectCode, filesOf, made, type OpenTree, putBlob, putImage } from './tree-support.ts'

/** The part of the tree contract that is about names which would lead elsewhere. */
export function hostileTests(open: OpenTree): void {
  const repositories = [
    '..',
    '../x',
    'a/../b',
    '/etc',
    'a//b',
    'A',
    'a/',
    '',
    'a\0b',
    'a b',
    '_catalog',
    'x'.repeat(300),
  ]
  const reserved = ['manifests', 'a/blobs', 'a/tags/b', 'referrers/a', 'index.json']

  test.each([...repositories, ...reserved])('nothing is put into a repository called %j', async name => {
    const root = await makeTemporaryFolder()
    const tree = open(root)
    const bytes = rootBytes(await makeMultiPlatform())
    await expectCode(tree.putManifest(name, bytes), 'name-invalid')
    await expectCode(tree.writeBlob(name, made(10)[0]), 'name-invalid')
    await putBlob(tree, 'app', ...made(10))
    const files = await filesOf(root)
    await expectCode(tree.linkBlob(name, made(10)[0]), 'name-invalid')
    await expectCode(tree.tag(name, 'latest', digestOf(bytes)), 'name-invalid')
    expect(await filesOf(root)).toEqual(files)
  })

  test.each(['v2/app', 'v2/app/manifests', 'v2/app/blobs'])(
    'nothing is put behind %s that leads out of v2/',
    async path => {
      for (const absent of [false, true]) {
        const root = await makeTemporaryFolder()
        const outside = await makeTemporaryFolder()
        await mkdir(join(root, path, '..'), { recursive: true })
        await symlink(absent ? join(outside, 'absent') : outside, join(root, path))
        const failure: unknown = await putImage(open(root), 'app', 'latest').catch((error: unknown) => error)
        expect(isRegistrishError(failure, absent ? 'io' : 'conflict'), String(failure)).toBe(true)
        expect((await readdir(outside, { recursive: true })).filter(name => /sha256|latest/.test(name))).toEqual([])
      }
    },
  )

  test('a verified blob is not moved behind a link that leads nowhere', async () => {
    const root = await makeTemporaryFolder()
    await mkdir(join(root, 'v2/app'), { recursive: true })
    await symlink(join(root, 'absent'), join(root, 'v2/app/blobs'))
    const [descriptor, bytes] = made(10)
    const writer = await open(root).writeBlob('app', descriptor)
    await writer.write(bytes)
    await writer.stage()
    await expectCode(open(root).linkBlob('app', descriptor), 'io')
  })

  test.each(['..', '../x', 'a/b', '.hidden', '-a', '', 'a:b', 'a\n', 'x'.repeat(129), digestOf('tag')])(
    'nothing is tagged %j',
    async tag => {
      const root = await makeTemporaryFolder()
      const image = await putImage(open(root), 'app', 'latest')
      await expectCode(open(root).tag('app', tag, image.root.digest), 'name-invalid')
      expect(await open(root).tags('app')).toEqual(['latest'])
    },
  )

  test.each(['../../../secret', '..', 'latest/../latest', 'a\0b', '', '.', 'sha256:../latest'])(
    'nothing is read at the reference %j',
    async reference => {
      const root = await makeTemporaryFolder()
      await writeFile(join(root, 'secret'), rootBytes(await makeImage()))
      const tree = open(root)
      await putImage(tree, 'app', 'latest')
      expect(await nothingOr(tree.manifest('app', reference))).toBeUndefined()
      expect(await nothingOr(tree.resolve('app', reference))).toBeUndefined()
    },
  )

  test.each(['../outside/app', '..', 'app/../app', 'app/', '/app', 'a\0b', ''])(
    'nothing is read in a repository called %j',
    async name => {
      const folder = await makeTemporaryFolder()
      const tree = open(join(folder, 'inside'))
      const image = await putImage(tree, 'app', 'latest')
      await putImage(open(join(folder, 'inside/v2/outside')), 'app', 'latest')
      expect(await nothingOr(tree.manifest(name, 'latest'))).toBeUndefined()
      expect(await nothingOr(tree.manifest(name, image.root.digest))).toBeUndefined()
      expect((await nothingOr(tree.tags(name))) ?? []).toEqual([])
      expect(await nothingOr(tree.blobSize(name, digestOf('{}')))).toBeUndefined()
    },
  )
}

/** What a promise gives, or undefined where it is refused with one of our errors. */
async function nothingOr<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    expect(isRegistrishError(error, 'name-invalid', 'not-found'), String(error)).toBe(true)
    return undefined
  }
}
