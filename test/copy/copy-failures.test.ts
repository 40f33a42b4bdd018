import { describe, expect, test } from 'vitest'
import { copyImages } from '../../src/copy/copy.ts'
import { type ErrorCode, RegistrishError } from '../../src/errors.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { filesOf } from '../contract/tree-support.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, makeSchema1 } from '../support/made-images.ts'
import { makeForeignLayer, makeLayer } from '../support/made-layers.ts'
import { createGate, only, refuses, waitsAt, wrongBytes } from '../support/memory-faults.ts'
import { createMemorySource } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  collectProgress,
  copyError,
  copyInto,
  expectDone,
  expectedFiles,
  publicFiles,
  request,
  watchTree,
} from './copy-support.ts'

describe('one that fails among several', () => {
  test('is in the report, and the others are copied', async () => {
    const root = await makeTemporaryFolder()
    const [good, better, bad] = [
      await makeImage({ seed: 'good' }),
      await makeMultiPlatform({ seed: 'better' }),
      await makeImage({ seed: 'bad' }),
    ]
    const source = createMemorySource(
      { app: { good, bad, better, old: await makeSchema1() } },
      { faults: [only(bad.root.digest, wrongBytes)] },
    )
    const tags = ['good', 'absent', 'bad', 'old', 'better']
    const report = await copyInto(
      root,
      source,
      tags.map(reference => request({ reference })),
    )
    expect(report.results.map(result => result.request.reference)).toEqual(tags)
    expect(report.results.map(result => result.error?.code)).toEqual([
      undefined,
      'not-found',
      'digest-mismatch',
      'unsupported',
      undefined,
    ])
    expect(report.results.map(result => result.changed)).toEqual([true, false, false, false, true])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [good, 'good'], [better, 'better']))
  })

  test('fails alone, though it shares its layers with the others', async () => {
    const [root, base] = [await makeTemporaryFolder(), await makeLayer('base')]
    const [good, bad] = [
      await makeImage({ layers: [base, await makeLayer('good')] }),
      await makeImage({ layers: [base, await makeLayer('bad')] }),
    ]
    const own = [...bad.blobs.keys()].at(-1) ?? bad.root.digest
    const source = createMemorySource({ app: { good, bad } }, { faults: [only(own, wrongBytes)] })
    const report = await copyInto(root, source, [request({ reference: 'bad' }), request({ reference: 'good' })])
    expect(report.results.map(result => result.error?.code)).toEqual(['digest-mismatch', undefined])
    expect(await openTree(root).tags('app')).toEqual(['good'])
  })

  test('what they share fails both, each in its own line', async () => {
    const [root, base] = [await makeTemporaryFolder(), await makeLayer('base')]
    const [one, two] = [
      await makeImage({ layers: [base] }),
      await makeImage({ layers: [base, await makeLayer('two')] }),
    ]
    const shared = [...one.blobs.keys()].at(-1) ?? one.root.digest
    const source = createMemorySource({ app: { one, two } }, { faults: [only(shared, wrongBytes)] })
    const report = await copyInto(root, source, [request({ reference: 'one' }), request({ reference: 'two' })])
    expect(report.results.map(result => result.error?.code)).toEqual(['digest-mismatch', 'digest-mismatch'])
    expect(await openTree(root).tags('app')).toEqual([])
  })
})

