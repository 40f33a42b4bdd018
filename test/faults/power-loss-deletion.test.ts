import type * as fs from 'node:fs'
import type * as promises from 'node:fs/promises'
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { isRegistrishError } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { pruneTree } from '../../src/tree/prune.ts'
import { type RemoveTarget, removeImages } from '../../src/tree/remove.ts'
import { verifyTree } from '../../src/tree/verify.ts'
import { makeArtifact, makeImage, makeIndex, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { writeManifests } from '../tree/support/hand-made.ts'
import { putGraph } from '../tree/support/put-graph.ts'
import { expectSafe, verifyLeft } from './support/power-loss.ts'

vi.setConfig({ testTimeout: 120_000 })

vi.mock('node:fs', async original => (await import('./support/record-fs.ts')).recordFs(await original<typeof fs>()))
vi.mock('node:fs/promises', async original =>
  (await import('./support/record-fs.ts')).recordPromises(await original<typeof promises>()),
)

/*
 * What deletes, and what mends, is cut after each of its steps, by a kill and by losses of power: what is left verifies clean, and the same command ends
 * the work.
 */

/** A tree of which tags, nested indexes, referrers of several depths and whole repositories may go. Gives the digest of a referrer. */
async function makeFullTree(root: string): Promise<Digest> {
  const tree = openTree(root)
  const image = await makeImage({ seed: 'kept' })
  const [one, two] = [makeArtifact({ subject: image, payload: '1' }), makeArtifact({ subject: image, payload: '2' })]
  await putGraph(tree, 'app', withReferrers(image, one, two), { tag: 'v1' })
  await putGraph(tree, 'app', await makeImage({ seed: 'other', sha512: true }), { tag: 'v2' })
  const old = makeIndex([await makeMultiPlatform({ seed: 'old' })])
  const signature = makeArtifact({ subject: old, payload: 'signature' })
  await putGraph(tree, 'app', withReferrers(old, withReferrers(signature, makeArtifact({ subject: signature }))))
  await putGraph(tree, 'gone/app', await makeMultiPlatform({ seed: 'gone' }), { tag: 'v1' })
  await putGraph(tree, 'gone/app/deep', image, { tag: 'v1' })
  await rebuildDocuments(root)
  return one.root.digest
}

/** So many that every state is taken on. */
const ALL = 1000

/** Removes what is there; what is gone already is what is wanted. */
async function removeLeft(root: string, ...targets: readonly RemoveTarget[]): Promise<void> {
  for (const target of targets) {
    await removeImages(openTree(root), [target]).catch((error: unknown) => {
      if (!isRegistrishError(error, 'not-found')) throw error
    })
  }
}

const REMOVALS: Readonly<Record<string, readonly RemoveTarget[]>> = {
  'a tag': [{ repository: 'app', reference: 'v1' }],
  'the tag of an image that is named by sha512': [{ repository: 'app', reference: 'v2' }],
  'a repository': [{ repository: 'gone/app' }],
  'repositories, one of them below another that stays': [{ repository: 'app' }, { repository: 'gone/app/deep' }],
}

test.each(Object.entries(REMOVALS))('remove of %s', async (_, targets) => {
  await expectSafe({
    prepare: makeFullTree,
    run: root => removeImages(openTree(root), targets),
    again: root => removeLeft(root, ...targets),
    reruns: ALL,
  })
})

test('remove of a referrer', async () => {
  let reference = ''
  await expectSafe({
    prepare: async root => {
      reference = await makeFullTree(root)
    },
    run: root => removeImages(openTree(root), [{ repository: 'app', reference }]),
    again: root => removeLeft(root, { repository: 'app', reference }),
    reruns: ALL,
  })
})

test('remove of the last referrer, whose list goes with it', async () => {
  const image = await makeImage()
  const note = makeArtifact({ subject: image, payload: 'note' })
  const target = { repository: 'app', reference: note.root.digest }
  await expectSafe({
    prepare: async root => {
      await putGraph(openTree(root), 'app', withReferrers(image, note), { tag: 'v1' })
      await rebuildDocuments(root)
    },
    run: root => removeImages(openTree(root), [target]),
    again: root => removeLeft(root, target),
    reruns: ALL,
  })
})

test('remove of a tag whose file is the only one of what it names, in a tree made by hand', async () => {
  const image = await makeImage()
  const target = { repository: 'app', reference: 'latest' }
  const byDigest = `v2/app/manifests/${image.root.digest}`
  await expectSafe({
    prepare: async root => {
      await putGraph(openTree(root), 'app', image)
      await writeManifests(root, 'app', ['latest', image])
      await rebuildDocuments(root)
      await rm(join(root, byDigest))
    },
    run: root => removeImages(openTree(root), [target]),
    again: root => removeLeft(root, target),
    judge: async left => {
      const lost = !left.state.has(byDigest) && !left.state.has('v2/app/manifests/latest')
      const wrong = (await verifyLeft(left)).filter(line => !line.includes('has no name by its digest')) // as it was before
      return lost ? [...wrong, 'the manifest is gone'] : wrong
    },
    reruns: ALL,
  })
})

test('prune', async () => {
  const { cuts, rerun } = await expectSafe({
    prepare: async root => {
      await makeFullTree(root)
      await removeImages(openTree(root), [
        { repository: 'app', reference: 'v2' },
        { repository: 'gone/app', reference: 'v1' },
      ])
    },
    run: root => pruneTree(openTree(root)),
    reruns: ALL,
  })
  expect(cuts).toBeGreaterThan(80)
  expect(rerun).toBeGreaterThan(80)
})

test('documents are made for a tree that lacks some', async () => {
  await expectSafe({
    prepare: async root => {
      await makeFullTree(root)
      for (const path of ['_catalog', 'app/tags/list', 'gone/app/tags/list']) await rm(join(root, 'v2', path))
    },
    run: root => rebuildDocuments(root),
  })
})

test('verify --repair of a tree with wrong bytes and without links', async () => {
  const image = await makeImage({ seed: 'broken' })
  const blob = [...image.blobs.keys()][0] ?? ''
  let damaged: readonly string[] = []
  await expectSafe({
    prepare: async root => {
      const note = await makeFullTree(root)
      for (const repository of ['app', 'copy']) await putGraph(openTree(root), repository, image, { tag: 'broken' })
      await rebuildDocuments(root)
      damaged = [blob, note, image.root.digest]
      for (const path of [`manifests/${note}`, `blobs/${blob}`]) await damage(join(root, 'v2/app', path))
      for (const digest of image.blobs.keys()) await unlinkCopy(join(root, 'v2/copy/blobs', digest))
    },
    run: root => verifyTree(openTree(root), { repair: true }),
    // What is damaged, and what names it, is a problem before and may be one until the end.
    judge: async left => (await verifyLeft(left)).filter(line => !damaged.some(digest => line.includes(digest))),
    reruns: ALL,
  })
})

/** Other bytes, in a file of its own. */
async function damage(file: string): Promise<void> {
  const bytes = await readFile(file)
  bytes.fill(0x20, 0, 4)
  await rm(file)
  await writeFile(file, bytes)
}

/** The same bytes, in a file of its own. */
async function unlinkCopy(file: string): Promise<void> {
  await copyFile(file, `${file}-copy`)
  await rename(`${file}-copy`, file)
}
