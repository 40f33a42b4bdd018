import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type * as timers from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Graph, makeImage, makeIndex, makeMultiPlatform, makeRaw, rootBytes } from '../support/made-images.ts'
import { makeBlob } from '../support/made-layers.ts'
import { only, surplus, truncated, wrongBytes } from '../support/memory-faults.ts'
import { createMemorySource, type Misbehaviour } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  copyError,
  copyInto,
  encodeJson,
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

/** A case: what the source holds at `app:latest`, how it misbehaves, and the codes that are right for it. */
interface Case {
  readonly graph: Graph
  readonly misbehaviour?: Misbehaviour
  readonly codes: readonly ErrorCode[]
}

/** A manifest of one blob, whose descriptor says what it likes. */
function manifestOf(descriptor: object, blob: Uint8Array, more: object = {}): Graph {
  const layer = { mediaType: 'text/plain', digest: digestOf(blob), size: blob.length, ...descriptor }
  return makeRaw(
    OCI_MANIFEST,
    encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: layer, layers: [], ...more }),
    [blob],
  )
}

/** An index of one image, whose entry says what it likes. */
function indexOf(image: Graph, entry: object): Graph {
  return makeIndex([{ ...image, entry }])
}

const blob = makeBlob(100_000)
const digest = digestOf(blob)
const root = (graph: Graph): Digest => graph.root.digest

