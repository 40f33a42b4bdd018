import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { algorithmOf, type Digest, digestOf } from '../../src/oci/digest.ts'
import { attestedDigest, parseManifest, references } from '../../src/oci/manifest.ts'
import { OCI_EMPTY } from '../../src/oci/media-types.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeBlobChild,
  makeCosignSignature,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeSchema1,
  mediaTypeOf,
  rootBytes,
  withAllReferrers,
  withReferrers,
} from './made-images.ts'
import { makeBigLayer, makeBlob, makeEmptyLayer, makeForeignLayer, makeLayer } from './made-layers.ts'

const MAKERS: Readonly<Record<string, () => Graph | Promise<Graph>>> = {
  image: makeImage,
  'docker image': () => makeImage({ docker: true, layers: 3 }),
  'image without mediaType': () => makeImage({ noMediaType: true }),
  'image named by sha512': () => makeImage({ sha512: true }),
  'image of odd layers': async () => makeImage({ layers: [makeEmptyLayer(), await makeBigLayer(100_000)] }),
  'multi-platform image': makeMultiPlatform,
  'docker manifest list': () => makeMultiPlatform({ docker: true }),
  'nested index without mediaType': async () =>
    makeIndex([makeIndex([await makeImage()], { noMediaType: true })], { noMediaType: true }),
  'index named by sha512': async () => makeIndex([await makeImage()], { sha512: true }),
  'index with an attestation': async () => {
    const image = await makeImage()
    return makeIndex([image, makeAttestation(image)])
  },
  'index with a blob': async () => makeIndex([await makeImage(), makeBlobChild(makeBlob(10))]),
  artifact: async () => makeArtifact({ subject: await makeImage(), annotations: { a: 'b' } }),
  'artifact with a payload': () => makeArtifact({ payload: 'text' }),
  'exotic manifest': () => makeImage({ mediaType: 'application/vnd.example.thing.v7+json' }),
  'cosign signature': async () => makeCosignSignature(await makeImage()),
  'fallback index': () => makeFallbackIndex([makeArtifact()]),
}

describe.each(Object.entries(MAKERS))('a made %s', (_, make) => {
  test('is the same each time it is made', async () => {
    expect(await make()).toEqual(await make())
  })

  test('holds everything that its manifests point to, under digests that are right', async () => {
    const { root, manifests, blobs } = await make()
    for (const [digest, bytes] of [...manifests, ...blobs]) expect(digestOf(bytes, algorithmOf(digest))).toBe(digest)
    expect(manifests.get(root.digest)?.length).toBe(root.size)
    for (const bytes of manifests.values()) {
      const manifest = parseManifest(bytes)
      expect(manifest.mediaType).toBe(mediaTypeOf(bytes))
      for (const { digest, size } of references(manifest)) {
        expect((manifests.get(digest) ?? blobs.get(digest))?.length).toBe(size)
      }
    }
  })
})

test('the config of an image lists the digests of its uncompressed layers', async () => {
  const { root, manifests, blobs } = await makeImage({ layers: 2 })
  const [config, ...layers] = references(parseManifest(manifests.get(root.digest) ?? new Uint8Array()))
  const diffIds = layers.map(({ digest }) => digestOf(gunzipSync(blobs.get(digest) ?? '')))
  expect(JSON.parse(Buffer.from(blobs.get(config?.digest as Digest) ?? '').toString())).toMatchObject({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { diff_ids: diffIds },
  })
  expect(new Set(diffIds).size).toBe(2)
})

test('an image with a sha512 option names its blobs so, and an index its children', async () => {
  const image = await makeImage({ sha512: true })
  expect([...image.blobs.keys()].map(algorithmOf)).toEqual(['sha512', 'sha512'])
  const index = makeIndex([image], { sha512: true })
  const [child] = references(parseManifest(rootBytes(index)))
  expect(child?.digest).toBe(digestOf(rootBytes(image), 'sha512'))
  expect(index.manifests.get(image.root.digest)).toEqual(rootBytes(image))
})

test('an attestation says which image of the index it is about', async () => {
  const image = await makeImage()
  const entries = [...references(parseManifest(rootBytes(makeIndex([image, makeAttestation(image)]))))]
  expect(entries.map(attestedDigest)).toEqual([undefined, image.root.digest])
  expect(entries.map(({ platform }) => platform?.os)).toEqual(['linux', 'unknown'])
})

test('the platforms of an index can be other than its children say, or none', async () => {
  const index = makeIndex([await makeImage(), await makeImage()], { platforms: ['linux/arm/v7', undefined] })
  const platforms = [...references(parseManifest(rootBytes(index)))].map(entry => entry.platform)
  expect(platforms).toEqual([{ os: 'linux', architecture: 'arm', variant: 'v7' }, undefined])
})

test('the bytes of a foreign layer are not in the graph', async () => {
  const layer = await makeForeignLayer('https://example.com/layer')
  const { blobs, ...graph } = await makeImage({ layers: [layer, await makeLayer('own')] })
  const [, foreign] = references(parseManifest(rootBytes({ blobs, ...graph })))
  expect(foreign?.urls).toEqual(['https://example.com/layer'])
  expect(blobs.has(foreign?.digest as Digest)).toBe(false)
})

test('an artifact has an empty config, its subject, and an entry in the fallback index', async () => {
  const image = await makeImage()
  const artifact = makeArtifact({
    subject: image,
    artifactType: 'application/vnd.example.sbom',
    annotations: { k: 'v' },
  })
  const manifest = parseManifest(rootBytes(artifact))
  expect(manifest).toMatchObject({ config: { mediaType: OCI_EMPTY, size: 2 }, subject: { digest: image.root.digest } })
  expect([...references(parseManifest(rootBytes(makeFallbackIndex([artifact]))))]).toEqual([
    { ...artifact.root, artifactType: 'application/vnd.example.sbom', annotations: { k: 'v' } },
  ])
  const signature = makeArtifact({ subject: artifact })
  expect(withAllReferrers(withReferrers(image, withReferrers(artifact, signature)))).toHaveLength(3)
})

test('a schema 1 manifest is refused by the parser', async () => {
  const { root, manifests } = await makeSchema1()
  expect(() => parseManifest(manifests.get(root.digest) ?? new Uint8Array())).toThrow('schema 1')
})

test('a big blob has the size asked for and depends on its seed', () => {
  expect(makeBlob(1000, 'a')).toHaveLength(1000)
  expect(makeBlob(1000, 'a')).toEqual(makeBlob(1000, 'a'))
  expect(makeBlob(1000, 'a')).not.toEqual(makeBlob(1000, 'b'))
})
