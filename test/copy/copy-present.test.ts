import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { type Graph, makeImage, makeIndex, makeMultiPlatform, rootBytes } from '../support/made-images.ts'
import { createMemorySource, type MemorySource } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'
import { copyInto, expectDone, expectedFiles, publicFiles, request } from './copy-support.ts'

/** A tree into which `app:latest` has been copied, and a source that has forgotten it. */
async function copied(graph: Graph): Promise<{ readonly root: string; readonly source: MemorySource }> {
  const [root, source] = [await makeTemporaryFolder(), createMemorySource({ app: { latest: graph } })]
  expectDone(await copyInto(root, source))
  source.forget()
  return { root, source }
}

/** Name, inode and date of every published file. */
async function inodes(root: string): Promise<readonly string[]> {
  return Promise.all(
    [...(await publicFiles(root)).keys()].map(async path => {
      const { ino, mtimeMs } = await stat(join(root, 'v2', path))
      return `${path} ${ino} ${mtimeMs}`
    }),
  )
}

describe('what is there already', () => {
  test('costs one resolve for each tag and nothing else', async () => {
    const [root, one, two] = [await makeTemporaryFolder(), await makeMultiPlatform(), await makeImage({ seed: 'two' })]
    const source = createMemorySource({ app: { one, two, both: one }, other: { one } })
    const requests = ['one', 'two', 'both'].map(reference => request({ reference }))
    requests.push(request({ repository: 'other', reference: 'one' }))
    expectDone(await copyInto(root, source, requests))
    const before = await inodes(root)
    source.forget()
    const report = await copyInto(root, source, requests)
    expectDone(report)
    expect([...source.log()].sort()).toEqual([
      'resolve app both',
      'resolve app one',
      'resolve app two',
      'resolve other one',
    ])
    expect(report.results.map(result => result.changed)).toEqual([false, false, false, false])
    expect(report.totals).toMatchObject({ manifestsFetched: 0, blobsFetched: 0, bytesFetched: 0 })
    expect(await inodes(root)).toEqual(before)
  })

  test('is counted: each blob once, by its size', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const { totals } = await copyInto(root, source)
    const bytes = [...graph.blobs.values()].reduce((sum, blob) => sum + blob.length, 0)
    expect(totals).toEqual({
      manifestsFetched: 0,
      blobsFetched: 0,
      bytesFetched: 0,
      blobsPresent: graph.blobs.size,
      bytesPresent: bytes,
      foreignLayers: 0,
    })
  })

  test('may be asked for by digest, with no request for more than that', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const report = await copyInto(root, source, [request({ reference: graph.root.digest })])
    expectDone(report)
    expect(report.results).toMatchObject([{ digest: graph.root.digest, changed: false }])
    expect(source.calls.filter(call => call.method !== 'resolve')).toEqual([])
    expect(source.calls.length).toBeLessThanOrEqual(1)
  })

  test('may have been put there by hand, with copies instead of links', async () => {
    const [root, graph] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    await writeTree(root, 'app', { latest: graph })
    const source = createMemorySource({ app: { latest: graph } })
    expectDone(await copyInto(root, source))
    expect(source.log()).toEqual(['resolve app latest'])
  })

  test('may be known by its tag only', async () => {
    const image = await makeImage()
    const { root, source } = await copied(image)
    await rm(join(root, 'v2/app/manifests', image.root.digest))
    expectDone(await copyInto(root, source))
    expect(source.calls.filter(call => call.kind === 'blob')).toEqual([])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test('needs no upstream but for the tag: another tag of the same image costs one resolve', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    source.set('app', 'stable', graph)
    const report = await copyInto(root, source, [request({ reference: 'stable' })])
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: true }])
    expect(source.log()).toEqual(['resolve app stable'])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest', 'stable']))
  })
})

describe('what is missing or broken is fetched again, and only that', () => {
  test('a blob', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const digest = [...graph.blobs.keys()][1] ?? graph.root.digest
    await rm(join(root, 'v2/app/blobs', digest))
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: true }])
    expect(source.log()).toEqual(['resolve app latest', `open blob app ${digest}`])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test.each([0, 5])('a blob of which only %d bytes are left', async length => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const digest = [...graph.blobs.keys()][1] ?? graph.root.digest
    await truncate(join(root, 'v2/app/blobs', digest), length)
    expectDone(await copyInto(root, source))
    expect(source.log()).toEqual(['resolve app latest', `open blob app ${digest}`])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test('a child', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const [child = graph.root.digest] = graph.manifests.keys()
    await rm(join(root, 'v2/app/manifests', child))
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: true }])
    expect(source.log()).toEqual(['resolve app latest', `open manifest app ${child}`])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test.each(['child', 'root'])('a %s whose file holds other bytes', async which => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    const [child = graph.root.digest] = graph.manifests.keys()
    const digest = which === 'child' ? child : graph.root.digest
    await rm(join(root, 'v2/app/manifests', digest))
    await writeFile(join(root, 'v2/app/manifests', digest), '{"damaged":true}')
    expectDone(await copyInto(root, source))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test('a manifest that is damaged in place, under its tag too', async () => {
    const image = await makeImage()
    const { root, source } = await copied(image)
    await writeFile(join(root, 'v2/app/manifests/latest'), '{"damaged":true}')
    expectDone(await copyInto(root, source))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test('a tag', async () => {
    const graph = await makeMultiPlatform()
    const { root, source } = await copied(graph)
    await rm(join(root, 'v2/app/manifests/latest'))
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: true }])
    expect(source.log()).toEqual(['resolve app latest'])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })
})

describe('a tag that has moved at the source', () => {
  test('moves in the tree; what it named before stays', async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), makeIndex([await makeImage({ seed: 'two' })])]
    const { root, source } = await copied(one)
    source.set('app', 'latest', two)
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ digest: two.root.digest, changed: true }])
    expect(await publicFiles(root)).toEqual(new Map(sorted([...expectedFiles('app', [one], [two, 'latest'])])))
    expect(await readFile(join(root, 'v2/app/manifests/latest'))).toEqual(Buffer.from(rootBytes(two)))
  })

  test('and moves back without a download', async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const { root, source } = await copied(one)
    source.set('app', 'latest', two)
    expectDone(await copyInto(root, source))
    source.set('app', 'latest', one)
    source.forget()
    expectDone(await copyInto(root, source))
    expect(source.log()).toEqual(['resolve app latest'])
    expect((await openTree(root).resolve('app', 'latest')).digest).toBe(one.root.digest)
  })

  test('stays where it was when the new image fails', async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const { root, source } = await copied(one)
    source.set('app', 'latest', { ...two, blobs: new Map() })
    const report = await copyInto(root, source)
    expect(report.results[0]?.error).toMatchObject({ code: 'not-found' })
    expect((await openTree(root).resolve('app', 'latest')).digest).toBe(one.root.digest)
  })
})

function sorted<T>(entries: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}
