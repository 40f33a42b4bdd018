import { describe, expect, onTestFinished, test } from 'vitest'
import { isRegistrishError } from '../../src/errors.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { Content, Source } from '../../src/oci/source.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  mediaTypeOf,
  referrerEntry,
  withReferrers,
} from '../support/made-images.ts'
import { makeBlob, makeEmptyLayer, makeLayer } from '../support/made-layers.ts'

/** A source to be tried, and the repository in it that holds what was asked for. */
export interface TriedSource {
  readonly source: Source
  readonly repository: string
  /** Removes what was made for it, after `source.close`. Default: nothing is left to do. */
  close?(): Promise<void>
}

/** What a kind of source cannot do by its nature; each is checked to be so. */
export interface SourceLimits {
  /** Has no `tags`. */
  readonly noTags?: boolean
  /** Has no `referrers`. */
  readonly noReferrers?: boolean
}

/**
 * The suite that every Source must pass. `make` gives a source whose repository holds these images by tag, with their referrers.
 * It is the caller's promise, and not a source's, that bytes are right: here only that a source gives what it holds, unchanged.
 */
export function sourceContract(
  name: string,
  make: (images: Readonly<Record<string, Graph>>) => Promise<TriedSource>,
  limits: SourceLimits = {},
): void {
  const open = async (images: Readonly<Record<string, Graph>>): Promise<TriedSource> => {
    const tried = await make(images)
    onTestFinished(async () => {
      await tried.source.close?.()
      await tried.close?.()
    })
    return tried
  }

  describe(`${name} as a source`, () => {
    test('has a title of one line', async () => {
      expect((await open({ latest: await makeImage() })).source.title).toMatch(/^\S.*$/)
    })
    describe('resolves', () => resolveTests(open))
    describe('opens', () => openTests(open))
    describe('lists', () => listTests(open, limits))
  })
}

type Open = (images: Readonly<Record<string, Graph>>) => Promise<TriedSource>

function resolveTests(open: Open): void {
  const kinds: Readonly<Record<string, () => Promise<Graph>>> = {
    'an image': makeImage,
    'a Docker image': () => makeImage({ docker: true }),
    'an image without mediaType': () => makeImage({ noMediaType: true }),
    'an index': makeMultiPlatform,
    'a Docker manifest list': () => makeMultiPlatform({ docker: true }),
    'an index without mediaType': async () => makeIndex([await makeImage()], { noMediaType: true }),
    'an artifact': async () => makeArtifact({ payload: 'text' }),
    'a manifest of a type that nobody knows': () => makeImage({ mediaType: 'application/vnd.example.thing.v7+json' }),
  }

  test.each(Object.entries(kinds))('a tag to %s', async (_, makeGraph) => {
    const image = await makeGraph()
    const { source, repository } = await open({ latest: image })
    expect(essence(await source.resolve(repository, 'latest'))).toEqual(image.root)
  })

  test('a digest to the manifest that it names, be it tagged or a child of an index', async () => {
    const index = await makeMultiPlatform()
    const { source, repository } = await open({ latest: index })
    expect(index.manifests.size).toBe(3)
    for (const [digest, bytes] of index.manifests) {
      const wanted = { mediaType: mediaTypeOf(bytes), digest, size: bytes.length }
      expect(essence(await source.resolve(repository, digest))).toEqual(wanted)
    }
  })

  test('tags that look like numbers and file names', async () => {
    const tags = ['1.10', '007', '1e3', 'latest.html', 'RC1', 'x.tar.gz']
    const images = await Promise.all(tags.map(async tag => [tag, await makeImage({ seed: tag })] as const))
    const { source, repository } = await open(Object.fromEntries(images))
    for (const [tag, { root }] of images) expect((await source.resolve(repository, tag)).digest).toBe(root.digest)
  })

  test.each(['absent', digestOf('absent')])('nothing where there is no %s: not-found, at the source', async wanted => {
    const { source, repository } = await open({ latest: await makeImage() })
    await expectNotFound(source.resolve(repository, wanted))
  })

  test.each(['../latest', '..', 'latest\n', 'a b', ''])('no tag that is none: %j', async wanted => {
    const { source, repository } = await open({ latest: await makeImage() })
    const error: unknown = await source.resolve(repository, wanted).catch((cause: unknown) => cause)
    expect(isRegistrishError(error, 'not-found', 'name-invalid'), String(error)).toBe(true)
  })
}

