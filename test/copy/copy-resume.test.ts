import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type * as timers from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { copyImages } from '../../src/copy/copy.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { partialPath } from '../../src/tree/layout.ts'
import { type Graph, makeArtifact, makeImage } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'
import {
  breaksAt,
  breaksEvery,
  createGate,
  first,
  ignoresOffset,
  isAbsent,
  only,
  truncated,
  waitsAt,
} from '../support/memory-faults.ts'
import { createMemorySource, type Fault, type MemorySource, type Misbehaviour } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  collectProgress,
  copyError,
  copyInto,
  errorOf,
  expectDone,
  expectedFiles,
  publicFiles,
  request,
} from './copy-support.ts'

/** Pauses pass at once. */
vi.mock('node:timers/promises', async original => ({
  ...(await original<typeof timers>()),
  setTimeout: async (_delay: number, value: unknown, options: { readonly signal?: AbortSignal } = {}) => {
    await new Promise(setImmediate)
    options.signal?.throwIfAborted()
    return value
  },
}))

const SIZE = 3_000_000
const CHUNK = 65_536

interface Big {
  readonly root: string
  readonly source: MemorySource
  readonly graph: Graph
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** A tree, and a source of an artifact with one blob of {@link SIZE} bytes; the faults concern that blob only. */
async function makeBig(fault?: Fault, misbehaviour: Misbehaviour = {}): Promise<Big> {
  const [root, bytes] = [await makeTemporaryFolder(), makeBlob(SIZE)]
  const [graph, digest] = [makeArtifact({ payload: bytes }), digestOf(bytes)]
  const faults = fault === undefined ? [] : [only(digest, fault)]
  const source = createMemorySource({ app: { latest: graph } }, { ...misbehaviour, faults })
  return { root, source, graph, descriptor: { mediaType: OCTET_STREAM, digest, size: SIZE }, bytes }
}

async function writePartial(root: string, { digest }: Descriptor, bytes: Uint8Array): Promise<void> {
  const path = join(root, partialPath(digest))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}

/** The offsets at which a blob was opened, in order. */
function offsets(source: MemorySource, { digest }: Descriptor): readonly number[] {
  return source.calls.filter(call => call.reference === digest).map(call => call.offset ?? 0)
}

async function expectWhole({ root, graph }: Big): Promise<void> {
  expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
}

describe('a stream that breaks', () => {
  test.each([1, 700_000, CHUNK * 16, SIZE - 1, SIZE])('at byte %d is taken up there', async position => {
    const big = await makeBig(first(1, breaksAt(position)))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual(position === SIZE ? [0] : [0, position])
    expect(big.source.handedOut(big.descriptor.digest)).toBe(SIZE)
  })

  test('again and again goes on as long as there is some progress', async () => {
    const big = await makeBig(breaksEvery(200_000))
    expectDone(await copyInto(big.root, big.source, [request()], { retryTimes: 1 }))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual(Array.from({ length: 15 }, (_, time) => time * 200_000))
  })

  test.each([0, 2])('without any progress is given up after %d more tries, and the part is kept', async retryTimes => {
    const big = await makeBig(breaksAt(1_000_000))
    const error = await copyError(big.root, big.source, { retryTimes })
    expect(error).toMatchObject({ code: 'unreachable', side: 'source' })
    expect(offsets(big.source, big.descriptor)).toEqual([0, ...Array.from({ length: retryTimes }, () => 1_000_000)])
    expect((await stat(join(big.root, partialPath(big.descriptor.digest)))).size).toBe(1_000_000)
  })

  test('is told of, with the reason', async () => {
    const [big, progress] = [await makeBig(first(1, breaksAt(700_000))), collectProgress()]
    expectDone(await copyInto(big.root, big.source, [request()], { onProgress: progress.onProgress }))
    const retries = progress.events.filter(event => event.type === 'retry')
    expect(retries).toMatchObject([{ what: expect.stringMatching(/\S/), reason: expect.stringContaining('broke') }])
  })

  test('that ends too early, as if all were well, is taken up too', async () => {
    const big = await makeBig(first(1, truncated(500_000)))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(big.source.handedOut(big.descriptor.digest)).toBe(SIZE)
  })
})

describe('after the death of a process', () => {
  test('the next one asks for the rest only', async () => {
    const big = await makeBig(first(1, breaksAt(1_000_000)))
    await copyError(big.root, big.source, { retryTimes: 0 })
    expect(await openTree(big.root).tags('app')).toEqual([])
    big.source.forget()
    const next = createMemorySource({ app: { latest: big.graph } })
    expectDone(await copyInto(big.root, next))
    await expectWhole(big)
    expect(offsets(next, big.descriptor)).toEqual([1_000_000])
    expect(next.handedOut(big.descriptor.digest)).toBe(SIZE - 1_000_000)
  })

  test('what it left on disk is enough: nothing else is needed', async () => {
    const big = await makeBig()
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_234_567))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual([1_234_567])
  })

