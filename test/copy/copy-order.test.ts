import { describe, expect, test } from 'vitest'
import { copyImages } from '../../src/copy/copy.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseManifest, references } from '../../src/oci/manifest.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  withAllReferrers,
  withReferrers,
} from '../support/made-images.ts'
import { makeLayer } from '../support/made-layers.ts'
import { createGate, isAbsent, only, waitsAt } from '../support/memory-faults.ts'
import { createMemorySource, type Fault } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { copyInto, expectDone, expectedFiles, publicFiles, request, watchTree } from './copy-support.ts'

/** Expects each manifest of a graph to have become visible after all that it points to, and the tag after all of them. */
function expectOrder(seen: readonly string[], repository: string, tag: string, graph: Graph): void {
  const position = (line: string): number => {
    expect(seen, `what became visible in ${repository}`).toContain(line)
    return seen.indexOf(line)
  }
  for (const [digest, bytes] of graph.manifests) {
    const parent = position(`manifest ${repository} ${digest}`)
    for (const { digest: child } of references(parseManifest(bytes))) {
      const kind = graph.manifests.has(child) ? 'manifest' : 'blob'
      expect(position(`${kind} ${repository} ${child}`), `${child} before ${digest}`).toBeLessThan(parent)
    }
    expect(parent, `${digest} before ${tag}`).toBeLessThan(position(`tag ${repository} ${tag}`))
  }
}

async function makeNested(seed = 'image'): Promise<Graph> {
  const image = await makeImage({ seed, layers: 3 })
  const inner = makeIndex([image, makeAttestation(image), await makeImage({ seed, platform: 'linux/arm64' })])
  return makeIndex([inner, makeArtifact({ payload: seed })])
}

describe('order of visibility', () => {
  test.each([1, 2, 8])('blobs before their manifest, children before parents, the tag last (%d jobs)', async jobs => {
    const [tree, graph] = [watchTree(await makeTemporaryFolder()), await makeNested()]
    expectDone(await copyImages(createMemorySource({ app: { latest: graph } }), tree, [request()], { jobs }))
    expectOrder(tree.seen, 'app', 'latest', graph)
    expect(tree.seen.at(-1)).toBe('tag app latest')
  })

  test('it holds in each repository, where images of several share everything', async () => {
    const [tree, one, two] = [watchTree(await makeTemporaryFolder()), await makeNested(), await makeNested('two')]
    const source = createMemorySource({ a: { x: one, y: two }, b: { x: one }, c: { y: two, z: two } })
    const requests = ['a x', 'a y', 'b x', 'c y', 'c z'].map(text => {
      const [repository = '', reference = ''] = text.split(' ')
      return request({ repository, reference })
    })
    expectDone(await copyImages(source, tree, requests))
    for (const [repository, tag, graph] of [
      ['a', 'x', one],
      ['a', 'y', two],
      ['b', 'x', one],
      ['c', 'y', two],
      ['c', 'z', two],
    ] as const) {
      expectOrder(tree.seen, repository, tag, graph)
    }
  })

  test('what refers to an image comes after it, and before the tag', async () => {
    const [tree, image] = [watchTree(await makeTemporaryFolder()), await makeImage()]
    const note = makeArtifact({ subject: image, payload: 'a note' })
    const graph = withReferrers(image, withReferrers(note, makeArtifact({ subject: note, payload: 'its signature' })))
    const source = createMemorySource({ app: { latest: graph } })
    expectDone(await copyImages(source, tree, [request()], { referrers: true }))
    const [first, ...others] = withAllReferrers(graph).map(({ root }) =>
      tree.seen.indexOf(`manifest app ${root.digest}`),
    )
    expect(others).toHaveLength(2)
    expect(first).toBeGreaterThan(0)
    for (const position of others) expect(position).toBeGreaterThan(first ?? 0)
    expect(tree.seen.at(-1)).toBe('tag app latest')
  })
})

