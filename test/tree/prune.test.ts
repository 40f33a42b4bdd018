import { link, mkdir, mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { acquireTreeLock } from '../../src/tree/lock.ts'
import { writeOrigin } from '../../src/tree/origin.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { filesOf } from '../contract/tree-support.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeBlobChild,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { treeFiles, writeTree } from '../support/write-images.ts'
import { bytesOf, putGraph } from './support/put-graph.ts'

/** What a test asks after a prune: nothing is wrong, and a second one finds nothing. */
async function expectPruned(tree: Tree): Promise<void> {
  expect((await verifyTree(tree)).problems).toEqual([])
  expect(await pruneTree(tree)).toMatchObject({ repositories: [], gone: [], leftovers: 0, freed: 0 })
}

const published = (root: string): Promise<readonly string[]> => filesOf(join(root, 'v2'))

describe('prune keeps', () => {
  test('all that tags and digests fetched by themselves lead to', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [image, pinned] = [await makeImage({ sha512: true, seed: 'a' }), await makeImage({ seed: 'b' })]
    const index = makeIndex([image], { sha512: true })
    await putGraph(tree, 'app', makeIndex([index, makeBlobChild(new TextEncoder().encode('data'))]), { tag: 'nested' })
    await putGraph(tree, 'app', pinned)
    await writeOrigin(tree.root, 'app', { pins: [pinned.root.digest] })
    await rebuildDocuments(tree.root)
    const before = await published(tree.root)
    await expectPruned(tree)
    expect(await published(tree.root)).toEqual(before)
  })

  test('what refers to anything that stays, also to a child that is absent, and what refers to that', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const signature = makeArtifact({ subject: amd64, payload: 'signature' })
    const countersign = makeArtifact({ subject: signature, payload: 'countersignature' })
    const absent = makeArtifact({ subject: arm64, payload: 'sbom' })
    await putGraph(tree, 'app', makeIndex([amd64, arm64]), {
      tag: 'v1',
      leave: [arm64.root.digest, ...arm64.blobs.keys()],
    })
    for (const referrer of [signature, countersign, absent]) await putGraph(tree, 'app', referrer)
    await rebuildDocuments(tree.root)
    const before = await published(tree.root)
    expect(before).toContain(`app/manifests/${digestTag(arm64.root.digest)}`)
    await expectPruned(tree)
    expect(await published(tree.root)).toEqual(before)
  })

  test("a tag sha256-… that is someone's own", async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [image, copied] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    await putGraph(tree, 'app', image, { tag: 'v1' })
    await putGraph(tree, 'app', copied, { tag: digestTag(image.root.digest) })
    await rebuildDocuments(tree.root)
    const before = await published(tree.root)
    await expectPruned(tree)
    expect(await published(tree.root)).toEqual(before)
  })

  test('what stands at a tag only, in a tree made by hand', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { v1: image })
    await rm(join(root, `v2/app/manifests/${image.root.digest}`))
    const before = await published(root)
    await expectPruned(openTree(root))
    expect(await published(root)).toEqual(before)
  })

  test('what symbolic links lead to, file by file and folder by folder', async () => {
    const root = await makeTemporaryFolder()
    const [image, other] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    await writeTree(root, 'from', { v1: image })
    await rm(join(root, 'v2/from/manifests/v1'))
    await writeTree(root, 'to', { v1: image })
    for (const digest of image.blobs.keys()) {
      await rm(join(root, `v2/to/blobs/${digest}`))
      await symlink(`../../from/blobs/${digest}`, join(root, `v2/to/blobs/${digest}`))
    }
    await writeTree(root, 'whole', { v1: other })
    await rm(join(root, 'v2/whole/manifests/v1'))
    await writeTree(root, 'behind', { v1: other })
    await rm(join(root, 'v2/behind/blobs'), { recursive: true })
    await symlink('../whole/blobs', join(root, 'v2/behind/blobs'))
    await writeTree(root, 'tag', { v1: image })
    await rm(join(root, 'v2/tag/manifests/v1'))
    await rm(join(root, `v2/tag/manifests/${image.root.digest}`))
    await symlink(`../../from/manifests/${image.root.digest}`, join(root, 'v2/tag/manifests/v1'))
    await rebuildDocuments(root)
    const { repositories } = await pruneTree(openTree(root))
    expect(repositories).toEqual([{ repository: 'whole', manifests: [other.root.digest], blobs: [] }])
    await expectPruned(openTree(root))
  })

  test('names that are none of ours, and blobs behind a link', async () => {
    const root = await makeTemporaryFolder()
    await writeTree(root, 'app', { v1: await makeImage() })
    await writeFile(join(root, 'v2/app/blobs/README'), '')
    await writeTree(root, 'linked', { v1: await makeImage() })
    await rm(join(root, 'v2/linked/blobs'), { recursive: true })
    await mkdir(join(root, 'elsewhere'))
    await writeFile(join(root, 'elsewhere', digestOf('x')), 'x')
    await symlink('../../elsewhere', join(root, 'v2/linked/blobs'))
    await pruneTree(openTree(root))
    expect(await published(root)).toContain('app/blobs/README')
    expect(await filesOf(join(root, 'elsewhere'))).toHaveLength(1)
  })
})

