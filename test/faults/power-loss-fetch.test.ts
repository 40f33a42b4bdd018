import type * as fs from 'node:fs'
import type * as promises from 'node:fs/promises'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { putBlob } from '../contract/tree-support.ts'
import { fetchAll, startRegistry } from '../fetch/fetch-support.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeCosignSignature,
  makeImage,
  makeMultiPlatform,
  withReferrers,
} from '../support/made-images.ts'
import { makeBigLayer } from '../support/made-layers.ts'
import { putGraph } from '../tree/support/put-graph.ts'
import { expectSafe } from './support/power-loss.ts'
import { setLinks } from './support/recorder.ts'

vi.setConfig({ testTimeout: 120_000 })

vi.mock('node:fs', async original => (await import('./support/record-fs.ts')).recordFs(await original<typeof fs>()))
vi.mock('node:fs/promises', async original =>
  (await import('./support/record-fs.ts')).recordPromises(await original<typeof promises>()),
)

/*
 * Every fetch is cut after each of its steps, by a kill and by losses of power: what is left verifies clean, and the same command ends the work.
 */

/** Everything that a fetch may bring. */
const ALL = { referrers: true, digestTags: true }

/** An index for two platforms, what refers to it and to that, and the tags of its signature. */
async function makeSigned(seed: string): Promise<Readonly<Record<string, Graph>>> {
  const index = await makeMultiPlatform({ seed })
  const note = makeArtifact({ subject: index, payload: seed })
  const latest = withReferrers(index, withReferrers(note, makeArtifact({ subject: note, payload: 'of a note' })))
  return { latest, [digestTag(index.root.digest, 'sig')]: makeCosignSignature(index) }
}

test('a first fetch of an index with referrers and signatures', async () => {
  const registry = await startRegistry({ 'team/app': await makeSigned('first') })
  for (const seed of [1, 2]) {
    const tried = await expectSafe({
      run: root => fetchAll(`${registry.host}/team/app`, ['latest'], { root, ...ALL }),
      seed,
    })
    expect(tried.judged).toBeGreaterThan(80)
  }
})

test('a fetch by digest, which sets no tag', async () => {
  const images = await makeSigned('pinned')
  const registry = await startRegistry({ app: images })
  await expectSafe({
    run: root => fetchAll(`${registry.host}/app`, [images['latest']?.root.digest ?? ''], { root, ...ALL }),
  })
})

test('a fetch that moves a tag', async () => {
  const registry = await startRegistry({ app: await makeSigned('old') })
  const fetch = (root: string): Promise<unknown> => fetchAll(`${registry.host}/app`, ['latest'], { root, ...ALL })
  const next = await makeSigned('new')
  await expectSafe({
    prepare: async root => {
      await fetch(root)
      for (const [tag, image] of Object.entries(next)) registry.put('app', tag, image)
    },
    run: fetch,
  })
})

test('a fetch of many tags that share blobs, into one repository and into another that has some of them', async () => {
  const shared = await makeBigLayer(1000, 'shared')
  const make = (seed: string): Promise<Graph> => makeImage({ seed, layers: [shared], config: { Cmd: [seed] } })
  const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map(make))
  const long = await makeImage({ seed: 'a', sha512: true })
  if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('four were made')
  const registry = await startRegistry({ one: { a, b }, two: { b, c, d, long } })
  for (const seed of [1, 2]) {
    await expectSafe({
      prepare: root => fetchAll(`${registry.host}/one`, ['a', 'b'], { root }),
      run: root => fetchAll(`${registry.host}/two`, ['b', 'c', 'd', 'long'], { root }),
      seed,
    })
  }
})

test('an image of which another process has made the blobs visible, and has not flushed their names yet', async () => {
  const [first, second] = [await makeImage({ seed: 'first' }), await makeImage({ seed: 'second' })]
  await expectSafe({
    run: async root => {
      const [ours, theirs] = [openTree(root), openTree(root)]
      await putGraph(ours, 'app', first)
      for (const [digest, bytes] of second.blobs) {
        const descriptor = { mediaType: OCTET_STREAM, digest, size: bytes.length }
        if (!(await theirs.linkBlob('app', descriptor))) await putBlob(theirs, 'app', descriptor, bytes)
      }
      await putGraph(ours, 'app', second, { tag: 'latest' })
    },
  })
})

test('a fetch on a disk that gives no hard links', async () => {
  const registry = await startRegistry({ app: await makeSigned('copied') })
  const fetch = (root: string, as: string): Promise<unknown> =>
    fetchAll(`${registry.host}/app`, ['latest'], { root, as, ...ALL })
  setLinks(false)
  onTestFinished(() => setLinks(true))
  await expectSafe({ prepare: root => fetch(root, 'app'), run: root => fetch(root, 'other'), reruns: 20 })
})

test('a fetch that takes up what an earlier one left', async () => {
  const layer = await makeBigLayer(2_300_000)
  const image = await makeImage({ layers: [layer] })
  const digest = [...image.blobs].find(([, bytes]) => bytes.length === layer.bytes.length)?.[0] ?? ''
  const registry = await startRegistry({ app: { latest: image } })
  for (const part of [layer.bytes.subarray(0, 500_000), Buffer.alloc(700_000)]) {
    await expectSafe({
      prepare: async root => {
        await mkdir(join(root, '.registrish/partial'), { recursive: true })
        await writeFile(join(root, '.registrish/partial', digest), part)
      },
      run: root => fetchAll(`${registry.host}/app`, ['latest'], { root }),
      reruns: 20,
    })
  }
})