const cases: Readonly<Record<string, () => Promise<Case>>> = {
  'a blob of other bytes': async () => ({
    graph: manifestOf({}, blob),
    misbehaviour: { faults: [only(digest, wrongBytes)] },
    codes: ['digest-mismatch'],
  }),
  'a blob that ends too early': async () => ({
    graph: manifestOf({}, blob),
    misbehaviour: { faults: [only(digest, truncated(99_999))] },
    codes: ['size-mismatch'],
  }),
  'a blob that goes on': async () => ({
    graph: manifestOf({}, blob),
    misbehaviour: { faults: [only(digest, surplus(1))] },
    codes: ['size-mismatch'],
  }),
  'a blob that is larger than its manifest says': async () => ({
    graph: manifestOf({ size: 99_999 }, blob),
    codes: ['size-mismatch'],
  }),
  'a blob that is smaller than its manifest says': async () => ({
    graph: manifestOf({ size: 100_001 }, blob),
    codes: ['size-mismatch'],
  }),
  'a blob of a size that no disk holds': async () => ({
    graph: manifestOf({ size: Number.MAX_SAFE_INTEGER }, blob),
    codes: ['size-mismatch', 'no-space'],
  }),
  'a manifest of other bytes': async () => {
    const graph = await makeImage()
    return { graph, misbehaviour: { faults: [only(root(graph), wrongBytes)] }, codes: ['digest-mismatch'] }
  },
  'a manifest that ends too early': async () => {
    const graph = await makeImage()
    return { graph, misbehaviour: { faults: [only(root(graph), truncated(100))] }, codes: ['size-mismatch'] }
  },
  'a manifest that goes on': async () => {
    const graph = await makeImage()
    return { graph, misbehaviour: { faults: [only(root(graph), surplus(1))] }, codes: ['size-mismatch'] }
  },
  'a tag of another size': async () => ({
    graph: await makeImage(),
    misbehaviour: { resolve: descriptor => ({ ...descriptor, size: descriptor.size + 1 }) },
    codes: ['size-mismatch'],
  }),
  'a tag of another media type': async () => ({
    graph: await makeImage(),
    misbehaviour: { resolve: descriptor => ({ ...descriptor, mediaType: DOCKER_MANIFEST }) },
    codes: ['bad-answer', 'manifest-invalid'],
  }),
  'an image that is said to be an index': async () => ({
    graph: await makeImage({ noMediaType: true }),
    misbehaviour: { resolve: descriptor => ({ ...descriptor, mediaType: OCI_INDEX }) },
    codes: ['bad-answer', 'manifest-invalid'],
  }),
  'a tag of a digest that the source does not hold': async () => ({
    graph: await makeImage(),
    misbehaviour: { resolve: descriptor => ({ ...descriptor, digest: digestOf('absent') }) },
    codes: ['not-found'],
  }),
  'a child of other bytes': async () => {
    const child = await makeImage()
    return {
      graph: makeIndex([child]),
      misbehaviour: { faults: [only(root(child), wrongBytes)] },
      codes: ['digest-mismatch'],
    }
  },
  'a child whose entry says another size': async () => ({
    graph: indexOf(await makeImage(), { size: 7 }),
    codes: ['size-mismatch'],
  }),
  'a child whose entry says another media type': async () => ({
    graph: indexOf(await makeImage(), { mediaType: DOCKER_MANIFEST }),
    codes: ['bad-answer', 'manifest-invalid'],
  }),
  'a child whose entry says that it is an index': async () => ({
    graph: indexOf(await makeImage({ noMediaType: true }), { mediaType: OCI_INDEX }),
    codes: ['bad-answer', 'manifest-invalid'],
  }),
  'a child that is not there': async () => {
    const child = await makeImage()
    const graph = makeIndex([child])
    return { graph: { ...graph, manifests: new Map([[root(graph), rootBytes(graph)]]) }, codes: ['not-found'] }
  },
  'an entry of unknown type that is not there': async () => ({
    graph: makeRaw(OCI_INDEX, encodeJson({ manifests: [{ mediaType: 'a/b', digest: digestOf('absent'), size: 6 }] })),
    codes: ['not-found'],
  }),
  'both manifests and layers': async () => ({
    graph: makeRaw(OCI_INDEX, encodeJson({ mediaType: OCI_INDEX, manifests: [], layers: [] })),
    codes: ['manifest-invalid'],
  }),
  'a manifest that is no JSON': async () => ({ graph: makeRaw(OCI_MANIFEST, 'no JSON'), codes: ['manifest-invalid'] }),
  'a digest that leads elsewhere': async () => ({
    graph: makeRaw(
      OCI_MANIFEST,
      encodeJson({ layers: [{ mediaType: 'a/b', digest: 'sha256:../../../../etc/passwd', size: 1 }] }),
    ),
    codes: ['manifest-invalid'],
  }),
  'a media type with a line break': async () => ({
    graph: makeRaw(OCI_MANIFEST, encodeJson({ mediaType: 'text/html\r\nX-Evil: 1', layers: [] })),
    codes: ['manifest-invalid', 'bad-answer'],
  }),
  'a negative size': async () => ({ graph: manifestOf({ size: -1 }, blob), codes: ['manifest-invalid'] }),
  'a manifest of 100 MB': async () => ({
    graph: makeRaw(OCI_MANIFEST, JSON.stringify({ layers: [], padding: ' '.repeat(100_000_000) })),
    codes: ['manifest-invalid', 'limit'],
  }),
}

describe('refused, and the tree is as before', () => {
  test.each(Object.entries(cases))('%s', async (_, makeCase) => {
    const [folder, { graph, misbehaviour, codes }] = [await makeTemporaryFolder(), await makeCase()]
    expectDone(
      await copyInto(folder, createMemorySource({ app: { old: await makeMultiPlatform({ seed: 'old' }) } }), [
        request({ reference: 'old' }),
      ]),
    )
    const before = await publicFiles(folder)
    const source = createMemorySource({ app: { latest: graph } }, misbehaviour)
    const error = await copyError(folder, source)
    expect(codes, `${error.code}: ${error.message}`).toContain(error.code)
    expect(error.side).toBe('source')
    expect(error.message).toMatch(/^[^\n]+$/)
    expect(error.hint, error.message).toMatch(/\S/)
    expect(await publicFiles(folder)).toEqual(before)
    expect(source.openings.active).toBe(0)
    for (const name of ['incoming', 'partial']) {
      expect(await readdir(join(folder, '.registrish', name)).catch(() => []), name).toEqual([])
    }
  })
})

