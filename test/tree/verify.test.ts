import { chmod, cp, mkdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { acquireTreeLock } from '../../src/tree/lock.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { type VerifyOptions, verifyTree } from '../../src/tree/verify.ts'
import { filesOf } from '../contract/tree-support.ts'
import { asOrdinaryUser } from '../support/as-nobody.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { makeBlob, makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { treeFiles, writeTree } from '../support/write-images.ts'
import { bytesOf, putGraph } from './support/put-graph.ts'

/** A tree with one image at app:v1, documents and all, and the image. */
async function makeTree(graph?: Graph): Promise<{ readonly tree: Tree; readonly image: Graph; readonly root: string }> {
  const tree = openTree(await makeTemporaryFolder())
  const image = graph ?? (await makeImage())
  await putGraph(tree, 'app', image, { tag: 'v1' })
  await rebuildDocuments(tree.root)
  return { tree, image, root: tree.root }
}

/** What verify finds, as lines `step path: text`. */
async function findings(tree: Tree, options?: VerifyOptions): Promise<readonly string[]> {
  const { problems } = await verifyTree(tree, options)
  return problems.map(({ step, path, text }) => `${step} ${path}: ${text}`)
}

async function notesOf(tree: Tree, options?: VerifyOptions): Promise<readonly string[]> {
  const { notes } = await verifyTree(tree, options)
  return notes.map(({ path, text }) => `${path}: ${text}`)
}

/** The first blob of an image that is no config: a layer. */
function layerOf({ blobs }: Graph): readonly [Digest, Uint8Array] {
  const layer = [...blobs].find(([, bytes]) => bytes[0] !== 0x7b)
  if (layer === undefined) throw new Error('no layer')
  return layer
}

const published = (root: string): Promise<readonly string[]> => filesOf(join(root, 'v2'))

describe('a tree that is right', () => {
  test('is counted, step by step', async () => {
    const image = await makeMultiPlatform()
    const { tree } = await makeTree(withReferrers(image, makeArtifact({ subject: image, payload: 'sbom' })))
    const report = await verifyTree(tree)
    expect(report).toMatchObject({ problems: [], notes: [], absentChildren: 0, relinked: { files: 0, bytes: 0 } })
    expect(report).not.toHaveProperty('aside')
    expect(report.steps).toEqual([
      { name: 'names', checked: 17, problems: 0 },
      { name: 'manifests', checked: 5, problems: 0 },
      { name: 'tags', checked: 2, problems: 0 },
      { name: 'blobs', checked: 6, problems: 0 },
      { name: 'graphs', checked: 5, problems: 0 },
      { name: 'documents', checked: 5, problems: 0 },
    ])
  })

  test('is one made by hand as well, and stays as it is', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage({ sha512: true })
    await writeTree(root, 'app', { v1: image, v2: await makeMultiPlatform() })
    await writeTree(root, 'o/app', { v1: image })
    await rm(join(root, `v2/o/app/manifests/${image.root.digest}`))
    const before = await filesOf(root)
    expect(await findings(openTree(root))).toEqual([])
    expect(await filesOf(root)).toEqual(before)
    expect(await notesOf(openTree(root))).toContain(
      `v2/o/app/manifests/${image.root.digest}: v2/o/app/manifests/v1 has no name by its digest: verify --repair adds it`,
    )
  })

  test('is one without a folder', async () => {
    expect(await findings(openTree(join(await makeTemporaryFolder(), 'absent')))).toEqual([])
  })

  test('hashes a file with several names once, a copy again', async () => {
    const { tree, image, root } = await makeTree()
    await putGraph(tree, 'b', image, { tag: 'v1' })
    await rebuildDocuments(root)
    expect((await verifyTree(tree)).bytes).toBe(bytesOf(image) + image.root.size)
    await cp(root, `${root}-copy`, { recursive: true })
    expect((await verifyTree(openTree(`${root}-copy`))).bytes).toBe(2 * bytesOf(image))
    await rm(`${root}-copy`, { recursive: true })
  })

  test('may lack platforms, unless asked to be complete, and foreign layers', async () => {
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const foreign = { ...(await makeLayer('foreign')), urls: ['https://example.com/layer'] }
    const windows = await makeImage({ platform: 'windows/amd64', layers: [foreign] })
    const index = makeIndex([amd64, arm64, makeAttestation(arm64), windows])
    const tree = openTree(await makeTemporaryFolder())
    await putGraph(tree, 'app', index, { tag: 'v1', leave: [arm64.root.digest] })
    await rebuildDocuments(tree.root)
    expect(await verifyTree(tree)).toMatchObject({ problems: [], absentChildren: 1, absentForeignLayers: 1 })
    expect(await findings(tree, { complete: true })).toEqual([
      `graphs v2/app/manifests/${index.root.digest}: linux/arm64 (${arm64.root.digest}) is missing`,
    ])
  })

  test('may have partial files, dot files and names that do not belong, which are named', async () => {
    const { tree, root } = await makeTree()
    await mkdir(join(root, '.registrish/partial'), { recursive: true })
    await writeFile(join(root, `.registrish/partial/${digestOf('x')}`), 'part')
    for (const path of ['README', '.gitkeep', 'app/blobs/sha256:12', 'app/manifests/a b', 'app/other', 'app/tags/x']) {
      await writeFile(join(root, 'v2', path), '')
    }
    await mkdir(join(root, 'v2/Upper/manifests'), { recursive: true })
    expect(await findings(tree)).toEqual([])
    expect((await verifyTree(tree)).notes.map(({ path }) => path).sort()).toEqual([
      'v2/README',
      'v2/Upper',
      'v2/app/blobs/sha256:12',
      'v2/app/manifests/a b',
      'v2/app/other',
      'v2/app/tags/x',
    ])
  })
})

