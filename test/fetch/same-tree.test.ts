import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { FetchOptions } from '../../src/fetch/options.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { parsePlatform } from '../../src/oci/platform.ts'
import { fallbackTag } from '../../src/oci/referrers.ts'
import { publicFiles } from '../copy/copy-support.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeBlobChild,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  rootBytes,
  withAllReferrers,
  withReferrers,
} from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { layoutFiles, packLayout, treeFiles, writeFiles, writeLayout } from '../support/write-images.ts'
import { fetchAll, startRegistry } from './fetch-support.ts'

/* The same made images through every source give the same tree, byte for byte. */

type Images = Readonly<Record<string, Graph>>

/** Offers images by tag, and gives the argument of `fetch` that names their repository. */
const WAYS: Readonly<Record<string, (images: Images) => Promise<string>>> = {
  'a registry': async images => `${(await startRegistry({ app: images })).host}/app`,
  'a registry without the referrers API': async images => {
    return `${(await startRegistry({ app: { ...images, ...fallbackTags(images) } }, { noReferrers: true })).host}/app`
  },
  'an OCI layout': async images => {
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, images)
    return `oci:${folder}`
  },
  'an OCI layout that gives full names': async images => {
    const folder = await makeTemporaryFolder()
    const named = Object.entries(images).map(([tag, image]) => [`ghcr.io/o/app:${tag}`, image])
    await writeFiles(folder, layoutFiles(Object.fromEntries(named)))
    return `ocidir://${folder}`
  },
  'an OCI archive': async images => {
    const file = join(await makeTemporaryFolder(), 'images.tar')
    await writeFile(file, await packLayout(images))
    return `oci-archive:${file}`
  },
  'a compressed OCI archive': async images => {
    const file = join(await makeTemporaryFolder(), 'images.tar.gz')
    await writeFile(file, gzipSync(await packLayout(images)))
    return `oci-archive:${file}`
  },
  'an archive of a new engine': async images => {
    const file = join(await makeTemporaryFolder(), 'images.tar')
    await writeFile(file, await packLayout(images))
    return `docker-archive:${file}`
  },
}

const IMAGES: Readonly<Record<string, () => Promise<Images>>> = {
  'an image': async () => ({ latest: await makeImage({ layers: 3 }) }),
  'an image without mediaType': async () => ({ latest: await makeImage({ noMediaType: true }) }),
  'an index with attestations': async () => {
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    return { latest: makeIndex([amd64, arm64, makeAttestation(amd64), makeAttestation(arm64)]) }
  },
  'a nested index': async () => {
    const inner = await makeMultiPlatform({ seed: 'inner' })
    return { latest: makeIndex([inner, await makeImage({ platform: 'linux/s390x' })], { noMediaType: true }) }
  },
  'an index with a child that is a blob': async () => {
    return { latest: makeIndex([await makeImage(), makeBlobChild(new TextEncoder().encode('no manifest'))]) }
  },
  'a Docker list': async () => ({ latest: await makeMultiPlatform({ docker: true }) }),
  'an artifact': async () => ({ latest: makeArtifact({ payload: 'a payload', annotations: { title: 'artifact' } }) }),
  'sha512 digests': async () => {
    const image = await makeImage({ sha512: true })
    return { latest: makeIndex([image], { sha512: true }), single: image }
  },
  'several tags that look like numbers or differ only by case': async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    return { '1.10': one, '1.1': two, '007': one, RC1: one, rc1: two }
  },
}

describe.each(Object.entries(IMAGES))('%s', (_name, make) => {
  const direct = remember(fromRegistry)
  it.each(Object.entries(WAYS))('is the same tree from %s', async (_way, offer) => {
    const images = await make()
    const files = await fetched(await offer(images), Object.keys(images))
    const expected = treeFiles('app', images)
    expect(contentOf(files)).toEqual(contentOf(hexOf(expected)))
    expect(files).toEqual(await direct(images))
  })
})

