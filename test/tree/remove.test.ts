import { readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { readOrigin, writeOrigin } from '../../src/tree/origin.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { type RemoveTarget, removeImages } from '../../src/tree/remove.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { filesOf } from '../contract/tree-support.ts'
import { digestTag, makeArtifact, makeImage, makeIndex, withReferrers } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { putGraph } from './support/put-graph.ts'

const published = (root: string): Promise<readonly string[]> => filesOf(join(root, 'v2'))

async function expectRight(tree: Tree): Promise<void> {
  const { problems, notes } = await verifyTree(tree)
  expect({ problems, notes }).toEqual({ problems: [], notes: [] })
}

async function readJson(root: string, path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(root, path), 'utf8')) as unknown
}

describe('a tag', () => {
  test('goes from the files and from tags/list; what it named stays until prune', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'app', image, { tag: 'v1' })
    await putGraph(tree, 'app', image, { tag: 'v2' })
    await rebuildDocuments(tree.root)
    const before = await published(tree.root)
    expect(await removeImages(tree, [{ repository: 'app', reference: 'v1' }])).toEqual({
      repositories: [{ repository: 'app', whole: false, tags: ['v1'], manifests: [] }],
      freed: 0,
    })
    expect(await published(tree.root)).toEqual(before.filter(path => path !== 'app/manifests/v1'))
    expect(await readJson(tree.root, 'v2/app/tags/list')).toEqual({ name: 'app', tags: ['v2'] })
    await removeImages(tree, [{ repository: 'app', reference: 'v2' }])
    expect(await readJson(tree.root, 'v2/app/tags/list')).toEqual({ name: 'app', tags: [] })
    await expectRight(tree)
    expect((await pruneTree(tree)).gone).toEqual(['app'])
    await expectRight(tree)
  })

  test('gives its only file the name of its digest first, in a tree made by hand', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { v1: image })
    await rm(join(root, `v2/app/manifests/${image.root.digest}`))
    await removeImages(openTree(root), [{ repository: 'app', reference: 'v1' }])
    expect(digestOf(await readFile(join(root, `v2/app/manifests/${image.root.digest}`)))).toBe(image.root.digest)
    await expectRight(openTree(root))
  })

  test('that cannot be read goes too', async () => {
    const root = await makeTemporaryFolder()
    await writeTree(root, 'app', { v1: await makeImage() })
    await writeFile(join(root, 'v2/app/manifests/bad'), 'cut')
    await removeImages(openTree(root), [{ repository: 'app', reference: 'bad' }])
    await expectRight(openTree(root))
  })

  test('that is a document of ours is refused', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'app', withReferrers(image, makeArtifact({ subject: image })), { tag: 'v1' })
    await rebuildDocuments(tree.root)
    await expectRefused(tree, { repository: 'app', reference: digestTag(image.root.digest) }, 'conflict')
    const { digest } = await tree.resolve('app', digestTag(image.root.digest))
    await expectRefused(tree, { repository: 'app', reference: digest }, 'conflict')
  })
})

describe('a digest', () => {
  test('goes with the tags that name it and its pin', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [image, other] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const sha512 = digestOf([...image.manifests.values()][0] ?? '', 'sha512')
    await putGraph(tree, 'app', image, { tag: 'v1' })
    await putGraph(tree, 'app', image, { tag: 'latest' })
    await tree.putManifest('app', [...image.manifests.values()][0] ?? new Uint8Array(), sha512)
    await putGraph(tree, 'app', other, { tag: 'v2' })
    await writeOrigin(tree.root, 'app', { upstream: 'x/app', pins: [image.root.digest, sha512, other.root.digest] })
    await rebuildDocuments(tree.root)
    const report = await removeImages(tree, [{ repository: 'app', reference: sha512 }])
    expect(report.repositories).toEqual([
      { repository: 'app', whole: false, tags: ['latest', 'v1'], manifests: [image.root.digest] },
    ])
    expect(report.freed).toBe(image.root.size)
    const manifests = (await published(tree.root)).filter(path => path.startsWith('app/manifests/'))
    expect(manifests).toEqual([`app/manifests/${other.root.digest}`, 'app/manifests/v2'])
    expect(await readOrigin(tree.root, 'app')).toEqual({ upstream: 'x/app', pins: [other.root.digest] })
    await expectRight(tree)
  })

  test('of what refers to an image goes from the documents of that image', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const [one, two] = [makeArtifact({ subject: image, payload: '1' }), makeArtifact({ subject: image, payload: '2' })]
    await putGraph(tree, 'app', withReferrers(image, one), { tag: 'v1' })
    await rebuildDocuments(tree.root)
    await putGraph(tree, 'app', two)
    await rebuildDocuments(tree.root)
    expect((await readdir(join(tree.root, 'v2/app/manifests'))).length).toBe(7) // with the list as it was before the second came
    await removeImages(tree, [{ repository: 'app', reference: one.root.digest }])
    expect((await readdir(join(tree.root, 'v2/app/manifests'))).length).toBe(5)
    await expectRight(tree)
    expect(await readJson(tree.root, `v2/app/referrers/${image.root.digest}`)).toMatchObject({
      manifests: [{ digest: two.root.digest }],
    })
    expect(await tree.tags('app')).toEqual([digestTag(image.root.digest), 'v1'])
    await removeImages(tree, [{ repository: 'app', reference: two.root.digest }])
    await expectRight(tree)
    expect(await tree.tags('app')).toEqual(['v1'])
    expect(await published(tree.root)).not.toContain(`app/referrers/${image.root.digest}`)
    const manifests = (await published(tree.root)).filter(path => path.startsWith('app/manifests/'))
    expect(manifests).toEqual([`app/manifests/${image.root.digest}`, 'app/manifests/v1'])
  })

  test('that an index needs is refused, unless the index goes too', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const index = makeIndex([image])
    await putGraph(tree, 'app', index, { tag: 'v1' })
    await rebuildDocuments(tree.root)
    const target = { repository: 'app', reference: image.root.digest }
    const error = await expectRefused(tree, target, 'conflict')
    expect(error).toMatchObject({ message: expect.stringContaining(index.root.digest), hint: expect.any(String) })
    await removeImages(tree, [target, { repository: 'app', reference: index.root.digest }])
    await expectRight(tree)
  })
})