describe('a failure that all would meet stops at once', () => {
  const codes: readonly ErrorCode[] = ['rate-limited', 'unauthorized']

  test.each(codes)('%s, while another image waits for its bytes', async code => {
    const root = await makeTemporaryFolder()
    const [limited, waiting] = [await makeImage({ seed: 'limited' }), await makeImage({ seed: 'waiting' })]
    const never = createGate().opened
    const [layer = waiting.root.digest] = waiting.blobs.keys()
    const error = new RegistrishError(code, 'come back later', { side: 'source', hint: 'wait', retryAt: 1 })
    const source = createMemorySource(
      { app: { limited, waiting } },
      {
        faults: [
          only(layer, waitsAt(1, never)),
          only(limited.root.digest, async (opening, answer) => {
            while (source.opened(layer) === 0) await new Promise(setImmediate)
            return refuses(error)(opening, answer)
          }),
        ],
      },
    )
    const copying = copyInto(root, source, [request({ reference: 'limited' }), request({ reference: 'waiting' })])
    await expect(copying).rejects.toBe(error)
    expect(source.openings.active).toBe(0)
    expect(await openTree(root).tags('app')).toEqual([])
  })

  test('a tag that comes to be resolved after it is not asked for', async () => {
    const root = await makeTemporaryFolder()
    const tags = Array.from({ length: 50 }, (_, position) => `tag-${position}`)
    const image = await makeImage()
    const error = new RegistrishError('rate-limited', 'come back later', { side: 'source' })
    const source = createMemorySource(
      { app: Object.fromEntries(tags.map(tag => [tag, image])) },
      {
        resolve: () => {
          throw error
        },
      },
    )
    const copying = copyInto(
      root,
      source,
      tags.map(reference => request({ reference })),
      { jobs: 2 },
    )
    await expect(copying).rejects.toBe(error)
    expect(source.calls.length).toBeLessThan(10)
  })

  test.each(['blob', 'manifest'])(
    'a full disk, met by a %s: what is there is right, and a later run goes on',
    async where => {
      const [root, graph] = [await makeTemporaryFolder(), await makeMultiPlatform()]
      const full = new RegistrishError('no-space', 'cannot write: no space left on the device', { side: 'target' })
      let room = 2
      const use = (): void => {
        room -= 1
        if (room < 0) throw full
      }
      const tree = watchTree(root, where === 'blob' ? { write: use } : { putManifest: use })
      const source = createMemorySource({ app: { latest: graph, other: makeIndex([graph]) } })
      const copying = copyImages(source, tree, [request(), request({ reference: 'other' })])
      await expect(copying).rejects.toBe(full)
      expect(source.openings.active).toBe(0)
      expect(await openTree(root).tags('app')).toEqual([])
      expectDone(await copyInto(root, source))
      expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
    },
  )

  test('an error that nobody expects is thrown as it is, and stops the others too', async () => {
    const root = await makeTemporaryFolder()
    const [odd, waiting] = [await makeImage({ seed: 'odd' }), await makeImage({ seed: 'waiting' })]
    const [layer = waiting.root.digest] = waiting.blobs.keys()
    const error = new TypeError('a defect')
    const source = createMemorySource(
      { app: { odd, waiting } },
      {
        faults: [
          only(layer, waitsAt(1, createGate().opened)),
          only(odd.root.digest, async (opening, answer) => {
            while (source.opened(layer) === 0) await new Promise(setImmediate)
            return refuses(error)(opening, answer)
          }),
        ],
      },
    )
    const copying = copyInto(root, source, [request({ reference: 'odd' }), request({ reference: 'waiting' })])
    await expect(copying).rejects.toBe(error)
    expect(source.openings.active).toBe(0)
  })
})