describe('an image of which one part is bad', () => {
  test('is not visible in any part, and what was good is not fetched again', async () => {
    const [folder, image] = [await makeTemporaryFolder(), await makeMultiPlatform({ layers: 2 })]
    const bad = [...image.blobs.keys()].at(-1) ?? digest
    const source = createMemorySource({ app: { latest: image } }, { faults: [only(bad, wrongBytes)] })
    expect(await copyError(folder, source, { jobs: 1 })).toMatchObject({ code: 'digest-mismatch' })
    expect(await publicFiles(folder)).toEqual(new Map())
    const good = await readdir(join(folder, '.registrish/verified'))
    expect(good.length).toBeGreaterThan(0)
    const mended = createMemorySource({ app: { latest: image } })
    expectDone(await copyInto(folder, mended))
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [image, 'latest']))
    for (const name of good) expect(mended.handedOut(name as Digest), name).toBe(0)
    expect(await readdir(join(folder, '.registrish/verified'))).toEqual([])
  })
})

describe('what a source says of a digest', () => {
  test('must be about that digest', async () => {
    const [folder, image, other] = [await makeTemporaryFolder(), await makeImage(), await makeImage({ seed: 'other' })]
    const source = createMemorySource({ app: { latest: image, other } }, { resolve: () => other.root })
    const error = await errorOf(copyInto(folder, source, [request({ reference: image.root.digest, tag: 'pinned' })]))
    expect(error).toMatchObject({ side: 'source' })
    expect(['digest-mismatch', 'bad-answer']).toContain(error.code)
    expect(await publicFiles(folder)).toEqual(new Map())
  })
})

describe('what goes on and on is left', () => {
  test('a blob soon after its size', async () => {
    const folder = await makeTemporaryFolder()
    const source = createMemorySource(
      { app: { latest: manifestOf({}, blob) } },
      { faults: [only(digest, surplus(50_000_000))] },
    )
    expect(await copyError(folder, source)).toMatchObject({ code: 'size-mismatch' })
    expect(source.handedOut(digest)).toBeLessThan(4_000_000)
  })

  test('a manifest soon after its size', async () => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ app: { latest: image } }, { faults: [only(root(image), surplus(50_000_000))] })
    expect(await copyError(folder, source)).toMatchObject({ code: 'size-mismatch' })
    expect(source.handedOut(root(image))).toBeLessThan(8_000_000)
  })

  test('a manifest that says itself that it is too large is not opened', async () => {
    const folder = await makeTemporaryFolder()
    const graph = makeRaw(OCI_MANIFEST, JSON.stringify({ layers: [], padding: ' '.repeat(5_000_000) }))
    const source = createMemorySource({ app: { latest: graph } })
    await copyError(folder, source)
    expect(source.handedOut(root(graph))).toBe(0)
  })
})

describe('names', () => {
  test.each(['../x', 'manifests', 'a/blobs', 'A', '', 'a\nb'])('no tree holds a repository called %j', async target => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    const error = await errorOf(copyInto(folder, createMemorySource({ app: { latest: image } }), [request({ target })]))
    expect(error).toMatchObject({ code: 'name-invalid' })
    expect(await publicFiles(folder)).toEqual(new Map())
  })

  test.each(['../x', '.hidden', 'a:b', ''])('nothing is tagged %j', async tag => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ app: { latest: image } })
    expect(await errorOf(copyInto(folder, source, [request({ tag })]))).toMatchObject({ code: 'name-invalid' })
    expect(
      [...(await publicFiles(folder)).keys()].filter(path => path.includes('x') || path.includes('hidden')),
    ).toEqual([])
  })
})

test('an entry that claims an ordinary type is never taken for a blob', async () => {
  const [folder, data] = [await makeTemporaryFolder(), makeBlob(300)]
  const entry = { mediaType: OCI_MANIFEST, digest: digestOf(data), size: 300 }
  const graph = makeRaw(OCI_INDEX, encodeJson({ schemaVersion: 2, manifests: [entry] }), [data])
  expect(await copyError(folder, createMemorySource({ app: { latest: graph } }))).toMatchObject({ side: 'source' })
  expect(await publicFiles(folder)).toEqual(new Map())
})

