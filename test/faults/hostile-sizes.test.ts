import { describe, expect, test } from 'vitest'
import { copyImages } from '../../src/copy/copy.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { type Graph, makeArtifact, makeImage, makeIndex, makeRaw } from '../support/made-images.ts'
import { createGate } from '../support/memory-faults.ts'
import { createMemorySource } from '../support/memory-source.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import type { Hook } from '../support/test-registry.ts'
import { expectFetched, expectRefused, photograph } from './support/hostile.ts'

/* Graphs without end, or nearly: indexes in indexes, thousands of children, layers and tags. */

const blob = Buffer.from('the same layer')
const layer = { mediaType: 'a/b', digest: digestOf(blob), size: blob.length }
const AMD64 = { os: 'linux', architecture: 'amd64' }

/** Indexes nested in one another, an image innermost. */
async function nest(depth: number): Promise<Graph> {
  let graph = await makeImage({ seed: 'innermost' })
  for (let level = 0; level < depth; level += 1) graph = makeIndex([graph])
  return graph
}

/** An index that names itself as the registry has it: by digests that are not those of its bytes. */
function makeLoop(length: number): Hook {
  const names = Array.from({ length }, (_, number) => digestOf(`loop ${number}`))
  const bodyOf = (number: number): Uint8Array => {
    const digest = names[(number + 1) % length]
    return Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [{ mediaType: OCI_INDEX, digest, size: 204 }],
      }),
    )
  }
  return (request, next) => {
    const number = names.findIndex(name => request.path.endsWith(name))
    if (number < 0 && !request.path.endsWith('/manifests/latest')) return next(request)
    const [at, digest] = [Math.max(0, number), names[Math.max(0, number)] ?? '']
    return { status: 200, headers: { 'content-type': OCI_INDEX, 'docker-content-digest': digest }, body: bodyOf(at) }
  }
}

describe('an index that contains itself', () => {
  test.each([1, 2, 50])(
    'by way of %d digests that are not those of its bytes is refused at the first',
    async length => {
      const registry = await startRegistry({ evil: { other: await makeImage() } }, { hook: makeLoop(length) })
      await expectRefused(
        { image: `${registry.host}/evil` },
        { code: 'digest-mismatch', hint: /nothing of it was kept/ },
      )
      expect(registry.log.length).toBeLessThan(5)
    },
  )

  test.each([17, 1000])('as far as anybody can tell, %d deep, is refused, and not read to its end', async depth => {
    const registry = await startRegistry({ evil: { latest: await nest(depth) } })
    await expectRefused({ image: `${registry.host}/evil` }, { code: 'unsupported', hint: /name one of the indexes/ })
    expect(registry.log.length).toBeLessThan(30)
  })

  test('16 deep is fetched', async () => {
    const graph = await nest(16)
    const registry = await startRegistry({ evil: { latest: graph } })
    const root = await expectFetched({ image: `${registry.host}/evil` })
    expect([...(await photograph(`${root}/v2/app/manifests`)).keys()]).toEqual(
      expect.arrayContaining([...graph.manifests.keys()]),
    )
  })

  test('and weighs more than memory should hold is refused', async () => {
    const padding = ' '.repeat(3_000_000)
    const heavy = (child: Graph): Graph => {
      const index = makeRaw(OCI_INDEX, `${JSON.stringify({ mediaType: OCI_INDEX, manifests: [child.root] })}${padding}`)
      return { ...index, manifests: new Map([...child.manifests, ...index.manifests]), blobs: child.blobs }
    }
    const one = heavy(heavy(await makeImage()))
    const registry = await startRegistry({ evil: { latest: one, more: heavy(one) } })
    await expectFetched({ image: `${registry.host}/evil` })
    await expectRefused(
      { image: `${registry.host}/evil:more` },
      { code: 'unsupported', hint: /name one of the indexes/ },
    )
  })
})