describe('wrong bytes', () => {
  test('of a blob are found and moved aside; what needs it is named', async () => {
    const { tree, image, root } = await makeTree()
    const [layer, bytes] = layerOf(image)
    await putGraph(tree, 'b', image, { tag: 'v1' })
    await rebuildDocuments(root)
    await writeFile(join(root, `v2/app/blobs/${layer}`), Buffer.alloc(bytes.length))
    const wrong = digestOf(Buffer.alloc(bytes.length))
    const expected = ['app', 'b'].map(name => `blobs v2/${name}/blobs/${layer}: its bytes are those of ${wrong}`)
    expect(await findings(tree)).toEqual(expected)
    const { problems, aside = '' } = await verifyTree(tree, { repair: true })
    expect(problems).toEqual(
      ['app', 'b'].flatMap((name, i) => [
        {
          step: 'blobs',
          path: `v2/${name}/blobs/${layer}`,
          text: expected[i]?.split(': ')[1],
          repaired: `moved to ${aside}/v2/${name}/blobs/${layer}`,
        },
        { step: 'graphs', path: `v2/${name}/manifests/${image.root.digest}`, text: `its blob ${layer} is missing` },
      ]),
    )
    expect(await filesOf(join(root, aside))).toEqual([`v2/app/blobs/${layer}`, `v2/b/blobs/${layer}`])
    await putGraph(tree, 'app', image)
    await putGraph(tree, 'b', image)
    expect(await findings(tree)).toEqual([])
  })

  test('of a large blob are found, and its bytes are told as they are read', async () => {
    const bytes = makeBlob(3_500_000)
    const { tree, root } = await makeTree(
      await makeImage({ layers: [{ bytes, diffId: digestOf(bytes), compression: 'none' }] }),
    )
    const read: number[] = []
    await verifyTree(tree, { onProgress: event => event.type === 'blob-bytes' && read.push(event.bytes) })
    expect(Math.max(...read)).toBe(1024 * 1024)
    expect(read.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3_500_000)
    bytes[3_499_999] = (bytes[3_499_999] ?? 0) ^ 1
    const [path = ''] = (await published(root)).filter(
      name => name.includes('/blobs/') && name.endsWith(digestOf(makeBlob(3_500_000))),
    )
    await writeFile(join(root, 'v2', path), bytes)
    expect(await findings(tree)).toEqual([`blobs v2/${path}: its bytes are those of ${digestOf(bytes)}`])
  })

  test('of a manifest are found at its digest and at every tag that is the same file', async () => {
    const { tree, image, root } = await makeTree()
    const file = join(root, `v2/app/manifests/${image.root.digest}`)
    await writeFile(file, `${await readFile(file, 'utf8')}\n`)
    const found = await findings(tree)
    expect(found).toEqual([
      `manifests v2/app/manifests/${image.root.digest}: its bytes are those of ${digestOf(await readFile(file))}`,
      `tags v2/app/manifests/v1: its file is that of v2/app/manifests/${image.root.digest}, whose bytes are others`,
    ])
    await verifyTree(tree, { repair: true })
    expect(await tree.tags('app')).toEqual([])
    expect((await published(root)).filter(path => path.startsWith('app/manifests/'))).toEqual([])
    await putGraph(tree, 'app', image, { tag: 'v1' })
    expect(await findings(tree)).toEqual([])
  })

  test('that are no manifest are found at tags', async () => {
    const { tree, root } = await makeTree()
    await writeFile(join(root, 'v2/app/manifests/cut'), '{"schemaVersion": 2, "laye')
    await writeFile(join(root, 'v2/app/manifests/old'), '{"schemaVersion": 1}')
    const found = await findings(tree)
    expect(found[0]).toBe('tags v2/app/manifests/cut: the manifest is not JSON')
    expect(found[1]).toMatch(/^tags v2\/app\/manifests\/old: .*schema 1/)
    expect(found).toHaveLength(2)
    await verifyTree(tree, { repair: true })
    expect(await findings(tree)).toEqual([])
    expect(await tree.tags('app')).toEqual(['v1'])
  })

  test('that cannot be read are found', async () => {
    const { tree, image, root } = await makeTree()
    const [layer] = layerOf(image)
    await chmod(join(root, `v2/app/blobs/${layer}`), 0)
    await asOrdinaryUser(root, async () => {
      expect(await findings(tree)).toEqual([expect.stringMatching(/cannot be read/)])
    })
  })
})

