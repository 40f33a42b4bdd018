import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emitHosts, refreshHosts } from '../../src/emit/apply.ts'
import type { Emitter } from '../../src/emit/emitter.ts'
import { EMITTERS } from '../../src/emit/hosts.ts'
import { writeSite } from '../../src/emit/write-site.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { createRouteTable } from '../../src/tree/routes.ts'
import { makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeTree } from '../support/write-images.ts'

const SITES = EMITTERS.filter(({ site }) => site !== undefined)

test('some hosts take a site', () => {
  expect(SITES.map(({ name }) => name)).toEqual(expect.arrayContaining(['firebase', 'vercel']))
})

describe.each(SITES.map(emitter => [emitter.name, emitter] as const))('the site of %s', (name, emitter) => {
  const folder = emitter.site?.folder ?? ''

  test('holds links to the files of the tree', async () => {
    const root = await makeTree()
    const [result] = await emitHosts(openTree(root), [{ name }])
    expect(result?.links).toBeGreaterThan(10)
    const inodes = new Set(listFiles(root, 'v2').map(path => statSync(join(root, path)).ino))
    const linked = listFiles(root, folder).filter(path => inodes.has(statSync(join(root, path)).ino))
    expect(linked.length).toBeGreaterThan(5)
    for (const path of listFiles(root, folder)) expect(lstatSync(join(root, path)).mode & 0o777, path).toBe(0o644)
  })

  test('a second time nothing is written', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    expect(await refreshHosts(openTree(root))).toEqual([expect.objectContaining({ name, links: 0, changed: [] })])
  })

  test('becomes what the tree is: mended, and without what is gone', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const before = listFiles(root, folder)
    const [first] = before.filter(path => path.includes('sha256'))
    writeFileSync(join(root, folder, 'v2/stray'), 'x')
    writeFileSync(join(root, folder, '.DS_Store'), 'x')
    rmSync(join(root, first ?? ''))
    await emitHosts(openTree(root), [])
    expect(listFiles(root, folder)).toEqual(before)
    rmSync(join(root, 'v2/other'), { recursive: true })
    await emitHosts(openTree(root), [])
    const after = listFiles(root, folder)
    expect(after.length).toBeLessThan(before.length)
    expect(after.filter(path => path.includes('/other/'))).toEqual([])
  })

  test('is mended where a link, a file or a folder stands in the way, and nothing is written elsewhere', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const before = listFiles(root, folder)
    const inFolder = before.filter(path => path.slice(folder.length + 1).includes('/'))
    const [first = '', last = ''] = [inFolder[0], inFolder.at(-1)]
    const top = join(folder, first.slice(folder.length + 1).split('/')[0] ?? '')
    const elsewhere = await makeTemporaryFolder()
    rmSync(join(root, top), { recursive: true })
    symlinkSync(elsewhere, join(root, top))
    if (!last.startsWith(`${top}/`)) {
      rmSync(join(root, last))
      mkdirSync(join(root, last, 'in the way'), { recursive: true })
      writeFileSync(join(root, last, 'in the way', 'x'), 'x')
    }
    await emitHosts(openTree(root), [])
    expect(readdirSync(elsewhere)).toEqual([])
    expect(listFiles(root, folder)).toEqual(before)
    rmSync(join(root, top), { recursive: true })
    writeFileSync(join(root, top), 'a file where a folder belongs')
    await emitHosts(openTree(root), [])
    expect(listFiles(root, folder)).toEqual(before)
  })

  test('a document that not everyone may read becomes one that everyone may', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const documents = listFiles(root, folder).filter(path => /tags.list/.test(path))
    expect(documents).not.toEqual([])
    for (const path of documents) chmodSync(join(root, path), 0o600)
    await emitHosts(openTree(root), [])
    for (const path of documents) expect(lstatSync(join(root, path)).mode & 0o777).toBe(0o644)
  })

  test('is not made where something of another is', async () => {
    const root = await makeTree()
    mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, folder, 'index.html'), 'mine')
    await expect(emitHosts(openTree(root), [{ name }])).rejects.toMatchObject({ code: 'conflict' })
    expect(readFileSync(join(root, folder, 'index.html'), 'utf8')).toBe('mine')
    expect(readdirSync(join(root, folder))).toEqual(['index.html'])
  })

  test('keeps no file of another, and deletes none: the first one is named', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const before = listFiles(root, folder)
    mkdirSync(join(root, folder, 'empty'))
    mkdirSync(join(root, folder, 'docs'))
    const own = [`${folder}/docs/a.html`, `${folder}/index.html`]
    for (const path of own) writeFileSync(join(root, path), 'mine')
    await writeTree(root, 'later', { latest: await makeImage({ seed: 'later' }) })
    for (const emit of [
      async (): Promise<unknown> => emitHosts(openTree(root), []),
      async (): Promise<unknown> => refreshHosts(openTree(root)),
    ]) {
      await expect(emit()).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(`${folder}/docs/a.html was not made by registrish`),
      })
    }
    expect(listFiles(root, folder)).toEqual([...before, ...own].sort())
    for (const path of own) rmSync(join(root, path))
    await emitHosts(openTree(root), [])
    expect(listFiles(root, folder).length).toBeGreaterThan(before.length)
  })

  test('has no file but below the names that are said to be its own', async () => {
    const root = await makeTree()
    await emitHosts(openTree(root), [{ name }])
    const tops = listFiles(root, folder).map(path => path.slice(folder.length + 1).split('/')[0])
    const printed = ['_headers', '_redirects']
    expect(new Set(tops.filter(top => !printed.includes(top ?? '')))).toEqual(emitter.site?.names)
  })

  test('is made where a kill left its first files, before there was a marker', async () => {
    const whole = await makeTree()
    await emitHosts(openTree(whole), [{ name }])
    const root = await makeTree()
    const begun = ['_headers', '_redirects'].map(file => `${folder}/${file}`)
    const [first] = begun.filter(path => path !== emitter.marker && existsSync(join(whole, path)))
    mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, folder, '.123._redirects~'), 'half')
    if (first !== undefined) copyFileSync(join(whole, first), join(root, first))
    await emitHosts(openTree(root), [{ name }])
    expect(listFiles(root, folder)).toEqual(listFiles(whole, folder))
  })

  test('is not made through a symbolic link', async () => {
    const root = await makeTree()
    const elsewhere = await makeTemporaryFolder()
    symlinkSync(elsewhere, join(root, folder.split('/')[0] ?? ''))
    await expect(emitHosts(openTree(root), [{ name }])).rejects.toMatchObject({ code: 'conflict' })
    expect(readdirSync(elsewhere)).toEqual([])
  })
})

