import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { makeImage, makeIndex } from '../support/made-images.ts'
import { judgeStore } from './support/judge.ts'
import { makeFilledStore, makeTree } from './support/trees.ts'

describe('an object of another size than a manifest says', () => {
  it.each(['manifest', 'blob'])('is the business of the store where only that holds it: a %s', async kind => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const images = { app: { latest: makeIndex([a, b]) } }
    const store = await makeFilledStore(images)
    const tree = await makeTree(images)
    const [blob] = b.blobs.keys()
    const key = kind === 'blob' ? `v2/app/blobs/${String(blob)}` : `v2/app/manifests/${b.root.digest}`
    await rm(join(tree.root, key))
    store.set(key, 'cut off')
    const { problems } = await planDeploy(tree, store)
    expect(problems).toEqual([expect.objectContaining({ level: 'refuse', code: 'size-mismatch', side: 'target' })])
    await expect(deployTree(tree, store)).rejects.toMatchObject({
      code: 'size-mismatch',
      side: 'target',
      message: expect.stringContaining(`${key} on the store has 7 bytes`),
      hint: expect.stringMatching(/fetch the image whole.*or delete it/),
    })
    // Both of what the hint says helps.
    await deployTree(await makeTree(images), store)
    judgeStore(store)
    if (kind === 'blob') return
    store.objects.delete(key)
    await deployTree(tree, store)
    judgeStore(store, { sparse: new Set([b.root.digest]) })
  })

  it('is the business of the tree where that holds it', async () => {
    const image = await makeImage()
    const store = await makeFilledStore({ app: { latest: image } })
    const tree = await makeTree({ app: { latest: image } })
    const [blob] = image.blobs.keys()
    await truncate(join(tree.root, `v2/app/blobs/${String(blob)}`), 3)
    await expect(deployTree(tree, store)).rejects.toMatchObject({
      code: 'size-mismatch',
      side: 'source',
      hint: expect.stringContaining('registrish verify'),
    })
  })
})

describe('a prune that would delete more than half of a store', () => {
  it('is the business of the store', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const store = await makeFilledStore({ app: { latest: a }, other: { one: b, two: a } })
    await expect(deployTree(await makeTree({ small: { latest: b } }), store, { prune: true })).rejects.toMatchObject({
      code: 'conflict',
      side: 'target',
    })
  })
})
