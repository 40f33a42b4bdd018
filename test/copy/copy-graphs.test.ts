import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeBlobChild,
  makeCosignSignature,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeRaw,
  makeSchema1,
  rootBytes,
} from '../support/made-images.ts'
import { makeBigLayer, makeBlob, makeEmptyLayer, makeForeignLayer, makeLayer } from '../support/made-layers.ts'
import { createMemorySource } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { copyError, copyInto, encodeJson, expectDone, expectedFiles, publicFiles, request } from './copy-support.ts'

describe('every graph is copied byte for byte, and nothing else appears', () => {
  const shapes: Readonly<Record<string, () => Promise<Graph>>> = {
    'an image': () => makeImage({ layers: 3 }),
    'an image without layers': () => makeImage({ layers: 0 }),
    'a Docker image': () => makeImage({ docker: true, layers: 2 }),
    'an image without mediaType': () => makeImage({ noMediaType: true }),
    'an index': makeMultiPlatform,
    'a Docker manifest list': () => makeMultiPlatform({ docker: true }),
    'an index without mediaType, as its children are': () => makeMultiPlatform({ noMediaType: true }),
    'an index without children': async () => makeIndex([]),
    'an OCI index of Docker images': async () => makeIndex([await makeImage({ docker: true })]),
    'an index with attestations': async () => {
      const [one, two] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
      return makeIndex([one, two, makeAttestation(one), makeAttestation(two)])
    },
    'nested indexes': async () => {
      const inner = makeIndex([await makeImage(), await makeImage({ platform: 'linux/arm64' })])
      return makeIndex([makeIndex([inner, makeArtifact({ payload: 'beside' })]), await makeImage({ seed: 'outer' })])
    },
    'an index that names the same child twice': async () => {
      const image = await makeImage()
      return makeIndex([image, makeIndex([image]), image])
    },
    'an artifact with an empty config': async () => makeArtifact({ payload: 'payload' }),
    'an artifact without payload': async () => makeArtifact(),
    'an artifact with an empty payload': async () => makeArtifact({ payload: new Uint8Array() }),
    'a cosign signature': async () => makeCosignSignature(await makeImage()),
    'a referrer whose subject is elsewhere': async () => makeArtifact({ subject: await makeImage() }),
    'layers of all sorts': async () =>
      makeImage({
        layers: [
          makeEmptyLayer(),
          await makeLayer('plain', { compression: 'none' }),
          await makeBigLayer(3_000_000),
          makeEmptyLayer(),
        ],
      }),
    'an image that names its blobs by sha512': () => makeImage({ sha512: true }),
    'an index that names its children by sha512': async () =>
      makeIndex([await makeImage({ sha512: true }), await makeImage({ platform: 'linux/arm64' })], { sha512: true }),
    'a manifest of a type that nobody knows': () => makeImage({ mediaType: 'application/vnd.example.thing.v7+json' }),
    'an index with a manifest of unknown type': async () =>
      makeIndex([await makeImage(), await makeImage({ mediaType: 'application/vnd.example.thing.v7+json' })]),
    'an index with a blob of unknown type': async () => makeIndex([await makeImage(), makeBlobChild(makeBlob(2000))]),
    'an index with a blob that is JSON and no manifest': async () =>
      makeIndex([await makeImage(), makeBlobChild(encodeJson({ hello: 'there' }), 'application/vnd.example.v1+json')]),
    'an OCI artifact manifest of the withdrawn kind': async () => {
      const payload = makeBlob(100)
      const mediaType = 'application/vnd.oci.artifact.manifest.v1+json'
      const blob = { mediaType: 'text/plain', digest: digestOf(payload), size: payload.length }
      return makeRaw(mediaType, encodeJson({ mediaType, artifactType: 'a/b', blobs: [blob] }), [payload])
    },
    'a manifest with odd white space and members': async () => {
      const config = makeBlob(10)
      const descriptor = { mediaType: 'a/b', digest: digestOf(config), size: 10, data: 'eA==', 'x-other': null }
      const text = JSON.stringify({ ключ: '\u2028', config: descriptor, layers: [], schemaVersion: 2 }, null, '\t')
      return makeRaw('application/vnd.oci.image.manifest.v1+json', `\r\n ${text}\n`, [config])
    },
  }

  test.each(Object.entries(shapes))('%s', async (_, makeGraph) => {
    const [root, graph] = [await makeTemporaryFolder(), await makeGraph()]
    const report = await copyInto(root, createMemorySource({ 'library/app': { '1.0': graph } }), [
      request({ repository: 'library/app', reference: '1.0', target: 'app' }),
    ])
    expectDone(report)
    expect(report.results).toMatchObject([{ digest: graph.root.digest, changed: true }])
    expect(await publicFiles(root)).toEqual(withSha256(expectedFiles('app', [graph, '1.0'])))
  })
})

