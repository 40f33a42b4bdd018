import { describe, expect, test } from 'vitest'
import type { CopyOptions } from '../../src/copy/context.ts'
import { type Platform, parsePlatform } from '../../src/oci/platform.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  makeMultiPlatform,
} from '../support/made-images.ts'
import { createMemorySource } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  collectProgress,
  copyError,
  copyInto,
  expectDone,
  expectedFiles,
  notesOf,
  publicFiles,
  request,
} from './copy-support.ts'

function only(...platforms: readonly string[]): CopyOptions & { readonly platforms: readonly Platform[] } {
  return { platforms: platforms.map(parsePlatform) }
}

/** Copies `app:latest` for some platforms; gives what the tree then holds. */
async function copyFor(graph: Graph, ...platforms: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const root = await makeTemporaryFolder()
  expectDone(await copyInto(root, createMemorySource({ app: { latest: graph } }), [request()], only(...platforms)))
  return publicFiles(root)
}

/** The files of an index of which only some children are there. */
function sparseFiles(index: Graph, ...children: readonly Graph[]): ReadonlyMap<string, string> {
  const [bytes = new Uint8Array()] = [index.manifests.get(index.root.digest)]
  const alone: Graph = { ...index, manifests: new Map([[index.root.digest, bytes]]), blobs: new Map() }
  return expectedFiles('app', [alone, 'latest'], ...children.map(child => [child] as const))
}

async function images(...platforms: readonly string[]): Promise<readonly Graph[]> {
  return Promise.all(platforms.map(async platform => makeImage({ platform, seed: platform.replace(/\W/g, '-') })))
}

describe('some platforms of an index', () => {
  test('the index stays byte for byte, only the chosen children are there', async () => {
    const [amd64, arm64, s390x] = (await images('linux/amd64', 'linux/arm64', 'linux/s390x')) as [Graph, Graph, Graph]
    const index = makeIndex([amd64, arm64, s390x])
    expect(await copyFor(index, 'linux/arm64')).toEqual(sparseFiles(index, arm64))
    expect(await copyFor(index, 'linux/arm64', 'linux/amd64')).toEqual(sparseFiles(index, amd64, arm64))
    expect(await copyFor(index)).toEqual(expectedFiles('app', [index, 'latest']))
  })

  test('variants: an exact one, all of an architecture, and arm64 for arm64/v8', async () => {
    const [v6, v7, arm64] = (await images('linux/arm/v6', 'linux/arm/v7', 'linux/arm64/v8')) as [Graph, Graph, Graph]
    const index = makeIndex([v6, v7, arm64])
    expect(await copyFor(index, 'linux/arm/v7')).toEqual(sparseFiles(index, v7))
    expect(await copyFor(index, 'linux/arm')).toEqual(sparseFiles(index, v6, v7))
    expect(await copyFor(index, 'linux/arm64')).toEqual(sparseFiles(index, arm64))
  })

  test('Windows versions', async () => {
    const [old, recent] = (await images('windows/amd64:10.0.17763.1', 'windows/amd64:10.0.20348.2')) as [Graph, Graph]
    const index = makeIndex([old, recent])
    expect(await copyFor(index, 'windows/amd64:10.0.20348')).toEqual(sparseFiles(index, recent))
  })

  test('attestations follow their platform', async () => {
    const [amd64, arm64] = (await images('linux/amd64', 'linux/arm64')) as [Graph, Graph]
    const attestations = [makeAttestation(amd64), makeAttestation(arm64)] as const
    const index = makeIndex([amd64, arm64, ...attestations])
    expect(await copyFor(index, 'linux/arm64')).toEqual(sparseFiles(index, arm64, attestations[1]))
  })

  test('of a nested index: the way to them is there, the rest is not', async () => {
    const [amd64, arm64, s390x] = (await images('linux/amd64', 'linux/arm64', 'linux/s390x')) as [Graph, Graph, Graph]
    const inner = makeIndex([amd64, arm64])
    const outer = makeIndex([inner, s390x])
    const files = await copyFor(outer, 'linux/arm64')
    expect(files).toEqual(
      new Map(
        [...sparseFiles(outer), ...sparseFiles(inner, arm64)]
          .filter(([path]) => !path.endsWith('latest'))
          .concat([...sparseFiles(outer)].filter(([path]) => path.endsWith('latest'))),
      ),
    )
  })

  test('a nested index that holds none of them does not keep the others away', async () => {
    const [amd64, arm64] = (await images('linux/amd64', 'linux/arm64')) as [Graph, Graph]
    const outer = makeIndex([makeIndex([amd64]), arm64])
    expect(await copyFor(outer, 'linux/arm64')).toEqual(sparseFiles(outer, arm64))
  })

  test('what bears no platform comes along', async () => {
    const [[amd64, arm64], artifact] = [
      (await images('linux/amd64', 'linux/arm64')) as [Graph, Graph],
      makeArtifact({ payload: 'a note' }),
    ]
    const index = makeIndex([amd64, arm64, artifact])
    expect(await copyFor(index, 'linux/amd64')).toEqual(sparseFiles(index, amd64, artifact))
  })

  test('of several images: each its own', async () => {
    const [root, [amd64, arm64]] = [
      await makeTemporaryFolder(),
      (await images('linux/amd64', 'linux/arm64')) as [Graph, Graph],
    ]
    const [one, two] = [makeIndex([amd64, arm64]), makeIndex([amd64])]
    const report = await copyInto(
      root,
      createMemorySource({ app: { one, two } }),
      [request({ reference: 'one' }), request({ reference: 'two' })],
      only('linux/arm64'),
    )
    expect(report.results[0]?.error).toBeUndefined()
    expect(report.results[1]?.error).toMatchObject({ code: 'not-found' })
    expect([...(await publicFiles(root)).keys()]).not.toContain('app/manifests/two')
  })
})

