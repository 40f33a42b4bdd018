import { describe, expect, test } from 'vitest'
import type { CopyOptions } from '../../src/copy/context.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { parsePlatform } from '../../src/oci/platform.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeCosignSignature,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeRaw,
  referrerEntry,
  withAllReferrers,
  withReferrers,
} from '../support/made-images.ts'
import { isAbsent, only, wrongBytes } from '../support/memory-faults.ts'
import { createMemorySource, type Misbehaviour } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import {
  collectProgress,
  copyError,
  copyInto,
  encodeJson,
  expectDone,
  expectedFiles,
  notesOf,
  publicFiles,
  request,
} from './copy-support.ts'

const REFERRERS: CopyOptions = { referrers: true }

/** An index of two images; notes on it, on one child, and on a note. */
async function makeReferred(): Promise<{
  readonly graph: Graph
  readonly notes: readonly Graph[]
  readonly child: Graph
}> {
  const [child, other] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
  const index = makeIndex([child, other])
  const note = makeArtifact({ subject: index, payload: 'on the index', annotations: { key: 'value' } })
  const signature = makeArtifact({ subject: note, payload: 'on the note' })
  const deep = makeIndex([makeArtifact({ payload: 'inside' })], {
    subject: child,
    artifactType: 'application/vnd.example.bundle',
  })
  const graph = withReferrers(index, withReferrers(note, signature), deep)
  return { graph, notes: [note, signature, deep], child }
}