/** Manifests also stand at their sha256 digest (design §4). */
function withSha256(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const named = [...files].filter(([path]) => path.includes('/manifests/'))
  const added = named.map(([path, hex]) => {
    return [path.replace(/[^/]+$/, digestOf(Buffer.from(hex, 'hex'))), hex] as const
  })
  return new Map([...files, ...added])
}

describe('what a request names', () => {
  test('a digest is copied without a tag', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: index } })
    const report = await copyInto(root, source, [request({ reference: index.root.digest })])
    expectDone(report)
    expect(report.results).toMatchObject([{ digest: index.root.digest, changed: true }])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [index]))
  })

  test('a digest can be given a tag, a tag another one', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const source = createMemorySource({ app: { latest: index } })
    const byDigest = request({ reference: index.root.digest, tag: 'pinned' })
    expectDone(await copyInto(root, source, [byDigest, request({ tag: 'stable' })]))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [index, 'pinned', 'stable']))
  })

  test('a child of an index is copied alone', async () => {
    const [root, child] = [await makeTemporaryFolder(), await makeImage({ platform: 'linux/arm64' })]
    const source = createMemorySource({ app: { latest: makeIndex([await makeImage(), child]) } })
    expectDone(await copyInto(root, source, [request({ reference: child.root.digest, tag: 'arm64' })]))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [child, 'arm64']))
  })

  test('a sha512 digest stands in the tree at both of its digests', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const sha512 = digestOf(rootBytes(image), 'sha512')
    const named = { ...image, manifests: new Map([...image.manifests, [sha512, rootBytes(image)]]) }
    const source = createMemorySource({ app: { latest: named } })
    const report = await copyInto(root, source, [request({ reference: sha512, tag: 'pinned' })])
    expectDone(report)
    expect(report.results[0]?.digest).toBe(sha512)
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [named, 'pinned']))
  })

  test('tags that look like numbers and file names stay as they are', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const tags = ['007', '1.10', '1e3', 'RC1', 'latest.html', 'x.tar.gz']
    const source = createMemorySource({ app: Object.fromEntries(tags.map(tag => [tag, image])) })
    expectDone(
      await copyInto(
        root,
        source,
        tags.map(reference => request({ reference })),
      ),
    )
    expect(await openTree(root).tags('app')).toEqual(tags)
  })

  test('no request is no work', async () => {
    const [root, source] = [await makeTemporaryFolder(), createMemorySource({})]
    const { results, totals } = await copyInto(root, source, [])
    expect(results).toEqual([])
    expect(new Set(Object.values(totals))).toEqual(new Set([0]))
    expect([source.calls, await publicFiles(root)]).toEqual([[], new Map()])
  })
})

describe('links', () => {
  test('a tag and the manifest that it names are one file, a blob of two repositories too', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ one: { latest: image }, 'two/deep': { latest: image } })
    expectDone(await copyInto(root, source, [request({ repository: 'one' }), request({ repository: 'two/deep' })]))
    const inode = async (path: string): Promise<number> => (await stat(join(root, 'v2', path))).ino
    expect(await inode('one/manifests/latest')).toBe(await inode(`one/manifests/${image.root.digest}`))
    expect(image.blobs.size).toBe(2)
    for (const digest of image.blobs.keys()) {
      expect(await inode(`one/blobs/${digest}`)).toBe(await inode(`two/deep/blobs/${digest}`))
    }
  })
})