  test('a part that is whole is not asked for again', async () => {
    const big = await makeBig()
    await writePartial(big.root, big.descriptor, big.bytes)
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual([])
  })

  const damaged: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
    'with other bytes': () => makeBlob(1_000_000, 'damage'),
    'whole, with other bytes': () => makeBlob(SIZE, 'damage'),
    'longer than the blob': bytes => Buffer.concat([bytes, new Uint8Array(10)]),
    'much longer than the blob': () => makeBlob(SIZE * 2, 'damage'),
    'with a hole of zeros at its end': bytes => Buffer.concat([bytes.subarray(0, 900_000), new Uint8Array(100_000)]),
  }
  test.each(Object.entries(damaged))('a part %s is recovered from', async (_, damage) => {
    const big = await makeBig()
    await writePartial(big.root, big.descriptor, damage(big.bytes))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor).at(-1)).toBe(0)
    expect(big.source.handedOut(big.descriptor.digest)).toBeLessThanOrEqual(2 * SIZE)
  })

  test.each(['ignored', 'damaged'])('progress comes out at the size, though a part is %s', async what => {
    const [big, progress] = [await makeBig(what === 'ignored' ? ignoresOffset : undefined), collectProgress()]
    const part = what === 'ignored' ? big.bytes : makeBlob(SIZE, 'damage')
    await writePartial(big.root, big.descriptor, part.subarray(0, 1_000_000))
    expectDone(await copyInto(big.root, big.source, [request()], { onProgress: progress.onProgress }))
    let position = Number.NaN
    for (const event of progress.events) {
      if (!('digest' in event) || event.digest !== big.descriptor.digest) continue
      if (event.type === 'blob-start') position = event.offset
      if (event.type === 'blob-bytes') position += event.bytes
      expect(position).toBeGreaterThanOrEqual(0)
      expect(position).toBeLessThanOrEqual(SIZE)
    }
    expect(position).toBe(SIZE)
  })

  test('a part of a blob that the tree holds meanwhile is of no use, and no harm', async () => {
    const big = await makeBig()
    expectDone(await copyInto(big.root, big.source))
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1000))
    const other = createMemorySource({ other: { latest: big.graph } })
    expectDone(await copyInto(big.root, other, [request({ repository: 'other' })]))
    expect(offsets(other, big.descriptor)).toEqual([])
  })
})

describe('a source that does not begin where it was asked to', () => {
  test('but at the beginning: the blob is right, and its bytes are counted once', async () => {
    const big = await makeBig(ignoresOffset)
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_000_000))
    const report = await copyInto(big.root, big.source)
    expectDone(report)
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual([1_000_000])
  })

  test('but at the beginning, and breaks: it is taken up again', async () => {
    const big = await makeBig((opening, answer) => first(1, breaksAt(500_000))(opening, { ...answer, offset: 0 }))
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_000_000))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
  })

  test('but a little earlier: it is fetched anew', async () => {
    const big = await makeBig((_, answer) => ({ ...answer, offset: Math.max(0, answer.offset - 100_001) }))
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_000_000))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(big.source.openings.active).toBe(0)
  })

  test('but later: that is no use, and the next try is right', async () => {
    const big = await makeBig(first(1, (_, answer) => ({ ...answer, offset: answer.offset + 10 })))
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_000_000))
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(big.source.openings.active).toBe(0)
  })

  test('ever: that is refused', async () => {
    const big = await makeBig((_, answer) => ({ ...answer, offset: answer.offset + 10 }))
    await writePartial(big.root, big.descriptor, big.bytes.subarray(0, 1_000_000))
    expect(await copyError(big.root, big.source)).toMatchObject({ code: 'bad-answer', side: 'source' })
    expect(big.source.openings.active).toBe(0)
    expect(await openTree(big.root).tags('app')).toEqual([])
  })
})

