import { beforeEach, describe, expect, test, vi } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import { EMITTERS } from '../../src/emit/hosts.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { createChangeNotes, readChanges } from '../../src/tree/change-notes.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { blobPath } from '../../src/tree/layout.ts'
import { acquireTreeLock } from '../../src/tree/lock.ts'
import { makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeFiles, writeTree } from '../support/write-images.ts'

/* A tree that changes while a site is made of it: between its rules, which are printed by then, and its files. */

const hook = vi.hoisted(() => ({ beforeFiles: async (): Promise<void> => {} }))
vi.mock(import('../../src/emit/write-site.ts'), async load => {
  const original = await load()
  return {
    ...original,
    async writeSite(...args) {
      await hook.beforeFiles()
      return original.writeSite(...args)
    },
  }
})
beforeEach(() => {
  hook.beforeFiles = async () => {}
})

const SITES = EMITTERS.filter(({ site }) => site !== undefined).map(({ name }) => name)

describe.each(SITES)('the site of %s', name => {
  test('is of one moment, whatever changes while it is made', async () => {
    const root = await makeTree()
    hook.beforeFiles = async () => {
      hook.beforeFiles = async () => {}
      await writeTree(root, 'app', { latest: await makeMultiPlatform({ seed: 'moved' }) })
      await writeTree(root, 'new', { latest: await makeImage({ seed: 'new' }) })
    }
    await emitHosts(openTree(root), [{ name }])
    expect(await refreshHosts(openTree(root))).toEqual([expect.objectContaining({ name, changed: [], links: 0 })])
  })

  test('is not said to be made where it changes all the time', async () => {
    const root = await makeTree()
    let passes = 0
    hook.beforeFiles = async () => {
      passes += 1
      await writeTree(root, 'app', { latest: await makeImage({ seed: `pass-${passes}` }) })
    }
    await expect(emitHosts(openTree(root), [{ name }])).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining('the tree is being changed'),
      hint: expect.stringContaining(`registrish emit --host ${name}`),
    })
    expect(passes).toBe(10)
  })

  test('is brought up to date by a fetch that ends beside others, who have the last word', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const lock = await acquireTreeLock(root, 'shared')
    await createChangeNotes(root, lock)(['app'])
    await lock.release()
    let passes = 0
    hook.beforeFiles = async () => {
      passes += 1
      await writeTree(root, 'app', { latest: await makeImage({ seed: `pass-${passes}` }) })
    }
    expect(await refreshHosts(openTree(root), { repositories: ['app'] })).toMatchObject([{ name, unsteady: true }])
    expect((await readChanges(root)).repositories).toEqual(['app'])
    hook.beforeFiles = async () => {}
    expect(await refreshHosts(openTree(root), { repositories: [] })).toEqual([
      expect.not.objectContaining({ unsteady: true }),
    ])
    expect((await readChanges(root)).repositories).toEqual([])
  })

  test('is made while blobs come that no manifest names yet', async () => {
    const root = await makeTree()
    let passes = 0
    hook.beforeFiles = async () => {
      passes += 1
      const bytes = Buffer.from(`blob ${passes}`)
      await writeFiles(root, new Map([[blobPath('app', digestOf(bytes)), bytes]]))
    }
    await emitHosts(openTree(root), [{ name }])
    expect(passes).toBe(1)
  })
})

async function makeTree(): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', { latest: await makeImage() })
  return root
}