describe('foreign layers', () => {
  test('one that the source holds is copied', async () => {
    const [root, layer] = [await makeTemporaryFolder(), await makeForeignLayer()]
    const image = await makeImage({ layers: [await makeLayer(), layer] })
    const whole = { ...image, blobs: new Map([...image.blobs, [digestOf(layer.bytes), layer.bytes]]) }
    const report = await copyInto(root, createMemorySource({ app: { latest: whole } }))
    expectDone(report)
    expect(report.totals.foreignLayers).toBe(0)
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [whole, 'latest']))
  })

  test.each([false, true])('one that it does not hold is left out and counted (Docker: %s)', async docker => {
    const root = await makeTemporaryFolder()
    const image = await makeImage({ docker, layers: [await makeForeignLayer(), await makeLayer()] })
    const source = createMemorySource({ app: { latest: image } })
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.totals).toMatchObject({ foreignLayers: 1, blobsFetched: 2 })
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test('two images that share one are both copied, and it is counted once', async () => {
    const root = await makeTemporaryFolder()
    const layers = [await makeForeignLayer(), await makeLayer()]
    const [one, two] = [await makeImage({ layers }), await makeImage({ layers, platform: 'linux/arm64' })]
    const report = await copyInto(root, createMemorySource({ app: { latest: makeIndex([one, two]) } }))
    expectDone(report)
    expect(report.totals.foreignLayers).toBe(1)
  })

  test('one that was left out is asked for again by the next run, and nothing else', async () => {
    const root = await makeTemporaryFolder()
    const foreign = await makeForeignLayer()
    const source = createMemorySource({
      app: { latest: await makeImage({ layers: [foreign, await makeLayer()] }) },
    })
    expectDone(await copyInto(root, source))
    source.forget()
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.totals).toMatchObject({ blobsFetched: 0, manifestsFetched: 0, foreignLayers: 1 })
    expect(report.results).toMatchObject([{ changed: false }])
    expect(source.log()).toEqual(['resolve app latest', `open blob app ${digestOf(foreign.bytes)}`])
  })

  test('an absent layer without urls is an error', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    const [first = image.root.digest] = image.blobs.keys()
    const blobs = new Map([...image.blobs].filter(([digest]) => digest !== first))
    const error = await copyError(root, createMemorySource({ app: { latest: { ...image, blobs } } }))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(error.message).toContain(first)
    expect(await openTree(root).tags('app')).toEqual([])
  })
})

describe('entries of unknown type', () => {
  test.each([100, 5_000_000])('a blob of %d bytes costs no request when it is there', async size => {
    const root = await makeTemporaryFolder()
    const graph = makeIndex([await makeImage(), makeBlobChild(makeBlob(size))])
    const source = createMemorySource({ app: { latest: graph } })
    expectDone(await copyInto(root, source))
    source.forget()
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: false }])
    expect(source.log()).toEqual(['resolve app latest'])
  })

  const children: Readonly<Record<string, () => Promise<Graph>>> = {
    'no JSON': async () => makeBlobChild(makeBlob(2000)),
    'JSON, but no manifest': async () => makeBlobChild(encodeJson({ hello: 'there' }), 'application/vnd.example+json'),
    'a manifest by its shape, but called something else': async () =>
      makeBlobChild(encodeJson({ layers: [] }), 'application/vnd.example.data'),
    'larger than any manifest': async () => makeBlobChild(makeBlob(5_000_000)),
  }
  test.each(Object.entries(children))(
    '%s is a blob, where the source does not keep the two apart',
    async (_, makeChild) => {
      const [root, child] = [await makeTemporaryFolder(), await makeChild()]
      const graph = makeIndex([await makeImage(), child])
      const mixed = { ...graph, manifests: new Map([...graph.manifests, ...child.blobs]) }
      expectDone(await copyInto(root, createMemorySource({ app: { latest: mixed } })))
      expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
    },
  )

  test('a manifest with a missing part is not taken for a blob', async () => {
    const [root, child] = [await makeTemporaryFolder(), await makeImage({ mediaType: 'application/vnd.example.v7' })]
    const graph = makeIndex([child])
    const broken = { ...graph, blobs: child.manifests }
    const error = await copyError(root, createMemorySource({ app: { latest: broken } }))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(await publicFiles(root)).toEqual(new Map())
  })
})

test('schema 1 is refused with a way out, and nothing is written', async () => {
  const root = await makeTemporaryFolder()
  const error = await copyError(root, createMemorySource({ app: { latest: await makeSchema1() } }))
  expect(error).toMatchObject({ code: 'unsupported', side: 'source' })
  expect(error.hint).toMatch(/\S/)
  expect(await publicFiles(root)).toEqual(new Map())
})

test.each([7, 100_000, 10_000_000])('a blob that comes in pieces of %d bytes is copied whole', async chunkSize => {
  const [root, graph] = [await makeTemporaryFolder(), makeArtifact({ payload: makeBlob(2_500_000) })]
  expectDone(await copyInto(root, createMemorySource({ app: { latest: graph } }, { chunkSize })))
  expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
})

test('the embedded data of a descriptor does not replace the blob', async () => {
  const [root, artifact] = [await makeTemporaryFolder(), makeArtifact({ payload: 'text' })]
  expectDone(await copyInto(root, createMemorySource({ app: { latest: artifact } })))
  expect(await readFile(join(root, 'v2/app/blobs', digestOf('{}')), 'utf8')).toBe('{}')
})