describe('referrers', () => {
  test('come along on request: of the index, of its children, of each other; images and indexes', async () => {
    const [root, { graph }] = [await makeTemporaryFolder(), await makeReferred()]
    const report = await copyInto(root, createMemorySource({ app: { latest: graph } }), [request()], REFERRERS)
    expectDone(report)
    expect(report.results).toMatchObject([{ digest: graph.root.digest, changed: true }])
    const [image, ...notes] = withAllReferrers(graph)
    expect(notes).toHaveLength(3)
    const files = expectedFiles('app', [image ?? graph, 'latest'], ...notes.map(note => [note] as const))
    expect(await publicFiles(root)).toEqual(files)
  })

  test('stay where they are unless asked for, and are not asked for', async () => {
    const [root, { graph }] = [await makeTemporaryFolder(), await makeReferred()]
    const source = createMemorySource({ app: { latest: graph } })
    expectDone(await copyInto(root, source))
    expect(source.calls.filter(call => call.method === 'referrers')).toEqual([])
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [graph, 'latest']))
  })

  test('are found again both ways: by the list and by the fallback tag', async () => {
    const [root, { graph, notes, child }] = [await makeTemporaryFolder(), await makeReferred()]
    expectDone(await copyInto(root, createMemorySource({ app: { latest: graph } }), [request()], REFERRERS))
    await rebuildDocuments(root, ['app'])
    const tree = openTree(root)
    const [note, signature, deep] = notes as [Graph, Graph, Graph]
    for (const [subject, referrer] of [
      [graph, note],
      [note, signature],
      [child, deep],
    ] as const) {
      const entry = { ...referrerEntry(referrer) }
      expect(await tree.referrers('app', subject.root.digest)).toEqual([entry])
      const fallback = await tree.manifest('app', digestTag(subject.root.digest))
      expect(fallback?.manifest).toMatchObject({ kind: 'index', mediaType: OCI_INDEX, manifests: [entry] })
    }
  })

  test('cost one list for each manifest when all is there, and nothing else', async () => {
    const [root, { graph }] = [await makeTemporaryFolder(), await makeReferred()]
    const source = createMemorySource({ app: { latest: graph } })
    expectDone(await copyInto(root, source, [request()], REFERRERS))
    source.forget()
    const report = await copyInto(root, source, [request()], REFERRERS)
    expectDone(report)
    expect(report.results).toMatchObject([{ changed: false }])
    const manifests = withAllReferrers(graph).flatMap(part => [...part.manifests.keys()])
    const lists = source.calls.filter(call => call.method === 'referrers').map(call => call.reference)
    expect([...lists].sort()).toEqual([...manifests].sort())
    expect(source.calls).toHaveLength(1 + manifests.length)
  })

  test('that are new are a change, though the image was there', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ app: { latest: image } })
    expectDone(await copyInto(root, source, [request()], REFERRERS))
    source.set('app', 'latest', withReferrers(image, makeArtifact({ subject: image, payload: 'new' })))
    const report = await copyInto(root, source, [request()], REFERRERS)
    expect(report.results).toMatchObject([{ changed: true }])
  })

  test('of the platforms that were chosen only', async () => {
    const [root, { graph, notes }] = [await makeTemporaryFolder(), await makeReferred()]
    const options = { ...REFERRERS, platforms: [parsePlatform('linux/arm64')] }
    expectDone(await copyInto(root, createMemorySource({ app: { latest: graph } }), [request()], options))
    const tree = openTree(root)
    const [note, signature, deep] = notes as [Graph, Graph, Graph]
    expect(await tree.manifest('app', note.root.digest)).toBeDefined()
    expect(await tree.manifest('app', signature.root.digest)).toBeDefined()
    expect(await tree.manifest('app', deep.root.digest)).toBeUndefined()
  })

  test('of an image that two tags name are asked for once', async () => {
    const [root, { graph }] = [await makeTemporaryFolder(), await makeReferred()]
    const source = createMemorySource({ app: { one: graph, two: graph } })
    expectDone(await copyInto(root, source, [request({ reference: 'one' }), request({ reference: 'two' })], REFERRERS))
    const opened = source.calls.filter(call => call.method === 'open').map(call => call.reference)
    expect(opened.length).toBe(new Set(opened).size)
  })

  test('that list each other in a circle come to an end', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const notes = [makeArtifact({ subject: image, payload: 'one' }), makeArtifact({ subject: image, payload: 'two' })]
    const source = createMemorySource(
      { app: { latest: withReferrers(image, ...notes) } },
      { referrers: () => [...notes.map(referrerEntry), image.root] },
    )
    expectDone(await copyInto(root, source, [request()], REFERRERS))
    expect((await openTree(root).referrers('app', image.root.digest)).length).toBe(2)
  })

  test('a source that has no such power still gives its images', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({ app: { latest: image } }, { without: ['referrers', 'tags'] })
    expectDone(await copyInto(root, source, [request()], { referrers: true, digestTags: true }))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
  })

  test('one that is broken is an error, and the tag is not set', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const note = makeArtifact({ subject: image, payload: 'a note' })
    const source = createMemorySource(
      { app: { latest: withReferrers(image, note) } },
      { faults: [only(note.root.digest, wrongBytes)] },
    )
    expect(await copyError(root, source, REFERRERS)).toMatchObject({ code: 'digest-mismatch', side: 'source' })
    expect(await openTree(root).tags('app')).toEqual([])
  })
})