describe('a dry run', () => {
  test('writes nothing and counts what would be fetched', async () => {
    const [root, graph] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: graph, other: makeIndex([graph]) } })
    const report = await copyInto(root, source, [request(), request({ reference: 'other' })], { dryRun: true })
    expectDone(report)
    expect(report.results.map(result => [result.digest !== undefined, result.changed])).toEqual([
      [true, true],
      [true, true],
    ])
    const blobs = [...graph.blobs.values()]
    expect(report.totals).toMatchObject({ blobsFetched: blobs.length, blobsPresent: 0 })
    expect(source.calls.filter(call => call.kind === 'blob')).toEqual([])
    expect(await filesOf(root)).toEqual([])
  })

  test('announces the very totals of the run that follows', async () => {
    const [root, graph] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: graph, other: makeIndex([graph]) } })
    expectDone(await copyInto(root, source))
    const requests = [request(), request({ reference: 'other' }), request({ target: 'elsewhere' })]
    const before = await filesOf(root)
    const dry = await copyInto(root, source, requests, { dryRun: true })
    expect(await filesOf(root)).toEqual(before)
    const real = await copyInto(root, source, requests)
    expectDone(real)
    expect(dry.totals).toEqual(real.totals)
    expect(dry.results.map(result => result.changed)).toEqual(real.results.map(result => result.changed))
  })

  test('tells a tag that would move', async () => {
    const [root, one, two] = [
      await makeTemporaryFolder(),
      await makeImage({ seed: 'one' }),
      await makeImage({ seed: 'two' }),
    ]
    const source = createMemorySource({ app: { latest: one, next: two } })
    expectDone(await copyInto(root, source, [request(), request({ reference: 'next' })]))
    source.set('app', 'latest', two)
    const report = await copyInto(root, source, [request(), request({ reference: 'next' })], { dryRun: true })
    expect(report.results.map(result => result.changed)).toEqual([true, false])
    expect((await openTree(root).resolve('app', 'latest')).digest).toBe(one.root.digest)
  })

  test('finds what cannot be copied', async () => {
    const root = await makeTemporaryFolder()
    const error = await copyError(root, createMemorySource({ app: { latest: await makeSchema1() } }), { dryRun: true })
    expect(error).toMatchObject({ code: 'unsupported' })
    expect(await filesOf(root)).toEqual([])
  })

  test('counts referrers and digest tags too', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const note = makeArtifact({ subject: image, payload: 'a note' })
    const source = createMemorySource({ app: { latest: { ...image, referrers: [note] } } })
    const { totals } = await copyInto(root, source, [request()], { dryRun: true, referrers: true })
    expect(totals).toMatchObject({ manifestsFetched: 2, blobsFetched: 4 })
  })
})

describe('totals and progress', () => {
  test('are exact: manifests, blobs, bytes, what was there, what is foreign', async () => {
    const [root, base] = [await makeTemporaryFolder(), await makeLayer('base')]
    const [one, two] = [
      await makeImage({ layers: [base, await makeLayer('one')] }),
      await makeImage({ layers: [base, await makeLayer('two'), await makeForeignLayer()], platform: 'linux/arm64' }),
    ]
    const source = createMemorySource({ app: { one, all: makeIndex([one, two]) } })
    const first = await copyInto(root, source, [request({ reference: 'one' })])
    expect(first.totals).toEqual({
      manifestsFetched: 1,
      blobsFetched: 3,
      bytesFetched: sum(source.calls.map(call => call.bytes)),
      blobsPresent: 0,
      bytesPresent: 0,
      foreignLayers: 0,
    })
    expect(first.totals.bytesFetched).toBe(one.root.size + sum([...one.blobs.values()].map(bytes => bytes.length)))
    source.forget()
    const second = await copyInto(root, source, [request({ reference: 'all' })])
    expect(second.totals).toEqual({
      manifestsFetched: 2,
      blobsFetched: 2,
      bytesFetched: sum(source.calls.map(call => call.bytes)),
      blobsPresent: 3,
      bytesPresent: sum([...one.blobs.values()].map(bytes => bytes.length)),
      foreignLayers: 1,
    })
  })

  test('each blob begins, grows to its size and is done; each manifest and tag is told once', async () => {
    const [root, graph, progress] = [await makeTemporaryFolder(), await makeMultiPlatform(), collectProgress()]
    const source = createMemorySource({ app: { latest: graph } }, { chunkSize: 50 })
    expectDone(await copyInto(root, source, [request()], { onProgress: progress.onProgress }))
    for (const [digest, bytes] of graph.blobs) {
      const events = progress.events.filter(event => 'digest' in event && event.digest === digest)
      expect(events[0]).toEqual({ type: 'blob-start', repository: 'app', digest, size: bytes.length, offset: 0 })
      expect(events.at(-1)).toEqual({ type: 'blob-done', repository: 'app', digest, size: bytes.length })
      const grown = events.slice(1, -1).map(event => (event.type === 'blob-bytes' ? event.bytes : Number.NaN))
      expect(sum(grown)).toBe(bytes.length)
    }
    const told = progress.events.filter(event => event.type === 'manifest-done').map(event => event.digest)
    expect([...told].sort()).toEqual([...graph.manifests.keys()].sort())
    expect(progress.events.at(-1)).toEqual({
      type: 'tag-done',
      repository: 'app',
      tag: 'latest',
      digest: graph.root.digest,
      changed: true,
    })
  })
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
