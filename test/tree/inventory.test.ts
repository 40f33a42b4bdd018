import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { type ListOptions, listImages, type RepositoryListing } from '../../src/tree/inventory.ts'
import { writeOrigin } from '../../src/tree/origin.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { filesOf } from '../contract/tree-support.ts'
import {
  digestTag,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { makeLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { bytesOf, putGraph } from './support/put-graph.ts'

async function listAll(tree: Tree, options?: ListOptions): Promise<readonly RepositoryListing[]> {
  const listings: RepositoryListing[] = []
  for await (const listing of listImages(tree, options)) listings.push(listing)
  return listings
}

/** Lists a tree that has one repository. */
async function listOne(tree: Tree, options?: ListOptions): Promise<RepositoryListing> {
  const [listing, ...more] = await listAll(tree, options)
  if (listing === undefined || more.length > 0) throw new Error(`${more.length + 1} repositories`)
  return listing
}

describe('a listing', () => {
  test('says what a tree made by hand holds, and writes nothing into it', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage({ platform: 'linux/arm/v7' })
    await writeTree(root, 'o/app', { '1.0': image })
    await rm(join(root, `v2/o/app/manifests/${image.root.digest}`))
    const before = await filesOf(root)
    expect(await listAll(openTree(root))).toEqual([
      {
        repository: 'o/app',
        tags: [
          {
            tag: '1.0',
            digest: image.root.digest,
            kind: 'image',
            mediaType: image.root.mediaType,
            platforms: [{ platform: 'linux/arm/v7', digest: image.root.digest, present: true }],
            size: bytesOf(image),
            referrers: 0,
            document: false,
          },
        ],
        untagged: [],
        size: bytesOf(image),
        newSize: bytesOf(image),
        problems: [],
      },
    ])
    expect(await filesOf(root)).toEqual(before)
  })

  test('is empty for a folder that is no tree', async () => {
    expect(await listAll(openTree(join(await makeTemporaryFolder(), 'absent')))).toEqual([])
  })

  test('counts platforms, those that are absent too, but no attestations', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const windows = await makeImage({ platform: 'windows/amd64:10.0.1' })
    const attestation = makeAttestation(amd64)
    const index = makeIndex([amd64, attestation, makeIndex([arm64, windows])])
    await putGraph(tree, 'app', index, { tag: 'all', leave: [windows.root.digest] })
    const { tags } = await listOne(tree)
    expect(tags[0]).toMatchObject({ kind: 'index', size: bytesOf(index) - bytesOf(windows) })
    expect(tags[0]?.platforms).toEqual([
      { platform: 'linux/amd64', digest: amd64.root.digest, present: true },
      { platform: 'linux/arm64', digest: arm64.root.digest, present: true },
      { platform: 'windows/amd64:10.0.1', digest: windows.root.digest, present: false },
    ])
  })

  test('reads a platform that the index does not state from the config, and says unknown where there is none', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [one, other] = [await makeImage({ platform: 'linux/s390x' }), await makeImage({ platform: 'linux/riscv64' })]
    const index = makeIndex([one, other], { platforms: [undefined, undefined] })
    await putGraph(tree, 'app', index, { tag: 'x', leave: [other.root.digest] })
    const { tags } = await listOne(tree)
    expect(tags[0]?.platforms.map(({ platform, present }) => [platform, present])).toEqual([
      ['linux/s390x', true],
      ['unknown', false],
    ])
  })

  test('counts what tags and repositories share once', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const base = await makeLayer('base')
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map(async seed => makeImage({ layers: [base, await makeLayer(seed)] })),
    )
    if (one === undefined || two === undefined || three === undefined) throw new Error('no images')
    await putGraph(tree, 'a', one, { tag: '1' })
    await putGraph(tree, 'a', two, { tag: '2' })
    await putGraph(tree, 'a', two, { tag: '3' })
    await putGraph(tree, 'b', three, { tag: '1' })
    await putGraph(tree, 'b', one, { tag: '2' })
    const [a, b] = await listAll(tree)
    expect(a?.tags.map(({ size }) => size)).toEqual([bytesOf(one), bytesOf(two), bytesOf(two)])
    expect([a?.size, a?.newSize]).toEqual([bytesOf(one, two), bytesOf(one, two)])
    expect([b?.size, b?.newSize]).toEqual([bytesOf(one, three), bytesOf(one, two, three) - bytesOf(one, two)])
  })

  test('names what was fetched by digest and what nothing leads to, each once', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const [pinned, loose] = [await makeImage({ seed: 'pinned' }), await makeMultiPlatform({ seed: 'loose' })]
    const signed = withReferrers(loose, makeArtifact({ subject: loose, payload: 'signature' }))
    const tagged = await makeMultiPlatform({ seed: 'tagged' })
    await putGraph(tree, 'app', pinned)
    await putGraph(tree, 'app', signed)
    await putGraph(tree, 'app', tagged, { tag: 'v1' })
    await writeOrigin(tree.root, 'app', { upstream: 'ghcr.io/o/app', pins: [pinned.root.digest] })
    const listing = await listOne(tree)
    expect(listing.upstream).toBe('ghcr.io/o/app')
    expect(new Map(listing.untagged.map(image => [image.digest, image.pinned]))).toEqual(
      new Map([
        [pinned.root.digest, true],
        [loose.root.digest, false],
      ]),
    )
    expect((await listOne(tree, { pattern: 'app:*' })).untagged).toEqual([])
  })

  test('tells artifacts and the documents made of referrers from images', async () => {
    const tree = openTree(await makeTemporaryFolder())
    const image = await makeImage()
    const sbom = makeArtifact({ subject: image, artifactType: 'application/spdx+json', payload: '{}' })
    await putGraph(tree, 'app', withReferrers(image, sbom), { tag: 'v1' })
    await tree.tag('app', 'sbom', sbom.root.digest)
    await rebuildDocuments(tree.root)
    const { tags } = await listOne(tree)
    const short = tags.map(({ tag, kind, artifactType, document, referrers }) => ({
      tag,
      kind,
      artifactType,
      document,
      referrers,
    }))
    expect(short).toEqual([
      { tag: 'sbom', kind: 'artifact', artifactType: 'application/spdx+json', document: false, referrers: 0 },
      { tag: digestTag(image.root.digest), kind: 'index', document: true, referrers: 0 },
      { tag: 'v1', kind: 'image', document: false, referrers: 1 },
    ])
  })

  test('says what it had to leave out, and goes on', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { good: image })
    await writeFile(join(root, 'v2/app/manifests/bad'), '{"schemaVersion": 2')
    const { tags, problems } = await listOne(openTree(root))
    expect(tags.map(({ tag }) => tag)).toEqual(['good'])
    expect(problems).toEqual([{ file: 'v2/app/manifests/bad', text: 'the manifest is not JSON' }])
  })

  test('does not read a config through a link that leaves the tree', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { v1: image })
    const [config = '', bytes = new Uint8Array()] = [...image.blobs].find(([, blob]) => blob[0] === 0x7b) ?? []
    await rm(join(root, `v2/app/blobs/${config}`))
    await writeFile(join(root, 'outside'), bytes)
    await symlink(join(root, 'outside'), join(root, `v2/app/blobs/${config}`))
    const { tags } = await listOne(openTree(root))
    expect(tags[0]).toMatchObject({ platforms: [{ platform: 'unknown' }], size: bytesOf(image) - bytes.length })
  })
})