describe('a graph', () => {
  test('that lacks a blob is found, also in an image that nothing names', async () => {
    const { tree, image, root } = await makeTree()
    const [layer] = layerOf(image)
    const config = [...image.blobs.keys()].find(digest => digest !== layer)
    await unlink(join(root, 'v2/app/manifests/v1'))
    await rebuildDocuments(root)
    for (const digest of [layer, config]) await unlink(join(root, `v2/app/blobs/${digest}`))
    expect(await findings(tree)).toEqual(
      [config, layer].map(digest => `graphs v2/app/manifests/${image.root.digest}: its blob ${digest} is missing`),
    )
  })

  test('of which nothing is there is found', async () => {
    const index = await makeMultiPlatform()
    const { tree, root } = await makeTree(index)
    for (const digest of index.manifests.keys()) {
      if (digest !== index.root.digest) await unlink(join(root, `v2/app/manifests/${digest}`))
    }
    expect(await findings(tree)).toEqual([
      `graphs v2/app/manifests/${index.root.digest}: none of the 2 it lists is in the tree`,
    ])
  })

  test('that lies about sizes is found', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    const [layer, bytes] = layerOf(image)
    const lie = new TextDecoder().decode([...image.manifests.values()][0]).replace(`"size":${bytes.length}`, '"size":7')
    const manifest = new TextEncoder().encode(lie)
    const child = {
      root: { ...image.root, digest: digestOf(manifest), size: manifest.length + 1 },
      manifests: new Map([[digestOf(manifest), manifest]]),
      blobs: image.blobs,
    }
    const index = makeIndex([child])
    await writeTree(root, 'app', { v1: index })
    expect(await findings(openTree(root))).toEqual(
      [
        `graphs v2/app/manifests/${digestOf(manifest)}: it says that ${layer} has 7 bytes, but that has ${bytes.length}`,
        `graphs v2/app/manifests/${index.root.digest}: it says that ${digestOf(manifest)} has ${manifest.length + 1} bytes, but that has ${manifest.length}`,
      ].sort(),
    )
  })
})

describe('a symbolic link', () => {
  test('inside the tree is followed, one out of it or to nowhere is found and moved aside', async () => {
    const { tree, image, root } = await makeTree()
    const [layer, bytes] = layerOf(image)
    const blob = join(root, `v2/app/blobs/${layer}`)
    await mkdir(join(root, 'v2/other/blobs'), { recursive: true })
    await rename(blob, join(root, `v2/other/blobs/${layer}`))
    await symlink(`../../other/blobs/${layer}`, blob)
    expect(await findings(tree)).toEqual([])
    await writeFile(join(root, 'outside'), bytes)
    await rm(blob)
    await symlink('../../../outside', blob)
    await symlink('nowhere', join(root, 'v2/app/manifests/broken'))
    const links = [
      `names v2/app/blobs/${layer}: it is a symbolic link that leads out of the tree`,
      'names v2/app/manifests/broken: it is a symbolic link that leads nowhere',
    ]
    const missing = `graphs v2/app/manifests/${image.root.digest}: its blob ${layer} is missing`
    expect([...(await findings(tree))].sort()).toEqual([missing, ...links])
    expect([...(await findings(tree, { repair: true }))].sort()).toEqual([missing, ...links])
    expect(await findings(tree)).toEqual([missing])
    expect(await readFile(join(root, 'outside'))).toHaveLength(bytes.length)
  })
})