describe('prune deletes', () => {
  test('what no tag leads to, with its documents, and says what that freed', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const base = await makeLayer('base')
    const kept = await makeImage({ layers: [base, await makeLayer('kept')] })
    const old = await makeImage({ layers: [base, await makeLayer('old')] })
    await putGraph(tree, 'app', kept, { tag: 'v1' })
    await rebuildDocuments(tree.root)
    const before = await published(tree.root)
    const index = makeIndex([old])
    const signed = withReferrers(index, makeArtifact({ subject: index, payload: 'signature' }))
    await putGraph(tree, 'app', signed)
    await rebuildDocuments(tree.root)
    const [fallback] = (await published(tree.root)).filter(path => path.endsWith(digestTag(index.root.digest)))
    const document = await readFile(join(tree.root, 'v2', fallback ?? ''))
    const loose = [index, ...(signed.referrers ?? [])]
    const expected = {
      repositories: [
        {
          repository: 'app',
          manifests: [...loose.flatMap(graph => [...graph.manifests.keys()]), digestOf(document)].sort(),
        },
      ],
      gone: [],
      freed: bytesOf(kept, ...loose) - bytesOf(kept) + document.length,
    }
    const everything = await published(tree.root)
    expect(await pruneTree(tree, { dryRun: true })).toMatchObject({ ...expected, dryRun: true })
    expect(await published(tree.root)).toEqual(everything)
    expect(await pruneTree(tree)).toMatchObject({ ...expected, dryRun: false })
    expect(await published(tree.root)).toEqual(before)
    await expectPruned(tree)
  })

  test('bytes that repositories share are free when the last name goes', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    await putGraph(tree, 'a', image)
    await putGraph(tree, 'b', image)
    await putGraph(tree, 'c', image, { tag: 'v1' })
    const manifest = image.root.size
    for (const dryRun of [true, false]) expect((await pruneTree(tree, { dryRun })).freed).toBe(2 * manifest)
    await rm(join(tree.root, 'v2/c/manifests/v1'))
    for (const dryRun of [true, false]) expect((await pruneTree(tree, { dryRun })).freed).toBe(bytesOf(image))
  })

  test('a repository of which nothing is left, but not those below it', async () => {
    const tree = openTree(await makeTemporaryFolder())
    await putGraph(tree, 'o', await makeImage())
    await putGraph(tree, 'o/deep', await makeImage(), { tag: 'v1' })
    await putGraph(tree, 'p/app', await makeImage())
    await mkdir(join(tree.root, 'v2/q/manifests'), { recursive: true })
    await rebuildDocuments(tree.root)
    await writeOrigin(tree.root, 'p/app', { upstream: 'x/p/app', pins: [] })
    expect((await pruneTree(tree)).gone).toEqual(['o', 'p/app', 'q'])
    expect(await published(tree.root)).toEqual(
      (await published(tree.root)).filter(path => /^(o\/deep\/|_catalog|index)/.test(path)),
    )
    const remembered = await filesOf(join(tree.root, '.registrish'))
    expect(remembered.filter(path => !path.startsWith('changes/'))).toEqual([])
    await expect(stat(join(tree.root, 'v2/p'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(JSON.parse(await readFile(join(tree.root, 'v2/_catalog'), 'utf8'))).toEqual({ repositories: ['o/deep'] })
    await expectPruned(tree)
  })

  test('leftovers that nobody has touched for a day', async () => {
    const tree = openTree(await makeTemporaryFolder())
    await putGraph(tree, 'app', await makeImage(), { tag: 'v1' })
    const old = new Date(Date.now() - 25 * 3_600_000)
    for (const folder of ['partial', 'incoming']) {
      await mkdir(join(tree.root, '.registrish', folder), { recursive: true })
      for (const name of ['old', 'new']) await writeFile(join(tree.root, '.registrish', folder, name), '12345')
      await utimes(join(tree.root, '.registrish', folder, 'old'), old, old)
    }
    for (const name of ['old', 'new']) await mkdir(join(tree.root, '.registrish/temporary', name), { recursive: true })
    await writeFile(join(tree.root, '.registrish/temporary/old/layer'), '12345')
    await utimes(join(tree.root, '.registrish/temporary/old'), old, old)
    for (const dryRun of [true, false]) {
      expect(await pruneTree(tree, { dryRun })).toMatchObject({ leftovers: 3, freed: 10, repositories: [] })
    }
    expect(await filesOf(join(tree.root, '.registrish'))).toEqual(['incoming/new', 'partial/new'])
  })

  test('a fallback document that an upstream made and that is shorter than ours', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const [one, two] = ['one', 'two'].map(payload => makeArtifact({ subject: image, payload }))
    if (one === undefined || two === undefined) throw new Error('no artifacts')
    await putGraph(tree, 'app', withReferrers(image, one, two), { tag: 'v1' })
    const upstream = makeFallbackIndex([one])
    await putGraph(tree, 'app', upstream, { tag: digestTag(image.root.digest) })
    await rebuildDocuments(tree.root)
    const { repositories } = await pruneTree(tree)
    expect(repositories).toEqual([{ repository: 'app', manifests: [upstream.root.digest], blobs: [] }])
    await expectPruned(tree)
  })
})