function openTests(open: Open): void {
  test('every manifest of a graph byte for byte', async () => {
    const image = await makeImage({ docker: true })
    const nested = makeIndex([makeIndex([image, makeAttestation(image)]), await makeImage({ noMediaType: true })])
    const { source, repository } = await open({ latest: nested })
    expect(nested.manifests.size).toBe(5)
    for (const [digest, bytes] of nested.manifests) {
      const descriptor = { mediaType: mediaTypeOf(bytes), digest, size: bytes.length }
      expect(await read(await source.open(repository, descriptor, { kind: 'manifest' }))).toEqual(Buffer.from(bytes))
    }
  })

  test('every blob byte for byte: configs, layers compressed or not, empty ones, none decompressed', async () => {
    const layers = [await makeLayer(), makeEmptyLayer(), await makeLayer('plain', { compression: 'none' })]
    const { blobs, manifests, root } = makeIndex([
      await makeImage({ layers }),
      makeArtifact({ payload: new Uint8Array(0) }),
    ])
    const { source, repository } = await open({ latest: { blobs, manifests, root } })
    expect([...blobs.values()].map(bytes => bytes.length)).toContain(0)
    for (const [digest, bytes] of blobs) {
      expect(await read(await source.open(repository, blob(digest, bytes), { kind: 'blob' }))).toEqual(
        Buffer.from(bytes),
      )
    }
  })

  test('blobs and manifests that are named by sha512', async () => {
    const image = makeIndex([await makeImage({ sha512: true })], { sha512: true })
    const { source, repository } = await open({ latest: image })
    const named = [...image.blobs, ...image.manifests].filter(([digest]) => digest.startsWith('sha512:'))
    expect(named).toHaveLength(3)
    for (const [digest, bytes] of named) {
      const kind = image.blobs.has(digest) ? 'blob' : 'manifest'
      expect(await read(await source.open(repository, blob(digest, bytes), { kind }))).toEqual(Buffer.from(bytes))
    }
  })

  test('a blob from the middle, and says where it begins', async () => {
    const { source, repository, digest, bytes } = await openBig(open)
    for (const wanted of [1, 1_500_000, bytes.length - 1]) {
      const content = await source.open(repository, blob(digest, bytes), { kind: 'blob', offset: wanted })
      expect([0, wanted]).toContain(content.offset)
      expect((await read(content)).equals(bytes.subarray(content.offset))).toBe(true)
    }
  })

  test('a big blob piece by piece', async () => {
    const { source, repository, digest, bytes } = await openBig(open)
    const sizes: number[] = []
    const { body } = await source.open(repository, blob(digest, bytes), { kind: 'blob' })
    for await (const chunk of body) sizes.push(chunk.length)
    expect(Math.max(...sizes)).toBeLessThan(bytes.length)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(bytes.length)
  })

  test('again what a reader has left half read', async () => {
    const { source, repository, digest, bytes } = await openBig(open)
    for (let time = 0; time < 20; time += 1) {
      const { body } = await source.open(repository, blob(digest, bytes), { kind: 'blob' })
      for await (const chunk of body) {
        expect(Buffer.from(chunk).equals(bytes.subarray(0, chunk.length))).toBe(true)
        break
      }
    }
    expect((await read(await source.open(repository, blob(digest, bytes), { kind: 'blob' }))).equals(bytes)).toBe(true)
  })

  test('the same blob for several readers at once', async () => {
    const { source, repository, digest, bytes } = await openBig(open)
    const readers = [0, 1, 2, 3].map(async () =>
      read(await source.open(repository, blob(digest, bytes), { kind: 'blob' })),
    )
    for (const found of await Promise.all(readers)) expect(found.equals(bytes)).toBe(true)
  })

  test.each(['manifest', 'blob'] as const)('no %s that is not there: not-found, at the source', async kind => {
    const { source, repository } = await open({ latest: await makeImage() })
    const absent = new TextEncoder().encode('{"absent":true}')
    await expectNotFound(source.open(repository, blob(digestOf(absent), absent), { kind }))
  })

  test.each(['before', 'while'] as const)(
    'nothing more once the caller has given up %s reading: aborted',
    async when => {
      const { source, repository, digest, bytes } = await openBig(open)
      const controller = new AbortController()
      if (when === 'before') controller.abort()
      const reading = async (): Promise<void> => {
        const { signal } = controller
        const { body } = await source.open(repository, blob(digest, bytes), { kind: 'blob', signal })
        for await (const _ of body) controller.abort()
      }
      const error: unknown = await reading().catch((cause: unknown) => cause)
      expect(isRegistrishError(error, 'aborted'), String(error)).toBe(true)
    },
  )
}