describe('lists that lie', () => {
  const other = makeArtifact({ payload: 'the subject of another' })
  const bystander = makeArtifact({ payload: 'has no subject' })
  const stranger = makeArtifact({ subject: other, payload: 'refers to another' })
  const lies: Readonly<
    Record<string, (honest: Graph) => { readonly entry: Descriptor; readonly faults?: Misbehaviour['faults'] }>
  > = {
    'a manifest without subject': () => ({ entry: referrerEntry(bystander) }),
    'a manifest of another subject': () => ({ entry: referrerEntry(stranger) }),
    'a manifest that is not there': () => ({
      entry: { mediaType: OCI_MANIFEST, digest: digestOf('absent'), size: 6 },
    }),
    'a manifest of another size': honest => ({ entry: { ...referrerEntry(honest), size: honest.root.size + 1 } }),
    'a manifest of another type': honest => ({ entry: { ...referrerEntry(honest), mediaType: OCI_INDEX } }),
    'something that is no manifest': () => ({
      entry: { mediaType: OCI_MANIFEST, digest: digestOf('no JSON'), size: 7 },
    }),
    'one that was deleted': honest => ({
      entry: referrerEntry(honest),
      faults: [only(honest.root.digest, isAbsent)],
    }),
  }

  test.each(Object.entries(lies))('%s is left out, and a note says so; the rest is copied', async (_, lie) => {
    const [root, image, progress] = [await makeTemporaryFolder(), await makeImage(), collectProgress()]
    const honest = makeArtifact({ subject: image, payload: 'honest' })
    const lied = makeArtifact({ subject: image, payload: 'lied about' })
    const { entry, faults = [] } = lie(lied)
    const source = createMemorySource(
      {
        app: { latest: withReferrers(image, honest), stranger, bystander, lied, odd: makeRaw(OCI_MANIFEST, 'no JSON') },
      },
      { faults, referrers: (_list, digest) => (digest === image.root.digest ? [entry, referrerEntry(honest)] : []) },
    )
    expectDone(await copyInto(root, source, [request()], { ...REFERRERS, onProgress: progress.onProgress }))
    expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest'], [honest]))
    const notes = notesOf(progress.events)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain(entry.digest)
  })

  test('what is listed by right under another subject is copied there', async () => {
    const [root, child, progress] = [await makeTemporaryFolder(), await makeImage(), collectProgress()]
    const index = makeIndex([child])
    const note = makeArtifact({ subject: child, payload: 'a note' })
    const source = createMemorySource(
      { app: { latest: withReferrers(index, note) } },
      { referrers: () => [referrerEntry(note)] },
    )
    expectDone(await copyInto(root, source, [request()], { ...REFERRERS, onProgress: progress.onProgress }))
    expect((await openTree(root).referrers('app', child.root.digest)).map(entry => entry.digest)).toEqual([
      note.root.digest,
    ])
    expect(await openTree(root).referrers('app', index.root.digest)).toEqual([])
  })
})