test('a path that leaves the folder is refused, and nothing is written there', async () => {
  const root = await makeTree()
  for (const path of ['firebase/site/../x', 'firebase/sitex', 'firebase/site//x', 'x']) {
    const emitter = { site: { folder: 'firebase/site', files: () => one(path) } } as unknown as Emitter
    const table = createRouteTable(openTree(root))
    const written = writeSite({ emitter, options: {} }, { root, table, printed: new Set() })
    await expect(written).rejects.toMatchObject({ code: 'name-invalid' })
    expect(existsSync(join(root, path))).toBe(false)
  }
})

test('a tag whose file has moved on since it was listed is left for the next time', async () => {
  const root = await makeTree()
  const at = (path: string): string => join(root, path)
  const table = createRouteTable(openTree(root))
  for await (const route of table.routes()) {
    if (route.kind !== 'tag' || !('file' in route.body) || route.digest === undefined) continue
    writeFileSync(at('v2/moved'), '{}')
    const file = { path: 'firebase/site/x', to: 'v2/moved', digest: route.digest }
    const emitter = { site: { folder: 'firebase/site', files: () => one(file.path, file) } } as unknown as Emitter
    expect(await writeSite({ emitter, options: {} }, { root, table, printed: new Set() })).toEqual({
      changed: 0,
      complete: false,
    })
    expect(existsSync(at(file.path))).toBe(false)
    linkSync(at(route.body.file), at('v2/same'))
    const same = { ...file, to: 'v2/same' }
    const other = { site: { folder: 'firebase/site', files: () => one(file.path, same) } } as unknown as Emitter
    expect(await writeSite({ emitter: other, options: {} }, { root, table, printed: new Set() })).toEqual({
      changed: 1,
      complete: true,
    })
    return
  }
  throw new Error('no tag')
})

async function* one(path: string, file: object = { path, bytes: new Uint8Array(1) }): AsyncGenerator<object> {
  yield file
}

async function makeTree(): Promise<string> {
  const root = await makeTemporaryFolder()
  const image = await makeImage()
  await writeTree(root, 'app', { latest: image, '1.0.gz': image })
  await writeTree(root, 'other', { latest: image })
  await writeTree(root, 'deep/er', { 1: await makeMultiPlatform() })
  return root
}

function listFiles(root: string, folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}