describe('an index of 10,000 children', () => {
  test('of which one is wanted and there is sparse', async () => {
    const image = await makeImage()
    const absent = Array.from({ length: 9_999 }, (_, number) => {
      const platform = { os: 'linux', architecture: `none${number}` }
      return { mediaType: OCI_MANIFEST, digest: digestOf(`absent ${number}`), size: 7, platform }
    })
    const body = JSON.stringify({ mediaType: OCI_INDEX, manifests: [...absent, { ...image.root, platform: AMD64 }] })
    const index = makeRaw(OCI_INDEX, body)
    const whole = { ...image, root: index.root, manifests: new Map([...index.manifests, ...image.manifests]) }
    const registry = await startRegistry({ evil: { latest: whole } })
    const options = { as: 'app', force: true, platforms: [AMD64] }
    const root = await expectFetched({ image: `${registry.host}/evil`, options })
    expect([...(await photograph(`${root}/v2/app/manifests`)).keys()]).toContain(index.root.digest)
    expect(registry.log.length).toBeLessThan(20)
    await expectRefused({ image: `${registry.host}/evil` }, { code: 'not-found', hint: /./ })
  })

  test('that are all there is fetched, a few at a time', async () => {
    const children = Array.from({ length: 10_000 }, (_, number) =>
      makeArtifact({ annotations: { number: String(number) } }),
    )
    const source = createMemorySource({ app: { latest: makeIndex(children) } })
    const root = await makeTemporaryFolder()
    const { results } = await copyImages(source, openTree(root), [
      { repository: 'app', reference: 'latest', target: 'app' },
    ])
    expect(results[0]?.error).toBeUndefined()
    expect(source.openings.peak).toBeLessThanOrEqual(8)
    expect((await openTree(root).manifest('app', 'latest'))?.manifest).toMatchObject({ kind: 'index' })
    expect(source.calls.length).toBeLessThan(10_010)
  }, 120_000)
})

describe('a manifest of many layers', () => {
  test('that are one is fetched, and asks for it once', async () => {
    const body = JSON.stringify({ mediaType: OCI_MANIFEST, layers: Array.from({ length: 30_000 }, () => layer) })
    const registry = await startRegistry({ evil: { latest: makeRaw(OCI_MANIFEST, body, [blob]) } })
    const root = await expectFetched({ image: `${registry.host}/evil` })
    expect(registry.lines().filter(line => line.includes('/blobs/'))).toHaveLength(1)
    expect([...(await photograph(`${root}/v2/app/blobs`)).keys()]).toContain(layer.digest)
  })

  test('that are none is left at the first that is not there', async () => {
    const layers = Array.from({ length: 30_000 }, (_, number) => ({ ...layer, digest: digestOf(`absent ${number}`) }))
    const registry = await startRegistry({ evil: { latest: makeRaw(OCI_MANIFEST, JSON.stringify({ layers }), []) } })
    await expectRefused({ image: `${registry.host}/evil` }, { code: 'not-found', hint: /pushed again/ })
    expect(registry.log.length).toBeLessThan(100)
  })

  test('100,000 of them, is larger than clients take', async () => {
    const layers = Array.from({ length: 100_000 }, () => layer)
    const registry = await startRegistry({
      evil: { latest: makeRaw(OCI_MANIFEST, JSON.stringify({ layers }), [blob]) },
    })
    await expectRefused(
      { image: `${registry.host}/evil` },
      { code: 'manifest-invalid', hint: /./, message: /larger than/ },
    )
  })
})

test('thousands of tags are begun a few at a time, and what they share is fetched once', async () => {
  const [base, gate] = [Buffer.from('base'), createGate()]
  const shared = { mediaType: 'a/b', digest: digestOf(base), size: base.length }
  const images = Object.fromEntries(
    Array.from({ length: 2000 }, (_, number) => {
      const body = { mediaType: OCI_MANIFEST, annotations: { number: String(number) }, layers: [shared] }
      return [`t${number}`, makeRaw(OCI_MANIFEST, JSON.stringify(body), [base])]
    }),
  )
  let resolved = 0
  const source = createMemorySource(
    { app: images },
    {
      resolve: descriptor => {
        resolved += 1
        return descriptor
      },
      faults: [
        async ({ kind }, answer) => {
          if (kind === 'blob') await gate.opened
          return answer
        },
      ],
    },
  )
  const root = await makeTemporaryFolder()
  const requests = Object.keys(images).map(reference => ({ repository: 'app', reference, target: 'app' }))
  const copying = copyImages(source, openTree(root), requests)
  // All that can begin without the blob has begun when nothing more happens.
  for (let before = -1; before !== resolved || resolved === 0; ) {
    before = resolved
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  expect(resolved).toBeLessThanOrEqual(32)
  gate.open()
  const { results } = await copying
  expect(results.every(({ error }) => error === undefined)).toBe(true)
  expect(await openTree(root).tags('app')).toHaveLength(2000)
  expect(source.opened(shared.digest)).toBe(1)
  expect((await openTree(root).manifest('app', 't7'))?.digest).toBe(images['t7']?.root.digest)
}, 60_000)