describe('a repository', () => {
  test('goes with everything in it and what was remembered; those below it stay', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'o/app', withReferrers(image, makeArtifact({ subject: image })), { tag: 'v1' })
    await putGraph(tree, 'o/app/deep', image, { tag: 'v1' })
    await writeOrigin(tree.root, 'o/app', { upstream: 'x/app', pins: [] })
    await rebuildDocuments(tree.root)
    await writeFile(join(tree.root, 'v2/o/app/manifests/README'), 'mine')
    await writeFile(join(tree.root, `v2/o/app/manifests/${digestOf('x')}`), 'damaged')
    await writeFile(join(tree.root, 'v2/o/app/blobs/strange name'), '')
    const below = (await published(tree.root)).filter(path => path.startsWith('o/app/deep/'))
    const report = await removeImages(tree, [{ repository: 'o/app' }, { repository: 'o/app', reference: 'v1' }])
    expect(report.repositories).toMatchObject([{ repository: 'o/app', whole: true }])
    expect(await published(tree.root)).toEqual([...['_catalog', 'index.json'], ...below].sort())
    expect(await readJson(tree.root, 'v2/_catalog')).toEqual({ repositories: ['o/app/deep'] })
    expect(await readOrigin(tree.root, 'o/app')).toEqual({ pins: [] })
    await expectRight(tree)
    await removeImages(tree, [{ repository: 'o/app/deep' }])
    await expect(stat(join(tree.root, 'v2/o'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readJson(tree.root, 'v2/_catalog')).toEqual({ repositories: [] })
  })

  test('of which blobs are shared frees what only it had', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'a', image, { tag: 'v1' })
    await putGraph(tree, 'b', image, { tag: 'v1' })
    expect((await removeImages(tree, [{ repository: 'a' }])).freed).toBe(image.root.size)
    expect((await verifyTree(tree)).problems).toEqual([])
  })
})

describe('what a symbolic link leads to', () => {
  test('is not removed while the link stays', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { '1.0': image })
    await writeTree(root, 'b', { v1: image })
    const tree = openTree(root)
    const remove = (...names: readonly string[]): Promise<unknown> => {
      const targets = names.map(name => name.split(':') as [string, string?])
      return removeImages(
        tree,
        targets.map(([repository, reference]) => ({ repository, ...(reference === undefined ? {} : { reference }) })),
      )
    }
    await symlink('1.0', join(root, 'v2/app/manifests/latest'))
    await symlink('latest', join(root, 'v2/app/manifests/newest'))
    const conflict = { code: 'conflict', message: expect.stringContaining('is a symbolic link to it') }
    await expect(remove('app:1.0')).rejects.toMatchObject(conflict)
    await expect(remove('app:latest', 'app:1.0')).rejects.toMatchObject(conflict)
    await remove('app:newest')
    await remove('app:latest', 'app:1.0')
    await rm(join(root, 'v2/b/blobs'), { recursive: true })
    await symlink('../app/blobs', join(root, 'v2/b/blobs'))
    await expect(remove('app')).rejects.toMatchObject(conflict)
    expect((await verifyTree(tree)).problems).toEqual([])
    await remove('app', 'b')
    expect(await tree.repositories()).toEqual([])
  })
})

describe('nothing is removed', () => {
  const wrong: Readonly<Record<string, readonly [RemoveTarget, string, string]>> = {
    'where a repository is not there': [{ repository: 'aap' }, 'not-found', '"app"'],
    'where a longer name was meant': [{ repository: 'library/app' }, 'not-found', '"app"'],
    'where a tag is not there': [{ repository: 'app', reference: '1.00' }, 'not-found', '"1.0"'],
    'where no tag is like it': [{ repository: 'app', reference: 'something-else' }, 'not-found', '"1.0", "2.0"'],
    'where a digest is not there': [{ repository: 'app', reference: digestOf('x') }, 'not-found', 'registrish list'],
    'where a name is none': [{ repository: '../app' }, 'name-invalid', 'repository name'],
    'where a tag is none': [{ repository: 'app', reference: '../x' }, 'name-invalid', 'a tag has'],
  }

  test.each(Object.entries(wrong))('%s', async (_, [target, code, hint]) => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'app', image, { tag: '1.0' })
    await putGraph(tree, 'app', image, { tag: '2.0' })
    await rebuildDocuments(tree.root)
    const error = await expectRefused(tree, target, code)
    expect(error).toMatchObject({ hint: expect.stringContaining(hint) })
  })

  test('where there is no tree, and none is made', async () => {
    const root = join(await makeTemporaryFolder(), 'absent')
    await expect(removeImages(openTree(root), [{ repository: 'app' }])).rejects.toMatchObject({ code: 'not-found' })
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

/** Asks for something right and something wrong at once, and expects that nothing was done. */
async function expectRefused(tree: Tree, target: RemoveTarget, code: string): Promise<unknown> {
  const [repository = ''] = await tree.repositories()
  const before = await published(tree.root)
  const [reference = ''] = (await tree.tags(repository)).slice(-1)
  const error: unknown = await removeImages(tree, [{ repository, reference }, target]).catch((cause: unknown) => cause)
  expect(error).toMatchObject({ code })
  expect(await published(tree.root)).toEqual(before)
  return error
}
