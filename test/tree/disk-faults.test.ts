import type * as fs from 'node:fs'
import type * as promises from 'node:fs/promises'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { putGraph } from './support/put-graph.ts'

/** What the disk under a tree is like: it gives no hard links, takes names that differ by case for one, or is full where new files are asked for. */
const disk = vi.hoisted(() => ({ linkCode: '', foldsCase: false, full: false }))

vi.mock('node:fs', async original => {
  const real = await original<typeof fs>()
  const lstatSync = (path: string, options?: fs.StatSyncOptions): unknown => {
    const found = real.lstatSync(path, options)
    if (found !== undefined || !disk.foldsCase) return found
    const name = real.readdirSync(dirname(path)).find(other => other.toLowerCase() === basename(path).toLowerCase())
    return name === undefined ? undefined : real.lstatSync(join(dirname(path), name), options)
  }
  return { ...real, lstatSync }
})

vi.mock('node:fs/promises', async original => {
  const real = await original<typeof promises>()
  return {
    ...real,
    link: async (from: string, to: string) => {
      if (disk.linkCode !== '') throw Object.assign(new Error(disk.linkCode), { code: disk.linkCode })
      await real.link(from, to)
    },
    writeFile: async (path: string, content: string) => {
      if (disk.full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      await real.writeFile(path, content)
    },
  }
})

afterEach(() => {
  Object.assign(disk, { linkCode: '', foldsCase: false, full: false })
})

test.each(['EMLINK', 'EPERM', 'EXDEV', 'ENOTSUP'])(
  'where the disk gives no link (%s) there is a copy, readable by all',
  async code => {
    const root = await makeTemporaryFolder()
    const tree = openTree(root)
    disk.linkCode = code
    const image = await makeImage()
    await putGraph(tree, 'app', image, { tag: 'latest' })
    await putGraph(tree, 'other', image, { tag: 'latest' })
    for (const repository of ['app', 'other']) {
      const file = join(root, `v2/${repository}/manifests/latest`)
      expect(await readFile(file)).toEqual(
        await readFile(join(root, `v2/${repository}/manifests/${image.root.digest}`)),
      )
      expect([(await stat(file)).mode & 0o777, (await stat(file)).nlink]).toEqual([0o644, 1])
      for (const [digest, bytes] of image.blobs) expect(await tree.blobSize(repository, digest)).toBe(bytes.length)
    }
    expect(await readdir(join(root, '.registrish/incoming'))).toEqual([])
  },
)

test('where the disk folds case a tag that differs only by case is refused, never overwritten', async () => {
  const root = await makeTemporaryFolder()
  const tree = openTree(root)
  disk.foldsCase = true
  const [first, second] = [await makeImage(), await makeImage({ seed: 'another' })]
  await putGraph(tree, 'app', first, { tag: 'rc1' })
  await putGraph(tree, 'app', second)
  await expect(tree.tag('app', 'RC1', second.root.digest)).rejects.toMatchObject({ code: 'conflict' })
  expect((await tree.manifest('app', 'rc1'))?.digest).toBe(first.root.digest)
  expect(await tree.tag('app', 'rc1', second.root.digest)).toBe(true)
})

test('a disk that is too full to tell whether it folds case is asked again when it has room', async () => {
  const root = await makeTemporaryFolder()
  const tree = openTree(root)
  const image = await makeImage()
  await putGraph(tree, 'app', image)
  disk.full = true
  await expect(tree.tag('app', 'latest', image.root.digest)).rejects.toMatchObject({ code: 'no-space' })
  disk.full = false
  expect(await tree.tag('app', 'latest', image.root.digest)).toBe(true)
})