function listTests(open: Open, { noTags = false, noReferrers = false }: SourceLimits): void {
  test(noTags ? 'no tags, and does not promise to' : 'all tags, each once', async () => {
    const image = await makeImage()
    const { source, repository } = await open({ latest: image, '1.0': image, '2.0': await makeMultiPlatform() })
    if (noTags) expect(source.tags).toBeUndefined()
    else expect([...((await source.tags?.(repository)) ?? [])].sort()).toEqual(['1.0', '2.0', 'latest'])
  })

  if (noReferrers) {
    test('no referrers, and does not promise to', async () => {
      expect((await open({ latest: await makeImage() })).source.referrers).toBeUndefined()
    })
    return
  }

  test('what refers to a manifest, with artifact types and annotations', async () => {
    const [child, other] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const index = makeIndex([child, other])
    const referrers = [
      makeArtifact({ subject: index, artifactType: 'application/vnd.example.sbom.v1', annotations: { key: 'value' } }),
      await makeImage({ subject: index, seed: 'a referrer with a real config' }),
    ]
    const deep = makeArtifact({ subject: child })
    const { source, repository } = await open({ latest: withReferrers(index, ...referrers, deep) })
    const list = async (digest: Digest): Promise<readonly Descriptor[]> =>
      [...((await source.referrers?.(repository, digest)) ?? [])].sort(byDigest)
    expect(await list(index.root.digest)).toEqual(referrers.map(referrerEntry).sort(byDigest))
    expect(await list(child.root.digest)).toEqual([referrerEntry(deep)])
    expect(await list(other.root.digest)).toEqual([])
  })

  test('referrers that can be opened, and their own referrers', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image, payload: 'a note' })
    const { source, repository } = await open({
      latest: withReferrers(image, withReferrers(note, makeArtifact({ subject: note, payload: 'its signature' }))),
    })
    const [first] = (await source.referrers?.(repository, image.root.digest)) ?? []
    expect(first?.digest).toBe(note.root.digest)
    const bytes = await read(await source.open(repository, note.root, { kind: 'manifest' }))
    expect(digestOf(bytes)).toBe(note.root.digest)
    expect(await source.referrers?.(repository, note.root.digest)).toHaveLength(1)
  })

  test('no referrers of a digest that nobody knows', async () => {
    const { source, repository } = await open({ latest: await makeImage() })
    expect(await source.referrers?.(repository, digestOf('nobody'))).toEqual([])
  })
}

/** A source with a blob of 5,000,000 bytes that looks random. */
async function openBig(open: Open): Promise<TriedSource & { readonly digest: Digest; readonly bytes: Uint8Array }> {
  const bytes = makeBlob(5_000_000)
  return { ...(await open({ latest: makeArtifact({ payload: bytes }) })), digest: digestOf(bytes), bytes }
}

async function read({ body }: Content): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function expectNotFound(promise: Promise<unknown>): Promise<void> {
  const error: unknown = await promise.catch((cause: unknown) => cause)
  expect(isRegistrishError(error, 'not-found'), String(error)).toBe(true)
  expect(error).toHaveProperty('side', 'source')
}

/** What every source must say; some say more (a layout knows annotations). */
function essence({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function blob(digest: Digest, bytes: Uint8Array): Descriptor {
  return { mediaType: OCTET_STREAM, digest, size: bytes.length }
}

function byDigest(a: Descriptor, b: Descriptor): number {
  return a.digest < b.digest ? -1 : 1
}