describe('an image with what refers to it', () => {
  const direct = remember(fromRegistry)
  const make = async (): Promise<Images> => {
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
    const index = makeIndex([amd64, arm64, makeAttestation(amd64)])
    const sbom = makeArtifact({ subject: index, payload: 'sbom' })
    const signature = makeArtifact({ subject: sbom, payload: 'signature', annotations: { of: 'sbom' } })
    const ofChild = makeArtifact({ subject: amd64, payload: 'child', sha512: true })
    return { latest: withReferrers(index, withReferrers(sbom, signature), ofChild) }
  }

  it.each(Object.entries(WAYS))('is the same tree from %s', async (_way, offer) => {
    const images = await make()
    const files = await fetched(await offer(images), ['latest'], { referrers: true })
    for (const [path, bytes] of hexOf(treeFiles('app', images))) {
      if (!path.endsWith('tags/list')) expect(files.get(path), path).toBe(bytes)
    }
    const root = images['latest']?.root.digest
    if (root === undefined) throw new Error('no image')
    expect([...files.keys()]).toContain(`app/referrers/${root}`)
    expect(files.get(`app/manifests/${fallbackTag(root)}`)).toBe(files.get(`app/referrers/${root}`))
    expect(files).toEqual(await direct(images, { referrers: true }))
  })
})

describe('chosen platforms', () => {
  const direct = remember(fromRegistry)
  const make = async (): Promise<{ readonly images: Images; readonly wanted: readonly Graph[] }> => {
    const [amd64, arm64] = [await makeImage(), await makeImage({ platform: 'linux/arm64/v8' })]
    const attestation = makeAttestation(arm64)
    const index = makeIndex([amd64, arm64, makeAttestation(amd64), attestation])
    return { images: { latest: index }, wanted: [arm64, attestation] }
  }

  it.each(Object.entries(WAYS))('are the same sparse tree from %s', async (_way, offer) => {
    const { images, wanted } = await make()
    const options = { platforms: [parsePlatform('linux/arm64')] }
    const files = await fetched(await offer(images), ['latest'], options)
    const index = images['latest']
    if (index === undefined) throw new Error('no image')
    const expected = new Map<string, Uint8Array>()
    for (const reference of ['latest', index.root.digest]) expected.set(`app/manifests/${reference}`, rootBytes(index))
    for (const { manifests, blobs } of wanted) {
      for (const [digest, bytes] of manifests) expected.set(`app/manifests/${digest}`, bytes)
      for (const [digest, bytes] of blobs) expected.set(`app/blobs/${digest}`, bytes)
    }
    expect(contentOf(files)).toEqual(contentOf(hexOf(expected)))
    expect(files).toEqual(await direct(images, options))
  })
})

/** What clients push to a registry that has no referrers API: an index at `sha256-<hex>` for each subject. */
function fallbackTags(images: Images): Images {
  const bySubject = new Map<string, Graph[]>()
  for (const graph of Object.values(images).flatMap(withAllReferrers)) {
    const { subject } = JSON.parse(new TextDecoder().decode(rootBytes(graph))) as { readonly subject?: Descriptor }
    if (subject === undefined) continue
    const tag = fallbackTag(subject.digest)
    bySubject.set(tag, [...(bySubject.get(tag) ?? []), graph])
  }
  return Object.fromEntries([...bySubject].map(([tag, graphs]) => [tag, makeFallbackIndex(graphs)]))
}

/** What a registry gives, to compare with. */
async function fromRegistry(images: Images, options: FetchOptions = {}): Promise<ReadonlyMap<string, string>> {
  const { host } = await startRegistry({ app: images })
  return fetched(`${host}/app`, Object.keys(images), options)
}

/** Made images are the same each time they are made, and so is the tree to compare with. */
function remember<T extends readonly unknown[], R>(compute: (...args: T) => Promise<R>): (...args: T) => Promise<R> {
  let result: Promise<R> | undefined
  return (...args) => {
    result ??= compute(...args)
    return result
  }
}

async function fetched(
  image: string,
  tags: readonly string[],
  options: FetchOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const root = await makeTemporaryFolder()
  await fetchAll(image, tags, { root, as: 'app', ...options })
  return publicFiles(root)
}

/** Only manifests and blobs: documents are the tree's own. */
function contentOf(files: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...files].filter(([path]) => /\/(?:manifests|blobs)\//.test(path)).sort())
}

function hexOf(files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, string> {
  return new Map([...files].map(([path, bytes]) => [path.replace(/^v2\//, ''), Buffer.from(bytes).toString('hex')]))
}