describe('prune', () => {
  test.each(['v1', 'digest', 'loose'])('stops where a manifest cannot be read: %s', async which => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage({ seed: 'a' })
    await putGraph(tree, 'app', image, { tag: 'v1' })
    await putGraph(tree, 'a-first', await makeImage({ seed: 'b' }))
    const loose = digestOf('loose')
    const name = which === 'v1' ? 'v1' : which === 'digest' ? image.root.digest : loose
    await rm(join(tree.root, `v2/app/manifests/${name}`), { force: true })
    await writeFile(join(tree.root, `v2/app/manifests/${name}`), '{"cut')
    const before = await published(tree.root)
    await expect(pruneTree(tree)).rejects.toMatchObject({
      code: 'manifest-invalid',
      side: 'target',
      hint: expect.stringContaining('verify --repair'),
      message: expect.stringContaining(`v2/app/manifests/${name}`),
    })
    expect(await published(tree.root)).toEqual(before)
  })

  test('waits for a fetch, says so, and can be interrupted meanwhile', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const fetching = await acquireTreeLock(tree.root, 'shared', { purpose: 'fetch' })
    await putGraph(tree, 'app', image)
    const notes: string[] = []
    const controller = new AbortController()
    const onProgress = (event: { readonly type: string; readonly text?: string }): void => {
      notes.push(`${event.type}: ${event.text}`)
    }
    const pruning = pruneTree(tree, { onProgress })
    const interrupted = pruneTree(tree, { signal: controller.signal })
    await vi.waitUntil(() => notes.length > 0, { timeout: 15_000 })
    controller.abort()
    await expect(interrupted).rejects.toMatchObject({ code: 'aborted' })
    await tree.tag('app', 'v1', image.root.digest)
    await fetching.release()
    expect(await pruning).toMatchObject({ repositories: [] })
    expect(notes).toEqual([expect.stringMatching(new RegExp(`^note: waiting for fetch, pid ${process.pid} on `))])
  })

  test('writes nothing in a dry run of a tree made by hand', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    const files = treeFiles('app', { v1: image })
    await writeTree(root, 'app', { v1: image })
    await rm(join(root, 'v2/app/manifests/v1'))
    const report = await pruneTree(openTree(root), { dryRun: true })
    expect(report.repositories[0]?.manifests).toEqual([image.root.digest])
    expect(await filesOf(root)).toEqual([...files.keys()].filter(path => !path.endsWith('/v1')).sort())
  })

  test('does nothing to a folder that is no tree', async () => {
    const root = await mkdtemp(join(await makeTemporaryFolder(), 'empty-'))
    expect(await pruneTree(openTree(root), { dryRun: true })).toMatchObject({ repositories: [], freed: 0 })
    expect(await filesOf(root)).toEqual([])
  })

  test('counts no bytes of a blob that has a name outside', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image: Graph = await makeMultiPlatform()
    await putGraph(tree, 'app', image)
    const [[digest, bytes] = [undefined, new Uint8Array()]] = image.blobs
    await link(join(tree.root, `v2/app/blobs/${digest}`), join(tree.root, 'mine'))
    expect((await pruneTree(tree)).freed).toBe(bytesOf(image) - bytes.length)
  })
})
