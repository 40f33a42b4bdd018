import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { makeImage, rootBytes } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { blobTests, writerTests } from './tree-blobs.ts'
import { hostileTests } from './tree-hostile.ts'
import { expectCode, filesOf, made, type OpenTree, putBlob, putImage } from './tree-support.ts'

/** The suite that every Tree must pass. */
export function treeContract(name: string, open: OpenTree): void {
  describe(name, () => {
    describe('before anything is put', () => emptyTests(open))
    describe('manifests and tags', () => manifestTests(open))
    describe('blobs', () => blobTests(open))
    describe('blobs on their way', () => writerTests(open))
    describe('files', () => fileTests(open))
    describe('hostile names', () => hostileTests(open))
  })
}

function emptyTests(open: OpenTree): void {
  test('it is empty, and reading makes no file', async () => {
    const root = await makeTemporaryFolder()
    const tree = open(root)
    const digest = digestOf('nothing')
    expect(await tree.repositories()).toEqual([])
    expect(await tree.tags('app')).toEqual([])
    expect(await tree.referrers('app', digest)).toEqual([])
    expect(await tree.manifest('app', 'latest')).toBeUndefined()
    expect(await tree.manifest('app', digest)).toBeUndefined()
    expect(await tree.blobSize('app', digest)).toBeUndefined()
    expect(await filesOf(root)).toEqual([])
  })

  test('it may be a folder that is not there yet', async () => {
    const root = join(await makeTemporaryFolder(), 'a/b')
    const { root: image } = await putImage(open(root), 'app', 'latest')
    expect((await open(root).resolve('app', 'latest')).digest).toBe(image.digest)
  })
}

function manifestTests(open: OpenTree): void {
  test('a manifest is found by digest once it is put, by tag once it is tagged', async () => {
    const tree = open(await makeTemporaryFolder())
    const { root, manifests } = await makeImage({ layers: 0 })
    const bytes = manifests.get(root.digest) ?? new Uint8Array()
    await tree.putManifest('app', bytes, root.digest)
    expect((await tree.manifest('app', root.digest))?.bytes).toEqual(Buffer.from(bytes))
    expect(await tree.manifest('app', 'latest')).toBeUndefined()
    expect(await tree.tags('app')).toEqual([])
    expect(await tree.tag('app', 'latest', root.digest)).toBe(true)
    expect(await tree.manifest('app', 'latest')).toMatchObject({ digest: root.digest, bytes: Buffer.from(bytes) })
    expect(await tree.tags('app')).toEqual(['latest'])
  })

  test('putting what is there already is success, tagging it again changes nothing', async () => {
    const root = await makeTemporaryFolder()
    const image = await putImage(open(root), 'app', 'latest')
    const files = await filesOf(root)
    await open(root).putManifest('app', rootBytes(image))
    expect(await open(root).tag('app', 'latest', image.root.digest)).toBe(false)
    expect(await filesOf(root)).toEqual(files)
  })

  test('a tag moves, and what it named stays', async () => {
    const tree = open(await makeTemporaryFolder())
    const [first, second] = [await putImage(tree, 'app', 'latest', 'one'), await putImage(tree, 'app', 'other', 'two')]
    expect(await tree.tag('app', 'latest', second.root.digest)).toBe(true)
    expect((await tree.resolve('app', 'latest')).digest).toBe(second.root.digest)
    expect((await tree.manifest('app', first.root.digest))?.digest).toBe(first.root.digest)
    expect(await tree.tags('app')).toEqual(['latest', 'other'])
  })

  test('a manifest that is named by sha512 stands at both digests, and a tag of it at sha256', async () => {
    const tree = open(await makeTemporaryFolder())
    const bytes = rootBytes(await makeImage())
    const sha512 = digestOf(bytes, 'sha512')
    await tree.putManifest('app', bytes, sha512)
    for (const digest of [digestOf(bytes), sha512]) {
      expect((await tree.manifest('app', digest))?.bytes).toEqual(Buffer.from(bytes))
      expect((await tree.resolve('app', digest)).digest).toBe(digest)
    }
    await tree.tag('app', 'latest', sha512)
    expect((await tree.resolve('app', 'latest')).digest).toBe(digestOf(bytes))
  })

  test('bytes that are not those of the digest are refused and leave nothing', async () => {
    const root = await makeTemporaryFolder()
    const bytes = rootBytes(await makeImage())
    await expectCode(open(root).putManifest('app', bytes, digestOf('other')), 'digest-mismatch')
    await expectCode(open(root).putManifest('app', bytes, digestOf('other', 'sha512')), 'digest-mismatch')
    expect(await filesOf(join(root, 'v2'))).toEqual([])
  })

  test.each(['', 'no json', '[]', '{"layers":[{"digest":"sha256:../../x"}]}', '{"layers":[],"manifests":[]}'])(
    'a manifest that breaks the specification is refused and leaves nothing: %s',
    async text => {
      const root = await makeTemporaryFolder()
      await expectCode(open(root).putManifest('app', new TextEncoder().encode(text)), 'manifest-invalid')
      expect(await filesOf(join(root, 'v2'))).toEqual([])
    },
  )

  test('a tag of a manifest that is not in this repository is refused', async () => {
    const tree = open(await makeTemporaryFolder())
    const image = await putImage(tree, 'one', 'latest')
    await expectCode(tree.tag('two', 'latest', image.root.digest), 'incomplete', 'not-found')
    await expectCode(tree.tag('one', 'other', digestOf('absent')), 'incomplete', 'not-found')
    expect(await tree.tags('one')).toEqual(['latest'])
    expect(await tree.tags('two')).toEqual([])
  })

  test('repositories are sorted, nested ones apart', async () => {
    const tree = open(await makeTemporaryFolder())
    for (const name of ['b', 'a/c', 'a', 'a/b/c', 'a-b']) await putImage(tree, name, 'latest')
    expect(await tree.repositories()).toEqual(['a', 'a-b', 'a/b/c', 'a/c', 'b'])
    for (const name of await tree.repositories()) expect(await tree.tags(name)).toEqual(['latest'])
  })
}