describe('a platform that is not there', () => {
  test('is not found; the hint says what is', async () => {
    const root = await makeTemporaryFolder()
    const index = makeIndex(await images('linux/amd64', 'linux/arm/v7'))
    const error = await copyError(root, createMemorySource({ app: { latest: index } }), only('linux/s390x'))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(error.message).toContain('linux/s390x')
    expect(`${error.message} ${error.hint}`).toContain('linux/amd64')
    expect(`${error.message} ${error.hint}`).toContain('linux/arm/v7')
    expect(await publicFiles(root)).toEqual(new Map())
  })

  test('is not found in nested indexes either', async () => {
    const root = await makeTemporaryFolder()
    const graph = makeIndex([makeIndex(await images('linux/amd64')), makeIndex(await images('linux/arm64'))])
    const error = await copyError(root, createMemorySource({ app: { latest: graph } }), only('linux/s390x'))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(`${error.message} ${error.hint}`).toContain('linux/amd64')
    expect(`${error.message} ${error.hint}`).toContain('linux/arm64')
    expect(await publicFiles(root)).toEqual(new Map())
  })

  test('of an index without any child is no error', async () => {
    const index = makeIndex([])
    expect(await copyFor(index, 'linux/amd64')).toEqual(expectedFiles('app', [index, 'latest']))
  })
})

describe('an image that is no index', () => {
  test('for another platform is copied, and a note says for which it is', async () => {
    const [root, progress, image] = [
      await makeTemporaryFolder(),
      collectProgress(),
      await makeImage({ platform: 'linux/s390x' }),
    ]
    const options = { ...only('linux/amd64', 'linux/arm64'), onProgress: progress.onProgress }
    expectDone(await copyInto(root, createMemorySource({ app: { latest: image } }), [request()], options))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
    const notes = notesOf(progress.events)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('app:latest')
    expect(notes[0]).toContain('linux/s390x')
    expect(notes[0]).toContain('linux/amd64')
  })

  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm64/v8', 'linux/arm64'],
  ])('for %s needs no note where %s is wanted', async (platform, wanted) => {
    const [root, progress] = [await makeTemporaryFolder(), collectProgress()]
    const source = createMemorySource({ app: { latest: await makeImage({ platform }) } })
    expectDone(await copyInto(root, source, [request()], { ...only(wanted), onProgress: progress.onProgress }))
    expect(notesOf(progress.events)).toEqual([])
  })

  test('but an artifact has no platform, and needs no note', async () => {
    const [root, progress] = [await makeTemporaryFolder(), collectProgress()]
    const source = createMemorySource({ app: { latest: makeArtifact({ payload: 'text' }) } })
    expectDone(await copyInto(root, source, [request()], { ...only('linux/s390x'), onProgress: progress.onProgress }))
    expect(notesOf(progress.events)).toEqual([])
  })

  test('a child that was chosen by its index needs no note', async () => {
    const [root, progress] = [await makeTemporaryFolder(), collectProgress()]
    const index = makeIndex([await makeImage({ platform: 'linux/s390x' })], { platforms: ['linux/amd64'] })
    const source = createMemorySource({ app: { latest: index } })
    expectDone(await copyInto(root, source, [request()], { ...only('linux/amd64'), onProgress: progress.onProgress }))
    expect(notesOf(progress.events)).toEqual([])
  })
})

describe('what a sparse index lacks', () => {
  test('is fetched when more is wanted, and nothing else', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: index } })
    expectDone(await copyInto(root, source, [request()], only('linux/amd64')))
    const there = new Set(source.calls.filter(call => call.method === 'open').map(call => call.reference))
    source.forget()
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: true }])
    expect(source.calls.filter(call => there.has(call.reference))).toEqual([])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [index, 'latest']))
  })

  test('is not asked for again: what is wanted is there', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: index } })
    expectDone(await copyInto(root, source, [request()], only('linux/amd64')))
    source.forget()
    const report = await copyInto(root, source, [request()], only('linux/amd64'))
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: false }])
    expect(source.log()).toEqual(['resolve app latest'])
  })

  test('takes nothing away that is there already', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: index } })
    expectDone(await copyInto(root, source))
    expectDone(await copyInto(root, source, [request()], only('linux/amd64')))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [index, 'latest']))
  })
})
