import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { deployTree } from '../../../src/deploy/deploy.ts'
import { openDirectoryStore } from '../../../src/deploy/directory/store.ts'
import { parseDirectoryTarget } from '../../../src/deploy/directory/target.ts'
import type { DeployOptions, DeployReport } from '../../../src/deploy/report.ts'
import type { ObjectStore } from '../../../src/deploy/store.ts'
import { digestOf, hexOf } from '../../../src/oci/digest.ts'
import { hasChanges, readChanges } from '../../../src/tree/change-notes.ts'
import { openTree } from '../../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../../src/tree/documents.ts'
import { listTreeLocks } from '../../../src/tree/lock.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import { verifyTree } from '../../../src/tree/verify.ts'
import { expectCode, keysOf, made } from '../../contract/object-store-support.ts'
import { makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../../support/made-images.ts'
import { makeBigLayer } from '../../support/made-layers.ts'
import { makeTemporaryFolder } from '../../support/temporary-folder.ts'
import { makeTree } from '../support/trees.ts'

const umask = process.umask()
afterEach(() => void process.umask(umask))

describe('a tree that is deployed into a folder', () => {
  test('is a tree there, with the same files and documents', async () => {
    const tree = await makeEverything()
    const folder = await newFolder()
    process.umask(0o077)
    const report = await deploy(tree, folder)
    expect(report.plan.problems).toEqual([])
    expect((await verifyTree(openTree(folder))).problems).toEqual([])
    expect(filesOf(folder)).toEqual(filesOf(tree.root))
    for (const [path, { mode }] of statsOf(folder)) expect(mode & 0o777, path).toBe(path.endsWith('/') ? 0o755 : 0o644)
    const before = filesOf(folder)
    await rebuildDocuments(folder)
    expect(filesOf(folder)).toEqual(before)
  })

  test('is not sent again', async () => {
    const tree = await makeEverything()
    const folder = await newFolder()
    await deploy(tree, folder)
    const inodes = inodesOf(folder)
    const { plan, sent } = await deploy(tree, folder)
    expect(plan.objects).toEqual([])
    expect(sent.objects).toBe(0)
    expect(inodesOf(folder)).toEqual(inodes)
  })

  test('shares its blobs with the tree, and a tag its file with what it names', async () => {
    const image = await makeImage({ seed: 'one' })
    const tree = await makeTree({ app: { latest: image }, other: { latest: image } })
    const folder = await newFolder()
    await deploy(tree, folder)
    const blobs = [...image.blobs.keys()].map(digest => `v2/app/blobs/${digest}`)
    for (const path of blobs) expect(inodeOf(folder, path)).toBe(inodeOf(tree.root, path))
    const { digest } = image.root
    expect(inodeOf(folder, 'v2/app/manifests/latest')).toBe(inodeOf(folder, `v2/app/manifests/${digest}`))
  })

  test('is copied where a file is not to be read by others', async () => {
    const image = await makeImage({ seed: 'one' })
    const tree = await makeTree({ app: { latest: image } })
    const paths = [...image.blobs.keys()].map(digest => `v2/app/blobs/${digest}`)
    for (const path of paths) chmodSync(join(tree.root, path), 0o600)
    const folder = await newFolder()
    await deploy(tree, folder)
    for (const path of paths) {
      expect(statSync(join(folder, path)).mode & 0o777).toBe(0o644)
      expect(statSync(join(tree.root, path)).mode & 0o777).toBe(0o600)
    }
  })

  test('is held to its digests where it is copied too', async () => {
    const folder = await newFolder()
    const store = open(folder)
    const file = join(await makeTemporaryFolder(), 'blob')
    writeFileSync(file, 'other', { mode: 0o600 })
    const digest = digestOf('bytes')
    const object = { ...made(`v2/app/blobs/${digest}`, 'bytes', { digest }), body: { file } }
    await expectCode(store.put(object), 'digest-mismatch', 'source')
    writeFileSync(file, 'bytes')
    expect(await store.put(object)).toBe(hexOf(digest))
    expect(lstatSync(join(folder, object.key)).nlink).toBe(1)
  })

  test('is linked in the folder to what stands there in another repository, if that came by a deploy', async () => {
    const layer = await makeBigLayer(100_000)
    const folder = await newFolder()
    await deploy(await makeTree({ app: { latest: await makeImage({ layers: [layer] }) } }), folder)
    const second = await makeTree({ other: { latest: await makeImage({ layers: [layer] }) } })
    expect((await deploy(second, folder)).copied.objects).toBe(1)
    const [first, again] = ['app', 'other'].map(name => inodeOf(folder, `v2/${name}/blobs/${digestOf(layer.bytes)}`))
    expect(again).toBe(first)
  })

  test('joins what is there: lists become those of all', async () => {
    const folder = await newFolder()
    await deploy(await makeTree({ app: { one: await makeImage({ seed: 'one' }) } }), folder)
    const second = await makeTree({ app: { two: await makeImage({ seed: 'two' }) }, b: { x: await makeImage() } })
    await deploy(second, folder)
    expect(documentOf(folder, 'v2/app/tags/list')).toEqual({ name: 'app', tags: ['one', 'two'] })
    expect(documentOf(folder, 'v2/_catalog')).toEqual({ repositories: ['app', 'b'] })
    expect((await verifyTree(openTree(folder))).problems).toEqual([])
    expect((await deploy(second, folder)).plan.objects).toEqual([])
  })

  test('with --prune takes the place of what was there', async () => {
    const folder = await newFolder()
    await deploy(await makeTree({ old: { one: await makeImage({ seed: 'one' }) } }), folder)
    const tree = await makeTree({ app: { two: await makeImage({ seed: 'two' }) } })
    await deploy(tree, folder, { prune: true, force: true })
    expect(existsSync(join(folder, 'v2/old/manifests/one'))).toBe(false)
    expect(documentOf(folder, 'v2/_catalog')).toEqual({ repositories: ['app'] })
    expect(documentOf(folder, 'v2/app/tags/list')).toEqual({ name: 'app', tags: ['two'] })
  })
})

describe('a folder that is deployed into', () => {
  test('loses folders that are empty, but not v2/ nor what stands beside it', async () => {
    const folder = await newFolder()
    const store = open(folder)
    for (const key of ['v2/a/b/manifests/x', 'v2/a/c', 'own/x']) await store.put(made(key, key))
    await store.delete(['v2/a/b/manifests/x', 'own/x'])
    expect(readdirSync(join(folder, 'v2/a'))).toEqual(['c'])
    await store.delete(['v2/a/c'])
    expect(readdirSync(folder).sort()).toEqual(['.registrish', 'own', 'v2'])
    await store.put(made('v2/a/c', 'again'))
    expect(await keysOf(store)).toEqual(['v2/a/c'])
  })

  test('is locked as a tree is while it is written, and not before', async () => {
    const folder = await newFolder()
    const store = openDirectoryStore(folder)
    await keysOf(store)
    await store.head('v2/a')
    expect(existsSync(folder)).toBe(false)
    await store.put(made('v2/a', 'a'))
    expect((await listTreeLocks(folder)).size).toBe(1)
    await store.close()
    expect((await listTreeLocks(folder)).size).toBe(0)
  })

  test('knows which repositories change before they do, until whoever refreshes hosts has done so', async () => {
    const folder = await newFolder()
    const store = openDirectoryStore(folder)
    const noted = async (): Promise<readonly string[]> => [...(await readChanges(folder)).repositories].sort()
    await store.put(made('v2/app/blobs/x', 'x'))
    await store.put(made('v2/app/tags/list', '{}'))
    expect(await hasChanges(folder)).toBe(false)
    await store.put(made('v2/app/manifests/x', 'x'))
    await store.put(made('v2/deep/er/manifests/x', 'x'))
    await store.copy?.('v2/app/manifests/x', { ...made('v2/copied/manifests/x', 'x') })
    expect(await noted()).toEqual(['app', 'copied', 'deep/er'])
    await store.close()
    await (await readChanges(folder)).forget()
    const second = open(folder)
    mkdirSync(join(folder, 'v2/deep/er/manifests/folder'))
    await expectCode(second.put(made('v2/deep/er/manifests/folder', 'x')), 'conflict', 'target')
    await second.delete(['v2/app/manifests/x', 'v2/app/tags/list'])
    expect(await noted()).toEqual(['app', 'deep/er'])
  })

  test('is written by nobody behind a link that leads out of it', async () => {
    const folder = await newFolder()
    const outside = await makeTemporaryFolder()
    writeFileSync(join(outside, 'secret'), 'secret')
    mkdirSync(join(folder, 'v2'), { recursive: true })
    symlinkSync(outside, join(folder, 'v2/app'))
    symlinkSync(join(outside, 'secret'), join(folder, 'v2/leak'))
    const store = open(folder)
    expect(await keysOf(store)).toEqual([])
    for (const key of ['v2/leak', 'v2/app/secret']) {
      expect(await store.head(key), key).toBeUndefined()
      expect(await store.get(key, { limit: 99 }), key).toBeUndefined()
      expect(await store.copy?.(key, { ...made('v2/x', 'secret') }), key).toBe(false)
    }
    await expectCode(store.put(made('v2/app/manifests/x', 'x')), 'conflict', 'target')
    expect(await store.put(made('v2/leak', 'mine'), { condition: 'absent' })).toBeUndefined()
    await store.put(made('v2/leak', 'mine'))
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
    expect(readdirSync(outside)).toEqual(['secret'])
    expect(lstatSync(join(folder, 'v2/leak')).isFile()).toBe(true)
  })

  test.each(['../x', 'v2/../../x', '/x', 'v2//x', 'v2/./x', 'v2/\0', ''])('takes no key %j', async key => {
    const folder = await newFolder()
    const store = open(folder)
    await expectCode(store.put(made(key, 'x')), 'name-invalid', 'target')
    await expectCode(store.head(key), 'name-invalid', 'target')
    await expectCode(
      store.delete([key]).then(async () => store.put(made(key, 'x'))),
      'name-invalid',
      'target',
    )
  })

  test('keeps its hidden files, and files beside v2/, out of the listing of a registry', async () => {
    const folder = await newFolder()
    const store = open(folder)
    await store.put(made('v2/app/manifests/x', 'x'))
    await store.put(made('.registrish/deletions.json', '{}'))
    for (const path of ['.htaccess', 'v2/.git', 'v2/app/manifests/.1.x~']) writeFileSync(join(folder, path), 'x')
    expect(await keysOf(store)).toEqual(['v2/app/manifests/x'])
    expect(await store.get('.registrish/deletions.json', { limit: 9 })).toMatchObject({ size: 2 })
  })

  test('tells a folder that stands where a file should', async () => {
    const folder = await newFolder()
    mkdirSync(join(folder, 'v2/app/manifests/x'), { recursive: true })
    await expectCode(open(folder).put(made('v2/app/manifests/x', 'x')), 'conflict', 'target')
  })

  test('is swept of what is a day old', async () => {
    const folder = await newFolder()
    const store = open(folder)
    await store.put(made('v2/a', 'a'))
    const left = join(folder, '.registrish/incoming/1-left')
    writeFileSync(left, 'x')
    utimesSync(left, 0, 0)
    // Dates can be set, the change of an inode cannot: nobody has left it a day ago.
    expect(await store.sweep?.()).toBe(0)
    expect(existsSync(left)).toBe(true)
  })
})

describe('--dir', () => {
  test('names a folder that is there, or one that can be made', async () => {
    const root = await makeTemporaryFolder()
    expect(parseDirectoryTarget(join(root, 'new'), '.')).toBe(join(root, 'new'))
    expect(parseDirectoryTarget(root, '.')).toBe(root)
    writeFileSync(join(root, 'file'), '')
    for (const path of ['file', 'absent/new'])
      expect(() => parseDirectoryTarget(join(root, path), '.'), path).toThrow(
        expect.objectContaining({ code: 'usage' }),
      )
  })

  test('is not the tree itself, by whatever name, nor a part of it', async () => {
    const root = await makeTemporaryFolder()
    mkdirSync(join(root, 'v2/app'), { recursive: true })
    symlinkSync(root, join(root, 'again'))
    for (const path of ['', '.', 'again', 'v2', 'v2/app', 'again/v2/new'])
      expect(() => parseDirectoryTarget(join(root, path), root), path).toThrow(
        expect.objectContaining({ code: 'usage' }),
      )
    expect(() => parseDirectoryTarget(root, join(root, 'v2/app'))).toThrow(expect.objectContaining({ code: 'usage' }))
    expect(parseDirectoryTarget(join(root, 'public'), root)).toBe(join(root, 'public'))
  })
})

async function makeEverything(): Promise<Tree> {
  const multi = await makeMultiPlatform({ seed: 'multi' })
  const signature = makeArtifact({ subject: multi, payload: 'signature', artifactType: 'application/vnd.example.sig' })
  return makeTree({
    'tools/app': { latest: withReferrers(multi, signature), '1.0.gz': await makeImage({ noMediaType: true }) },
    tools: { RC1: await makeImage({ seed: 'rc' }), rc1: await makeImage({ seed: 'other rc', sha512: true }) },
  })
}

async function newFolder(): Promise<string> {
  return join(await makeTemporaryFolder(), 'public')
}

function open(folder: string): ObjectStore {
  const store = openDirectoryStore(folder)
  onTestFinished(async () => store.close())
  return store
}

async function deploy(tree: Tree, folder: string, options: DeployOptions = {}): Promise<DeployReport> {
  const store = openDirectoryStore(folder)
  try {
    return await deployTree(tree, store, options)
  } finally {
    await store.close()
  }
}

/** What v2/ holds, folders with a "/". */
function statsOf(root: string): ReadonlyMap<string, Stats> {
  const entries = readdirSync(join(root, 'v2'), { recursive: true, withFileTypes: true })
  const paths = entries.map(entry => [join(entry.parentPath, entry.name), entry.isDirectory() ? '/' : ''] as const)
  return new Map(paths.map(([path, end]) => [`${path.slice(root.length + 1)}${end}`, lstatSync(path)]))
}

function filesOf(root: string): Readonly<Record<string, string>> {
  const files = [...statsOf(root).keys()].filter(path => !path.endsWith('/')).sort()
  return Object.fromEntries(files.map(path => [path, readFileSync(join(root, path), 'base64')]))
}

function inodesOf(root: string): Readonly<Record<string, number>> {
  return Object.fromEntries([...statsOf(root)].map(([path, { ino }]) => [path, Number(ino)]))
}

function inodeOf(root: string, path: string): number {
  return lstatSync(join(root, path)).ino
}

function documentOf(root: string, path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}