describe('a document', () => {
  const wrong: Readonly<Record<string, readonly [string, string, string]>> = {
    'that names a tag that is not there': [
      'app/tags/list',
      '{"name":"app","tags":["v0","v1"]}',
      'it names what is not there: v0',
    ],
    'that is no JSON': ['app/tags/list', '<html>', 'clients cannot read it'],
    'without a list': ['app/tags/list', '{"name":"app"}', 'clients cannot read it: it has no list "tags"'],
    'that names a repository that is not there': [
      '_catalog',
      '{"repositories":["app","gone"]}',
      'it names what is not there: gone',
    ],
    'of the version that is no JSON': ['index.json', 'moved', 'clients cannot read it'],
    'that lists a referrer that is not there': [
      `app/referrers/${digestOf('x')}`,
      JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'a/b', digest: digestOf('y'), size: 1 }] }),
      `it names what is not there: ${digestOf('y')}`,
    ],
    'of referrers that is none': [
      `app/referrers/${digestOf('x')}`,
      '{"schemaVersion":2,"layers":[]}',
      'clients cannot read it: it is not an index',
    ],
  }

  test.each(Object.entries(wrong))('%s is found, and regenerated', async (_, [path, content, text]) => {
    const { tree, root } = await makeTree()
    const right = await published(root)
    await mkdir(join(root, 'v2', path, '..'), { recursive: true })
    await writeFile(join(root, 'v2', path), content)
    const [found, ...more] = await findings(tree)
    expect(found).toContain(`documents v2/${path}: ${text}`)
    expect(more).toEqual([])
    expect((await verifyTree(tree, { repair: true })).problems).toMatchObject([{ repaired: 'regenerated' }])
    expect(await verifyTree(tree)).toMatchObject({ problems: [], notes: [] })
    expect(await published(root)).toEqual(right)
  })

  test('made of referrers that names what is gone is found', async () => {
    const image = await makeImage()
    const [one, two] = [makeArtifact({ subject: image, payload: '1' }), makeArtifact({ subject: image, payload: '2' })]
    const { tree, root } = await makeTree(withReferrers(image, one, two))
    await unlink(join(root, `v2/app/manifests/${one.root.digest}`))
    const text = `it names what is not there: ${one.root.digest}`
    expect(await findings(tree)).toEqual([
      `documents v2/app/referrers/${image.root.digest}: ${text}`,
      `documents v2/app/manifests/${digestTag(image.root.digest)}: ${text}`,
    ])
    await verifyTree(tree, { repair: true })
    const after = await verifyTree(tree)
    expect(after.problems).toEqual([])
    expect(after.notes).toEqual([])
  })

  test('that is behind, as after a kill, is no problem', async () => {
    const image = await makeImage()
    const { tree, root } = await makeTree(image)
    await putGraph(tree, 'app', makeArtifact({ subject: image }), { tag: 'new' })
    await putGraph(tree, 'more', image, { tag: 'v1' })
    expect(await findings(tree)).toEqual([])
    const regenerates = 'the next fetch or verify --repair regenerates it'
    expect([...(await notesOf(tree))].sort()).toEqual(
      [
        `v2/_catalog: it does not name more yet: ${regenerates}`,
        `v2/app/manifests/${digestTag(image.root.digest)}: it is missing: ${regenerates}`,
        `v2/app/referrers/${image.root.digest}: it is missing: ${regenerates}`,
        `v2/app/tags/list: it does not name new yet: ${regenerates}`,
        `v2/more/tags/list: it is missing: ${regenerates}`,
      ].sort(),
    )
    await verifyTree(tree, { repair: true })
    expect(await verifyTree(tree)).toMatchObject({ problems: [], notes: [] })
    expect((await stat(join(root, 'v2/more/tags/list'))).isFile()).toBe(true)
  })
})