describe('digest tags', () => {
  const DIGEST_TAGS: CopyOptions = { digestTags: true }

  test('of the index and of its children come along on request, as tags', async () => {
    const [root, index] = [await makeTemporaryFolder(), await makeMultiPlatform()]
    const [child = index.root.digest] = index.manifests.keys()
    const signatures = {
      [digestTag(index.root.digest, 'sig')]: makeCosignSignature(index),
      [digestTag(index.root.digest, 'sbom')]: makeArtifact({ payload: 'sbom' }),
      [digestTag(child, 'att')]: makeArtifact({ payload: 'attestation' }),
    }
    const unrelated = { [digestTag(digestOf('unrelated'), 'sig')]: makeArtifact({ payload: 'unrelated' }) }
    const fallback = { [digestTag(index.root.digest)]: makeFallbackIndex([]) }
    const source = createMemorySource({
      app: { latest: index, ...signatures, ...unrelated, ...fallback, other: index },
    })
    expectDone(await copyInto(root, source, [request()], DIGEST_TAGS))
    expect(await publicFiles(root)).toEqual(
      expectedFiles(
        'app',
        [index, 'latest'],
        ...Object.entries(signatures).map(([tag, graph]) => [graph, tag] as const),
      ),
    )
  })

  test('stay where they are unless asked for', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const source = createMemorySource({
      app: { latest: image, [digestTag(image.root.digest, 'sig')]: makeCosignSignature(image) },
    })
    expectDone(await copyInto(root, source))
    expect(await openTree(root).tags('app')).toEqual(['latest'])
    expect(source.calls.filter(call => call.method === 'tags')).toEqual([])
  })

  test('of referrers, and of signatures, come along too', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const note = makeArtifact({ subject: image, payload: 'a note' })
    const [signature, countersignature] = [makeCosignSignature(note), makeArtifact({ payload: 'of the signature' })]
    const tags = [digestTag(note.root.digest, 'sig'), digestTag(signature.root.digest, 'sig')] as const
    const source = createMemorySource({
      app: { latest: withReferrers(image, note), [tags[0]]: signature, [tags[1]]: countersignature },
    })
    expectDone(await copyInto(root, source, [request()], { referrers: true, digestTags: true }))
    expect(await openTree(root).tags('app')).toEqual(['latest', ...tags].sort())
  })

  test('that name the image itself, or each other, come to an end', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const names = (['sig', 'att', 'sbom'] as const).map(suffix => digestTag(image.root.digest, suffix))
    const source = createMemorySource({
      app: { latest: image, ...Object.fromEntries(names.map(name => [name, image])) },
    })
    expectDone(await copyInto(root, source, [request()], DIGEST_TAGS))
    expect(await openTree(root).tags('app')).toEqual([...names, 'latest'].sort())
    expect(source.calls.filter(call => call.method === 'resolve')).toHaveLength(4)
  })

  test('are listed once, whatever the number of images', async () => {
    const root = await makeTemporaryFolder()
    const images = await Promise.all([1, 2, 3, 4].map(async number => makeImage({ seed: `image-${number}` })))
    const tags = images.flatMap((image, position) => [
      [`tag-${position}`, image] as const,
      [digestTag(image.root.digest, 'sig'), makeCosignSignature(image)] as const,
    ])
    const source = createMemorySource({ app: Object.fromEntries(tags) })
    const requests = images.map((_, position) => request({ reference: `tag-${position}` }))
    expectDone(await copyInto(root, source, requests, DIGEST_TAGS))
    expect((await openTree(root).tags('app')).length).toBe(8)
    expect(source.calls.filter(call => call.method === 'tags')).toHaveLength(1)
  })

  test('asked for by name as well are copied once', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const tag = digestTag(image.root.digest, 'sig')
    const source = createMemorySource({ app: { latest: image, [tag]: makeCosignSignature(image) } })
    expectDone(await copyInto(root, source, [request(), request({ reference: tag })], DIGEST_TAGS))
    expect(await openTree(root).tags('app')).toEqual(['latest', tag].sort())
  })

  test('that are bound to another name in the tree keep their own', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const tag = digestTag(image.root.digest, 'sig')
    const source = createMemorySource({ app: { latest: image, [tag]: makeCosignSignature(image) } })
    expectDone(await copyInto(root, source, [request({ tag: 'stable', target: 'mine' })], DIGEST_TAGS))
    expect(await openTree(root).tags('mine')).toEqual(['stable', tag].sort())
  })
})

test('an upstream fallback tag that is fetched as a tag is an index like any other', async () => {
  const [root, image] = [await makeTemporaryFolder(), await makeImage()]
  const note = makeArtifact({ subject: image, payload: 'a note' })
  const fallback = makeFallbackIndex([note])
  const tag = digestTag(image.root.digest)
  const source = createMemorySource({ app: { latest: image, [tag]: fallback } })
  expectDone(await copyInto(root, source, [request(), request({ reference: tag })]))
  expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest'], [fallback, tag]))
})

test('an annotation that is not text makes a manifest invalid, not the list', async () => {
  const [root, image] = [await makeTemporaryFolder(), await makeImage()]
  const odd = makeRaw(OCI_MANIFEST, encodeJson({ layers: [], subject: image.root, annotations: { a: 1 } }))
  const source = createMemorySource(
    { app: { latest: image, odd } },
    { referrers: (_, digest) => (digest === image.root.digest ? [odd.root] : []) },
  )
  expectDone(await copyInto(root, source, [request()], REFERRERS))
  expect(await publicFiles(root)).toEqual(expectedFiles('app', [image, 'latest']))
})