describe('abort', () => {
  test('while a blob is running: the copy is refused, the part is kept, nothing stays locked', async () => {
    const big = await makeBig(first(1, waitsAt(CHUNK * 20, createGate().opened)))
    const controller = new AbortController()
    const copying = copyInto(big.root, big.source, [request()], { signal: controller.signal })
    const refused = expect(copying).rejects.toMatchObject({ code: 'aborted' })
    while (big.source.handedOut(big.descriptor.digest) < CHUNK * 20) await new Promise(setImmediate)
    controller.abort()
    await refused
    expect(big.source.openings.active).toBe(0)
    const { size } = await stat(join(big.root, partialPath(big.descriptor.digest)))
    expect(size).toBe(CHUNK * 20)
    expect(await publicFiles(big.root)).not.toContain('app/manifests/latest')
    big.source.forget()
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
    expect(offsets(big.source, big.descriptor)).toEqual([size])
  })

  test('before it begins: nothing is asked for and nothing written', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ app: { latest: image } })
    const copying = copyInto(root, source, [request()], { signal: AbortSignal.abort() })
    await expect(copying).rejects.toMatchObject({ code: 'aborted' })
    expect(source.calls.filter(call => call.method === 'open')).toEqual([])
    expect(await publicFiles(root)).toEqual(new Map())
  })

  test('while it waits for another try', async () => {
    const big = await makeBig(breaksAt(10))
    const controller = new AbortController()
    const onProgress = (event: { readonly type: string }): void => {
      if (event.type === 'retry') controller.abort()
    }
    const { signal } = controller
    const copying = copyInto(big.root, big.source, [request()], { signal, retryTimes: 1000, onProgress })
    await expect(copying).rejects.toMatchObject({ code: 'aborted' })
    expect(offsets(big.source, big.descriptor)).toHaveLength(1)
  })

  test('while it waits for another process at the same blob', async () => {
    const big = await makeBig()
    const writer = await openTree(big.root).writeBlob('app', big.descriptor)
    const controller = new AbortController()
    const tree = openTree(big.root)
    let waits = (): void => {}
    const waiting = new Promise<void>(resolve => {
      waits = resolve
    })
    const watched = {
      ...tree,
      writeBlob: (...args: Parameters<typeof tree.writeBlob>) => {
        if (args[1].digest === big.descriptor.digest) waits()
        return tree.writeBlob(...args)
      },
    }
    const copying = copyImages(big.source, watched, [request()], { signal: controller.signal })
    const refused = expect(copying).rejects.toMatchObject({ code: 'aborted' })
    await waiting
    controller.abort()
    await refused
    await writer.close()
    expectDone(await copyInto(big.root, big.source))
    await expectWhole(big)
  })
})

describe('when a copy has ended', () => {
  test('nothing of it is still running, though one part failed early', async () => {
    const gate = createGate()
    const [root, slow] = [await makeTemporaryFolder(), makeBlob(SIZE, 'slow')]
    const image = await makeImage({ layers: [{ bytes: slow, diffId: digestOf(slow), compression: 'none' }] })
    const [config = image.root.digest] = image.blobs.keys()
    const whenSlowWaits: Fault = async (opening, answer) => {
      while (source.handedOut(digestOf(slow)) < CHUNK) await new Promise(setImmediate)
      return isAbsent(opening, answer)
    }
    const source = createMemorySource(
      { app: { latest: image } },
      { faults: [only(config, whenSlowWaits), only(digestOf(slow), waitsAt(CHUNK, gate.opened))] },
    )
    const copying = errorOf(copyInto(root, source))
    while (source.handedOut(digestOf(slow)) < CHUNK) await new Promise(setImmediate)
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
    gate.open()
    expect(await copying).toMatchObject({ code: 'not-found' })
    expect(source.openings.active).toBe(0)
    const locks = await readdir(join(root, '.registrish/locks'), { recursive: true }).catch(() => [])
    expect(locks.filter(name => name.includes(digestOf(slow).slice(7)))).toEqual([])
  })
})
