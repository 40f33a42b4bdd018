import type * as fs from 'node:fs'
import type * as promises from 'node:fs/promises'
import { rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { rebuildDocuments } from '../../src/tree/documents.ts'
import { removeImages } from '../../src/tree/remove.ts'
import { makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeManifests } from './support/hand-made.ts'
import { putGraph } from './support/put-graph.ts'

/*
 * What a power loss may do cannot be tried here; what keeps it harmless can be watched: a name that something else relies on is flushed (its folder's
 * `sync`) before that becomes visible, or before what it replaces is deleted.
 */
const watch = vi.hoisted(() => ({
  /** Paths that were named since their folder was last flushed. */
  loose: new Set<string>(),
  onName: (_path: string): void => {},
  onUnlink: (_path: string): void => {},
}))

vi.mock('node:fs', async original => {
  const real = await original<typeof fs>()
  const unlinkSync: typeof fs.unlinkSync = path => {
    watch.onUnlink(String(path))
    real.unlinkSync(path)
  }
  return { ...real, unlinkSync }
})

vi.mock('node:fs/promises', async original => {
  const real = await original<typeof promises>()
  const named = (path: string): void => {
    watch.onName(path)
    watch.loose.add(path)
  }
  return {
    ...real,
    open: async (path: string, ...rest: (string | number)[]) => {
      const handle = await real.open(path, ...(rest as [string, number]))
      const sync = async (): Promise<void> => {
        for (const name of watch.loose) if (name.startsWith(`${path}/`)) watch.loose.delete(name)
      }
      return Object.assign(handle, { sync })
    },
    rename: async (from: string, to: string) => {
      await real.rename(from, to)
      named(to)
    },
    link: async (from: string, to: string) => {
      await real.link(from, to)
      named(to)
    },
  }
})

beforeEach(() => {
  watch.loose.clear()
  watch.onName = () => {}
  watch.onUnlink = () => {}
})

/** Root-relative names of one folder of a repository that were not flushed. */
function loose(root: string, folder: string): readonly string[] {
  return [...watch.loose].map(path => relative(root, path)).filter(path => path.startsWith(`v2/app/${folder}/`))
}

test('blobs are flushed before a manifest, manifests before their index and before the tag', async () => {
  const root = await makeTemporaryFolder()
  const graph = await makeMultiPlatform()
  const early: string[] = []
  const seen: string[] = []
  watch.onName = path => {
    const name = relative(root, path)
    if (!name.startsWith('v2/app/manifests/')) return
    seen.push(name)
    early.push(...loose(root, 'blobs'))
    if (/latest$/.test(name) || name.endsWith(graph.root.digest)) early.push(...loose(root, 'manifests'))
  }
  await putGraph(openTree(root), 'app', graph, { tag: 'latest' })
  expect(seen.length).toBe(graph.manifests.size + 1)
  expect(early).toEqual([])
  expect(loose(root, 'manifests')).toEqual([])
})

/** What of the manifests' names was not flushed when one of them was deleted. */
function watchDeletions(root: string): { readonly early: string[]; readonly deleted: string[] } {
  const early: string[] = []
  const deleted: string[] = []
  watch.loose.clear()
  watch.onUnlink = path => {
    const name = relative(root, path)
    if (!name.startsWith('v2/app/manifests/')) return
    deleted.push(name)
    early.push(...loose(root, 'manifests'))
  }
  return { early, deleted }
}

test('the name by digest that a removed tag leaves is flushed before the tag is deleted', async () => {
  const root = await makeTemporaryFolder()
  const image = await makeImage()
  await writeManifests(root, 'app', ['latest', image])
  await rm(join(root, `v2/app/manifests/${image.root.digest}`))
  const { early, deleted } = watchDeletions(root)
  await removeImages(openTree(root), [{ repository: 'app', reference: 'latest' }])
  expect(deleted).toEqual(['v2/app/manifests/latest'])
  expect(early).toEqual([])
})

test('a list of referrers that became shorter is flushed before what it named is deleted', async () => {
  const root = await makeTemporaryFolder()
  const image = await makeImage()
  const [note, other] = ['one', 'two'].map(payload => makeArtifact({ subject: image, payload }))
  if (note === undefined || other === undefined) throw new Error('two were made')
  await putGraph(openTree(root), 'app', withReferrers(image, note, other), { tag: 'latest' })
  await rebuildDocuments(root)
  const { early, deleted } = watchDeletions(root)
  await removeImages(openTree(root), [{ repository: 'app', reference: note.root.digest }])
  expect(deleted).toContain(`v2/app/manifests/${note.root.digest}`)
  expect(early).toEqual([])
})