function fileTests(open: OpenTree): void {
  test('everyone may read them, whatever the umask', async () => {
    const root = await makeTemporaryFolder()
    await chmod(root, 0o755)
    const umask = process.umask(0o077)
    onTestFinished(() => void process.umask(umask))
    const tree = open(root)
    await putImage(tree, 'deep/er/app', 'latest')
    await putBlob(tree, 'deep/er/app', ...made(100))
    await tree.linkBlob('other/app', made(100)[0])
    const found = (await readdir(join(root, 'v2'), { recursive: true, withFileTypes: true })).map(async entry => {
      const { mode } = await stat(join(entry.parentPath, entry.name))
      return `${entry.isDirectory() ? 'folder' : 'file'} ${(mode & 0o777).toString(8)}`
    })
    expect(new Set(await Promise.all(found))).toEqual(new Set(['folder 755', 'file 644']))
    expect((await stat(join(root, 'v2'))).mode & 0o777).toBe(0o755)
  })

  test('links that lead out of the tree are not followed', async () => {
    const [root, outside] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    const bytes = makeBlob(100, 'secret')
    const digest = digestOf(bytes)
    await writeFile(join(outside, 'secret'), bytes)
    await writeFile(join(outside, 'manifest'), rootBytes(await makeImage()))
    await putImage(open(root), 'app', 'latest')
    await mkdir(join(root, 'v2/app/blobs'), { recursive: true })
    await symlink(join(outside, 'secret'), join(root, 'v2/app/blobs', digest))
    await symlink(join(outside, 'manifest'), join(root, 'v2/app/manifests/secret'))
    const tree = open(root)
    expect(await tree.blobSize('app', digest)).toBeUndefined()
    const descriptor = { mediaType: OCTET_STREAM, digest, size: 100 }
    await expectCode(tree.open('app', descriptor, { kind: 'blob' }), 'not-found')
    expect(await tree.manifest('app', 'secret')).toBeUndefined()
    expect(await tree.tags('app')).toEqual(['latest'])
  })

  test('a file that does not hold what its name says is found out', async () => {
    const root = await makeTemporaryFolder()
    const image = await putImage(open(root), 'app', 'latest')
    await writeFile(join(root, 'v2/app/manifests', digestOf('other')), rootBytes(image))
    await expectCode(open(root).manifest('app', digestOf('other')), 'digest-mismatch')
  })
}