describe('a pattern', () => {
  const matches: Readonly<Record<string, readonly string[]>> = {
    '**': ['app:1.0', 'app:2.0', 'o/app:1.0', 'o/deep/app:1.0'],
    '*': ['app:1.0', 'app:2.0'],
    'o/*': ['o/app:1.0'],
    'o/**': ['o/app:1.0', 'o/deep/app:1.0'],
    '**/app': ['o/app:1.0', 'o/deep/app:1.0'],
    app: ['app:1.0', 'app:2.0'],
    'app:2.*': ['app:2.0'],
    '**:1.?': ['app:1.0', 'o/app:1.0', 'o/deep/app:1.0'],
    'app:3': [],
    'ap+': [],
  }

  test.each(Object.entries(matches))('%s', async (pattern, expected) => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    await writeTree(root, 'app', { '1.0': image, '2.0': image })
    await writeTree(root, 'o/app', { '1.0': image })
    await writeTree(root, 'o/deep/app', { '1.0': image })
    const listings = await listAll(openTree(root), { pattern })
    expect(listings.flatMap(({ repository, tags }) => tags.map(({ tag }) => `${repository}:${tag}`))).toEqual(expected)
  })

  test('lists a repository without tags only where it asks for no tag', async () => {
    const root = await makeTemporaryFolder()
    await mkdir(join(root, 'v2/app/manifests'), { recursive: true })
    expect((await listOne(openTree(root), { pattern: 'app' })).tags).toEqual([])
    expect(await listAll(openTree(root), { pattern: 'app:*' })).toEqual([])
  })
})

test('an interrupted listing ends with an error', async () => {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { v1: await makeImage() })
  await expect(listAll(openTree(root), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
})
