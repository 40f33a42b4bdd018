import { lstat, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { makeImage } from '../support/made-images.ts'
import { listFiles, makeTwins } from '../support/site-trees.ts'
import { writeTree } from '../support/write-images.ts'

const SITE = 'cloudflare-pages/site'
const RULES = [`${SITE}/_headers`, `${SITE}/_redirects`]

describe('the site of Cloudflare Pages on disk', () => {
  test('is links to the tree and two files of rules, each blob once', async () => {
    const root = await makeTwins()
    const [result] = await emitHosts(openTree(root), [{ name: 'cloudflare-pages' }])
    expect(result).toMatchObject({
      warnings: [],
      changed: RULES,
      reload: 'registrish deploy --cloudflare-pages PROJECT',
    })
    const files = await listFiles(root, SITE)
    expect(files).toEqual(expect.arrayContaining([...RULES, `${SITE}/v2/app/tags/list`, `${SITE}/404.html`]))
    const inTree = (await listFiles(root, 'v2')).filter(path => path.includes('/blobs/'))
    const pool = files.filter(path => path.startsWith(`${SITE}/blobs/sha256/`))
    expect(pool).toHaveLength(inTree.length / 2)
    const inodes = new Set(await Promise.all(inTree.map(async path => (await lstat(join(root, path))).ino)))
    for (const path of pool) expect(inodes).toContain((await lstat(join(root, path))).ino)
  })

  test('follows the tree with its rules, and is left alone where that did not change', async () => {
    const root = await makeTwins()
    await emitHosts(openTree(root), [{ name: 'cloudflare-pages' }])
    expect(await emitHosts(openTree(root), [])).toEqual([expect.objectContaining({ changed: [], links: 0 })])
    await writeTree(root, 'app', { next: await makeImage({ seed: 'next' }) })
    const [result] = await refreshHosts(openTree(root), { repositories: ['app'] })
    expect(result?.links).toBeGreaterThan(0)
    expect(await listFiles(root, SITE)).toContain(`${SITE}/manifests/of/app/_/tags/next.tag`)
    await rm(join(root, 'v2/other'), { recursive: true })
    await emitHosts(openTree(root), [])
    const left = await listFiles(root, SITE)
    expect(left.filter(path => path.includes('/other/'))).toEqual([])
    expect(left).toEqual(expect.arrayContaining(RULES))
    expect(await readFile(join(root, RULES[1] ?? ''), 'utf8')).toMatch(/^# registrish emit --host cloudflare-pages\n/)
  })
})