describe('each blob once', () => {
  test.each([1, 4])('a blob that many images and repositories name is downloaded once (%d jobs)', async jobs => {
    const [root, base] = [await makeTemporaryFolder(), await makeLayer('base')]
    const images = await Promise.all(
      Array.from({ length: 6 }, async (_, position) =>
        makeImage({ layers: [base, await makeLayer(`own-${position}`)] }),
      ),
    )
    const repositories = Object.fromEntries(images.map((image, position) => [`repository-${position % 3}`, image]))
    const held = Object.fromEntries(
      Object.keys(repositories).map(name => [
        name,
        Object.fromEntries(images.map((image, position) => [`tag-${position}`, image])),
      ]),
    )
    const source = createMemorySource(held, { chunkSize: 50 })
    const requests = Object.entries(held).flatMap(([repository, tags]) =>
      Object.keys(tags).map(reference => request({ repository, reference })),
    )
    expect(requests).toHaveLength(18)
    const report = await copyInto(root, source, requests, { jobs })
    expectDone(report)
    const blobs = new Map(images.flatMap(image => [...image.blobs]))
    expect(blobs.size).toBe(13)
    for (const digest of blobs.keys()) expect(source.opened(digest), digest).toBe(1)
    expect(report.totals.blobsFetched).toBe(13)
    const files = Object.keys(held).flatMap(name => [
      ...expectedFiles(name, ...images.map((image, position) => [image, `tag-${position}`] as const)),
    ])
    expect(await publicFiles(root)).toEqual(new Map(files))
  })

  test('a manifest that many tags name is opened once, and resolved for each tag', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const tags = ['a', 'b', 'c', 'd']
    const source = createMemorySource({ app: Object.fromEntries(tags.map(tag => [tag, image])) })
    expectDone(
      await copyInto(
        root,
        source,
        tags.map(reference => request({ reference })),
      ),
    )
    expect(source.opened(image.root.digest)).toBe(1)
    expect(
      source.calls
        .filter(call => call.method === 'resolve')
        .map(call => call.reference)
        .sort(),
    ).toEqual(tags)
  })

  test('one that two indexes share is copied once though one of them waits', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage({ layers: 2 })]
    const indexes = [makeIndex([image, makeArtifact({ payload: 'one' })]), makeIndex([image])]
    const source = createMemorySource({ app: { one: indexes[0] ?? image, two: indexes[1] ?? image } })
    expectDone(await copyInto(root, source, [request({ reference: 'one' }), request({ reference: 'two' })]))
    expect(source.opened(image.root.digest)).toBe(1)
  })

  test.each(['a', 'b'])(
    'a blob that the source does not hold in %s is taken from the other repository',
    async lacking => {
      const [root, image] = [await makeTemporaryFolder(), await makeImage()]
      const [layer = image.root.digest] = [...image.blobs.keys()].slice(-1)
      const fault: Fault = (opening, answer) => (opening.repository === lacking ? isAbsent(opening, answer) : answer)
      const source = createMemorySource(
        { a: { latest: image }, b: { latest: image } },
        { faults: [only(layer, fault)] },
      )
      const report = await copyInto(root, source, [request({ repository: 'a' }), request({ repository: 'b' })])
      const other = lacking === 'a' ? 'b' : 'a'
      expect(report.results.find(result => result.request.repository === other)?.error).toBeUndefined()
      const files = [...(await publicFiles(root))].filter(([path]) => path.startsWith(`${other}/`))
      expect(new Map(files)).toEqual(expectedFiles(other, [image, 'latest']))
    },
  )

  test('a blob of another repository of the tree is linked, not downloaded', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ one: { latest: image }, two: { latest: image } })
    expectDone(await copyInto(root, source, [request({ repository: 'one' })]))
    source.forget()
    const report = await copyInto(root, source, [request({ repository: 'two' })])
    expectDone(report)
    for (const digest of image.blobs.keys()) expect(source.opened(digest)).toBe(0)
    expect(report.totals).toMatchObject({ blobsFetched: 0, blobsPresent: 2 })
    expect(await publicFiles(root)).toEqual(
      new Map([...expectedFiles('one', [image, 'latest']), ...expectedFiles('two', [image, 'latest'])]),
    )
  })
})

describe('at once', () => {
  test.each([1, 3])('no more than %d bodies are open', async jobs => {
    const [root, gate] = [await makeTemporaryFolder(), createGate()]
    const images = await Promise.all([1, 2, 3].map(async number => makeImage({ seed: `image-${number}`, layers: 4 })))
    const held = Object.fromEntries(images.map((image, position) => [`tag-${position}`, image]))
    const source = createMemorySource({ app: held }, { faults: [waitsAt(10, gate.opened)], chunkSize: 100 })
    const requests = Object.keys(held).map(reference => request({ reference }))
    const copying = copyInto(root, source, requests, { jobs })
    while (source.openings.active < jobs) await new Promise(setImmediate)
    gate.open()
    expectDone(await copying)
    expect(source.openings).toEqual({ active: 0, peak: jobs })
  })

  test('one job is enough for deep graphs that share their parts', async () => {
    const root = await makeTemporaryFolder()
    let graph = await makeImage({ layers: 2 })
    for (let depth = 0; depth < 6; depth += 1) graph = makeIndex([graph, makeArtifact({ payload: `${depth}` }), graph])
    const source = createMemorySource({ app: { one: graph, two: graph } })
    expectDone(
      await copyInto(root, source, [request({ reference: 'one' }), request({ reference: 'two' })], { jobs: 1 }),
    )
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'one', 'two']))
    for (const digest of [...graph.manifests.keys(), ...graph.blobs.keys()]) expect(source.opened(digest)).toBe(1)
  })

  test('an index of a thousand children is copied, each child once', async () => {
    const root = await makeTemporaryFolder()
    const children = Array.from({ length: 1000 }, (_, position) =>
      makeArtifact({ annotations: { position: `${position}` } }),
    )
    const graph = makeIndex(children)
    const source = createMemorySource({ app: { latest: graph } })
    const report = await copyInto(root, source)
    expectDone(report)
    expect(report.totals).toMatchObject({ manifestsFetched: 1001, blobsFetched: 1 })
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test('two copies at once into one tree of images that overlap lose nothing', async () => {
    const [root, base] = [await makeTemporaryFolder(), await makeLayer('base')]
    const [one, two] = [
      makeIndex([await makeImage({ layers: [base, await makeLayer('one')] })]),
      makeIndex([await makeImage({ layers: [base, await makeLayer('two')] })]),
    ]
    const images = { app: { one, both: one }, other: { both: two, two } }
    const sources = [createMemorySource(images, { chunkSize: 20 }), createMemorySource(images, { chunkSize: 33 })]
    const requests = [
      request({ reference: 'one' }),
      request({ reference: 'both' }),
      request({ repository: 'other', reference: 'both' }),
      request({ repository: 'other', reference: 'two' }),
    ]
    const reports = await Promise.all(sources.map(async source => copyInto(root, source, requests)))
    for (const report of reports) expectDone(report)
    expect(await publicFiles(root)).toEqual(
      new Map([...expectedFiles('app', [one, 'both', 'one']), ...expectedFiles('other', [two, 'both', 'two'])]),
    )
    const opened = sources.reduce((sum, source) => sum + source.opened(digestOf(base.bytes)), 0)
    expect(opened, 'downloads of the layer they share').toBe(1)
  })
})
