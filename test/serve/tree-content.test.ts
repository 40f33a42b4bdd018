import { copyFileSync, openSync, readdirSync, renameSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createTreeContent } from '../../src/serve/tree-content.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import type { ReadonlyTree } from '../../src/tree/tree.ts'
import { digestOf, TreeByHand } from '../contract/tree-by-hand.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

vi.mock('node:fs', async original => {
  const real = await original<typeof import('node:fs')>()
  return { ...real, openSync: vi.fn(real.openSync) }
})

async function makeTree(): Promise<{ readonly byHand: TreeByHand; readonly tree: ReadonlyTree }> {
  const byHand = new TreeByHand(await makeTemporaryFolder())
  byHand.image('app', { tags: ['latest'], note: 'one' })
  byHand.image('app', { tags: ['next'], note: 'two' })
  return { byHand, tree: openTree(byHand.root) }
}

test('a tag that moves between its digest and its bytes is looked up again', async () => {
  const { byHand, tree } = await makeTree()
  const folder = join(byHand.root, 'v2/app/manifests')
  let calls = 0
  const moving: ReadonlyTree = {
    ...tree,
    async manifest(repository, reference) {
      const stored = await tree.manifest(repository, reference)
      if (++calls === 1) {
        copyFileSync(join(folder, 'next'), join(folder, '.new'))
        renameSync(join(folder, '.new'), join(folder, 'latest'))
      }
      return stored
    },
  }
  const found = await createTreeContent(moving).find('/v2/app/manifests/latest')
  expect(calls).toBe(2)
  expect(found?.bytes).toEqual(byHand.manifests[1]?.bytes)
  expect(found?.whole.headers['Docker-Content-Digest']).toBe(byHand.manifests[1]?.digests[0])
})

test('a tag that never stands still fails, rather than give bytes under the digest of others', async () => {
  const { byHand, tree } = await makeTree()
  const folder = join(byHand.root, 'v2/app/manifests')
  let calls = 0
  const restless: ReadonlyTree = {
    ...tree,
    async manifest(repository, reference) {
      const stored = await tree.manifest(repository, reference)
      copyFileSync(join(folder, byHand.manifests[++calls % 2]?.digests[0] ?? ''), join(folder, 'latest'))
      return stored
    },
  }
  await expect(createTreeContent(restless).find('/v2/app/manifests/latest')).rejects.toMatchObject({ code: 'conflict' })
})

test('manifests and documents that do not change are read once, by each path that names them', async () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
  onTestFinished(() => clock.mockRestore())
  const { byHand, tree } = await makeTree()
  const manifest = vi.fn(tree.manifest)
  const tags = vi.fn(tree.tags)
  const content = createTreeContent({ ...tree, manifest, tags })
  for (let round = 0; round < 3; round++) {
    await content.find('/v2/app/manifests/latest')
    await content.find(`/v2/app/manifests/${byHand.manifests[0]?.digests[0]}`)
    await content.find('/v2/app/tags/list')
  }
  expect(manifest).toHaveBeenCalledTimes(2)
  expect(tags).toHaveBeenCalledTimes(1)
})

test('the catalogue is walked once at a time, and no answer is older than its question', async () => {
  const { byHand, tree } = await makeTree()
  let [running, most, walks] = [0, 0, 0]
  const content = createTreeContent({
    ...tree,
    async repositories() {
      walks += 1
      most = Math.max(most, ++running)
      const names = await tree.repositories()
      await new Promise(resolve => setImmediate(resolve))
      running -= 1
      return names
    },
  })
  const read = async (): Promise<string> => Buffer.from((await content.find('/v2/_catalog'))?.bytes ?? []).toString()
  const first = read()
  byHand.image('new', { tags: ['1'], note: 'new' })
  const rest = await Promise.all(Array.from({ length: 50 }, read))
  expect(await first).toMatch(/^\{"repositories":\["app"/)
  expect(new Set(rest)).toEqual(new Set(['{"repositories":["app","new"]}']))
  expect([most, walks]).toEqual([1, 2])
})

test('a list of tags is made once for all who ask meanwhile, and reads again only what has changed', async () => {
  const { byHand, tree } = await makeTree()
  const folder = join(byHand.root, 'v2/app/manifests')
  // a manifest that was still for a while is one whose date says so
  const old = new Date(Date.now() - 60_000)
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), old, old)
  let [running, most, lists] = [0, 0, 0]
  const content = createTreeContent({
    ...tree,
    async tags(repository) {
      lists += 1
      most = Math.max(most, ++running)
      await new Promise(resolve => setImmediate(resolve))
      running -= 1
      return tree.tags(repository)
    },
  })
  const read = async (): Promise<string> =>
    Buffer.from((await content.find('/v2/app/tags/list'))?.bytes ?? []).toString()
  expect(await read()).toBe('{"name":"app","tags":["latest","next"]}')

  const opened = vi.mocked(openSync)
  opened.mockClear()
  byHand.image('app', { tags: ['third'], note: 'three', tagOnly: true })
  const answers = await Promise.all(Array.from({ length: 20 }, read))
  expect(new Set(answers)).toEqual(new Set(['{"name":"app","tags":["latest","next","third"]}']))
  expect([most, lists]).toEqual([1, 3])
  const files = opened.mock.calls.map(([path]) => String(path)).filter(path => path.startsWith(folder))
  expect(new Set(files)).toEqual(new Set([join(folder, 'third')]))
})

test('a manifest by its sha512 digest is verified by sha512', async () => {
  const { byHand, tree } = await makeTree()
  byHand.image('app', { note: 'three', sha512: true })
  const [, sha512 = ''] = byHand.manifests[2]?.digests ?? []
  const found = await createTreeContent(tree).find(`/v2/app/manifests/${sha512}`)
  expect(digestOf(Buffer.from(found?.bytes ?? []), 'sha512')).toBe(sha512)
  expect(found?.etag).toBe(`"${sha512}"`)
})
