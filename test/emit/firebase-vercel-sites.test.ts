import { lstat, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { listFiles, makeTwins } from '../support/site-trees.ts'
import { writeTree } from '../support/write-images.ts'

const HOSTS = [
  { name: 'firebase', site: 'firebase/site', settings: 'firebase/firebase.json', marker: 'firebase/.gitignore' },
  {
    name: 'vercel',
    site: 'vercel/.vercel/output/static',
    settings: 'vercel/.vercel/output/config.json',
    marker: 'vercel/.gitignore',
  },
] as const

describe.each(HOSTS)('the site of $name on disk', ({ name, site, settings, marker }) => {
  test('is links to the tree, beside its settings and a marker, and nothing else', async () => {
    const root = await makeTwins()
    expect(await emitHosts(openTree(root), [{ name }])).toEqual([expect.objectContaining({ name, warnings: [] })])
    const files = await listFiles(root, name)
    expect(files.filter(path => !path.startsWith(`${site}/`)).sort()).toEqual([marker, settings].sort())
    const inodes = new Set((await inodesOf(root, await listFiles(root, 'v2'))).values())
    const strangers = [...(await inodesOf(root, files))].filter(([, inode]) => !inodes.has(inode)).map(([path]) => path)
    expect(strangers.filter(path => /blobs|manifest|sha256/.test(path))).toEqual([])
    expect(await readFile(join(root, marker), 'utf8')).toBe(`# registrish emit --host ${name}\n*\n`)
  })

  test('follows the tree, and is left alone where that did not change', async () => {
    const root = await makeTwins()
    await emitHosts(openTree(root), [{ name }])
    expect(await emitHosts(openTree(root), [])).toEqual([expect.objectContaining({ changed: [], links: 0 })])
    const before = await listFiles(root, site)
    await writeTree(root, 'app', { next: await makeImage({ seed: 'next' }) })
    const [result] = await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(result?.changed).toEqual([settings])
    expect((await listFiles(root, site)).length).toBeGreaterThan(before.length)
    await rm(join(root, 'v2/other'), { recursive: true })
    await emitHosts(openTree(root), [])
    expect((await listFiles(root, site)).filter(path => path.includes('/other/'))).toEqual([])
  })
})

test('of a blob in two repositories Firebase has a link in each, Vercel one in a pool', async () => {
  const root = await makeTwins()
  await emitHosts(openTree(root), [{ name: 'firebase' }, { name: 'vercel' }])
  const blobs = (await listFiles(root, 'v2')).filter(path => path.includes('/blobs/'))
  const contents = new Set(blobs.map(path => path.slice(path.lastIndexOf('/') + 1)))
  expect(blobs.length).toBe(contents.size * 2)
  const copies = (await listFiles(root, 'firebase/site')).filter(path => path.includes('/blobs/'))
  expect(copies).toHaveLength(blobs.length)
  expect(new Set((await inodesOf(root, copies)).values())).toEqual(new Set((await inodesOf(root, blobs)).values()))
  const pool = (await listFiles(root, 'vercel/.vercel/output/static')).filter(path => path.includes('/blobs/'))
  expect(pool.map(path => path.slice(-71).replace('/', ':')).sort()).toEqual([...contents].sort())
})

async function inodesOf(root: string, paths: readonly string[]): Promise<ReadonlyMap<string, number>> {
  return new Map(await Promise.all(paths.map(async path => [path, (await lstat(join(root, path))).ino] as const)))
}