test.each(['application/octet-stream', 'application/json', 'text/plain', ''])(
  'a source that calls a manifest %j says nothing, and contradicts nothing',
  async mediaType => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    const resolve = (descriptor: Descriptor): Descriptor => ({ ...descriptor, mediaType })
    expectDone(await copyInto(folder, createMemorySource({ app: { latest: image } }, { resolve })))
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [image, 'latest']))
  },
)

describe('what is in the tree already is no reason to believe', () => {
  const lies: Readonly<Record<string, Partial<Descriptor>>> = {
    'a wrong size': { size: 7 },
    'a wrong media type': { mediaType: DOCKER_MANIFEST },
  }

  test.each(Object.entries(lies))('a tag with %s', async (_, lie) => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    expectDone(await copyInto(folder, createMemorySource({ app: { latest: image } })))
    const resolve = (descriptor: Descriptor): Descriptor => ({ ...descriptor, ...lie })
    const source = createMemorySource({ app: { other: image } }, { resolve })
    const error = await errorOf(copyInto(folder, source, [request({ reference: 'other' })]))
    expect(['size-mismatch', 'manifest-invalid']).toContain(error.code)
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test.each(Object.entries(lies))('an index that names a child with %s', async (_, lie) => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    expectDone(await copyInto(folder, createMemorySource({ app: { latest: image } })))
    const source = createMemorySource({ app: { other: indexOf(image, lie) } })
    const error = await errorOf(copyInto(folder, source, [request({ reference: 'other' })]))
    expect(['size-mismatch', 'manifest-invalid']).toContain(error.code)
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test('an index that lies about a child which an honest one names at the same time', async () => {
    const [folder, image] = [await makeTemporaryFolder(), await makeImage()]
    const [honest, liar] = [makeIndex([image]), indexOf(image, { size: 7 })]
    const source = createMemorySource({ app: { honest, liar } })
    const requests = [request({ reference: 'liar' }), request({ reference: 'honest' })]
    const { results } = await copyInto(folder, source, requests)
    expect(results.map(result => result.error?.code)).toEqual(['size-mismatch', undefined])
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [honest, 'honest']))
  })

  test('an image that says another size of a blob', async () => {
    const folder = await makeTemporaryFolder()
    const honest = manifestOf({}, blob)
    expectDone(await copyInto(folder, createMemorySource({ app: { latest: honest } })))
    const source = createMemorySource({ app: { other: manifestOf({ size: 7 }, blob) } })
    const error = await errorOf(copyInto(folder, source, [request({ reference: 'other' })]))
    expect(error).toMatchObject({ code: 'size-mismatch', side: 'source' })
    expect(await publicFiles(folder)).toEqual(expectedFiles('app', [honest, 'latest']))
  })
})

test('a manifest that says two sizes of one blob is refused', async () => {
  const folder = await makeTemporaryFolder()
  const graph = manifestOf({}, blob, { layers: [{ mediaType: 'text/plain', digest, size: 7 }] })
  const error = await copyError(folder, createMemorySource({ app: { latest: graph } }))
  expect(error).toMatchObject({ code: 'size-mismatch', side: 'source' })
  expect([...(await publicFiles(folder)).keys()].filter(path => path.includes('/manifests/'))).toEqual([])
})

test('an index that names the same children thousands of times, many levels deep, comes to an end', async () => {
  const folder = await makeTemporaryFolder()
  let graph = await makeImage()
  for (let depth = 0; depth < 10; depth += 1) graph = makeIndex(Array.from({ length: 300 }, () => graph))
  expectDone(await copyInto(folder, createMemorySource({ app: { latest: graph } })))
  expect(await publicFiles(folder)).toEqual(expectedFiles('app', [graph, 'latest']))
})

test('indexes that are nested beyond all reason are refused', async () => {
  const folder = await makeTemporaryFolder()
  let graph = await makeImage()
  for (let depth = 0; depth < 200; depth += 1) graph = makeIndex([graph])
  const error = await copyError(folder, createMemorySource({ app: { latest: graph } }))
  expect(error).toMatchObject({ code: 'unsupported', side: 'source' })
  expect(await publicFiles(folder)).toEqual(new Map())
})