describe('repair', () => {
  test('relinks equal blobs after a copy that lost its links', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage({ layers: 3 })
    const files = ['a', 'b', 'c'].flatMap(name => [...treeFiles(name, { v1: image }).keys()])
    for (const name of ['a', 'b', 'c']) await writeTree(tree.root, name, { v1: image })
    const blobs = [...image.blobs]
    const total = blobs.reduce((sum, [, bytes]) => sum + bytes.length, 0)
    expect((await verifyTree(tree)).relinked).toEqual({ files: 0, bytes: 0 })
    expect((await verifyTree(tree, { repair: true })).relinked).toEqual({ files: 2 * blobs.length, bytes: 2 * total })
    expect((await verifyTree(tree, { repair: true })).relinked).toEqual({ files: 0, bytes: 0 })
    for (const [digest] of blobs) expect((await stat(join(tree.root, `v2/a/blobs/${digest}`))).nlink).toBe(3)
    expect(await published(tree.root)).toEqual(expect.arrayContaining(files.map(path => path.slice(3))))
    expect(await verifyTree(tree)).toMatchObject({ problems: [], notes: [] })
  })

  test('never links to a blob that is wrong', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const [layer, bytes] = layerOf(image)
    for (const name of ['a', 'b', 'c']) await writeTree(tree.root, name, { v1: image })
    await writeFile(join(tree.root, `v2/a/blobs/${layer}`), 'wrong')
    await verifyTree(tree, { repair: true })
    for (const name of ['b', 'c'])
      expect(await readFile(join(tree.root, `v2/${name}/blobs/${layer}`))).toEqual(Buffer.from(bytes))
    await expect(stat(join(tree.root, `v2/a/blobs/${layer}`))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('gives manifests that stand at a tag only the name of their digest', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { v1: image })
    await rm(join(root, `v2/app/manifests/${image.root.digest}`))
    await verifyTree(openTree(root), { repair: true })
    const stats = await stat(join(root, `v2/app/manifests/${image.root.digest}`))
    expect(stats.ino).toBe((await stat(join(root, 'v2/app/manifests/v1'))).ino)
    expect(await verifyTree(openTree(root))).toMatchObject({ problems: [], notes: [] })
  })

  test('keeps what it moves aside apart from what it moved before', async () => {
    const { tree, image, root } = await makeTree()
    const [layer] = layerOf(image)
    for (const content of ['first', 'second']) {
      await rm(join(root, `v2/app/blobs/${layer}`), { force: true })
      await writeFile(join(root, `v2/app/blobs/${layer}`), content)
      await verifyTree(tree, { repair: true })
    }
    const aside = (await filesOf(join(root, '.registrish/aside'))).map(path => path.replace(/^[^/]+/, ''))
    expect(aside).toEqual([`/v2/app/blobs/${layer}`, `/v2/app/blobs/${layer}`])
  })

  test('waits for a fetch; verify without it does not', async () => {
    const { tree } = await makeTree()
    const fetching = await acquireTreeLock(tree.root, 'shared', { purpose: 'fetch' })
    expect(await findings(tree)).toEqual([])
    const notes: string[] = []
    const repairing = verifyTree(tree, {
      repair: true,
      onProgress: event => event.type === 'note' && notes.push(event.text),
    })
    await vi.waitUntil(() => notes.length > 0, { timeout: 15_000 })
    expect(notes[0]).toMatch(/^waiting for fetch, pid /)
    await fetching.release()
    expect((await repairing).problems).toEqual([])
  })
})

describe('verify of some repositories', () => {
  test('leaves the others alone', async () => {
    const { tree, image, root } = await makeTree()
    await putGraph(tree, 'app/deep', image, { tag: 'v1' })
    await writeFile(join(root, 'v2/app/deep/manifests/bad'), 'cut')
    expect(await findings(tree, { repositories: ['app'] })).toEqual([])
    expect(await findings(tree, { repositories: ['app/deep', 'app'] })).toHaveLength(1)
    await expect(verifyTree(tree, { repositories: ['app', 'ap'] })).rejects.toMatchObject({
      code: 'not-found',
      hint: 'there is app, app/deep',
    })
  })
})

test('an interrupted verify ends with an error and leaves no lock', async () => {
  const { tree, root } = await makeTree()
  await expect(verifyTree(tree, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  await (await acquireTreeLock(root, 'exclusive')).release()
})
