import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { isFallbackDocument, rebuildDocuments } from '../../src/tree/documents.ts'
import { acquireNamedLock } from '../../src/tree/lock.ts'
import { readRepository } from '../../src/tree/snapshot.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeCosignSignature,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeRaw,
  referrerEntry,
  rootBytes,
} from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type CompiledModules, compileModules } from './support/child-program.ts'
import { readJson, statesOf, write, writeManifests } from './support/hand-made.ts'

/** A tree of one repository, made by hand, whose documents have been rebuilt. */
async function rebuilt(...graphs: readonly (readonly [tag: string, graph: Graph])[]): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeManifests(root, 'app', ...graphs)
  expect(await rebuildDocuments(root)).toBe(true)
  return root
}

/** The list of referrers that these graphs make: written here, not by the code under test. */
function listOf(...referrers: readonly Graph[]): object {
  const manifests = referrers.map(referrerEntry).sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests }
}

async function tagsOf(root: string, repository = 'app'): Promise<unknown> {
  return readJson(root, `v2/${repository}/tags/list`)
}

function fallbackPath(graph: Graph): string {
  return `v2/app/manifests/${digestTag(graph.root.digest)}`
}

function referrersPath(graph: Graph): string {
  return `v2/app/referrers/${graph.root.digest}`
}

async function inode(root: string, path: string): Promise<number> {
  return (await stat(join(root, path))).ino
}

describe('tags/list', () => {
  test('names every tag file, cosign and fallback tags included, sorted by code unit', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image })
    const signature = [digestTag(image.root.digest, 'sig'), makeCosignSignature(image)] as const
    const names = ['latest', 'RC1', 'rc1', '1.10', '007', '_x', 'a.b-c', 'latest.html']
    const root = await rebuilt(['', note], signature, ...names.map(name => [name, image] as const))
    const tags = [...names, signature[0], digestTag(image.root.digest)].sort()
    expect(await tagsOf(root)).toEqual({ name: 'app', tags })
    expect(await openTree(root).tags('app')).toEqual(tags)
  })

  test('is there without tags, where there are manifests by digest only', async () => {
    const root = await rebuilt(['', await makeImage()])
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: [] })
  })

  test('goes with the last manifest', async () => {
    const root = await rebuilt(['latest', await makeImage()])
    await rm(join(root, 'v2/app/manifests'), { recursive: true })
    await mkdir(join(root, 'v2/app/manifests'))
    expect(await rebuildDocuments(root, ['app'])).toBe(true)
    await expect(readFile(join(root, 'v2/app/tags/list'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the catalogue and the version', () => {
  test('name all repositories, nested ones too, sorted', async () => {
    const root = await makeTemporaryFolder()
    const names = ['b', 'a/c', 'a', 'a-b', 'a/b/c']
    for (const name of names) await writeManifests(root, name, ['latest', await makeImage()])
    expect(await rebuildDocuments(root)).toBe(true)
    expect(await readJson(root, 'v2/_catalog')).toEqual({ repositories: [...names].sort() })
    expect(await readJson(root, 'v2/index.json')).toEqual({})
    for (const name of names) expect(await tagsOf(root, name)).toEqual({ name, tags: ['latest'] })
  })

  test('are there for an empty tree', async () => {
    const root = await makeTemporaryFolder()
    expect(await rebuildDocuments(root)).toBe(true)
    expect(await readJson(root, 'v2/_catalog')).toEqual({ repositories: [] })
    expect(await readJson(root, 'v2/index.json')).toEqual({})
  })

  test('know all repositories, though only one of them is rebuilt', async () => {
    const root = await makeTemporaryFolder()
    for (const name of ['one', 'two']) await writeManifests(root, name, ['latest', await makeImage()])
    expect(await rebuildDocuments(root, ['two', 'two'])).toBe(true)
    expect(await readJson(root, 'v2/_catalog')).toEqual({ repositories: ['one', 'two'] })
    expect(await tagsOf(root, 'two')).toEqual({ name: 'two', tags: ['latest'] })
    expect(await readdir(join(root, 'v2/one'))).toEqual(['manifests'])
  })
})

describe('referrers', () => {
  test('are listed by subject, and at the fallback tag, which is a link to a manifest by digest', async () => {
    const [image, other] = [await makeImage(), await makeImage({ seed: 'other' })]
    const notes = [
      makeArtifact({ subject: image, payload: 'one', annotations: { key: 'value' } }),
      makeArtifact({ subject: image, payload: 'two', artifactType: 'application/vnd.example.sbom' }),
      makeIndex([other], { subject: image }),
      await makeImage({ subject: image, seed: 'an image that refers' }),
    ]
    const deep = makeArtifact({ subject: notes[0] ?? image, payload: 'on a note' })
    const root = await rebuilt(
      ['latest', image],
      ['other', other],
      ...[...notes, deep].map(note => ['', note] as const),
    )
    expect(await readJson(root, referrersPath(image))).toEqual(listOf(...notes))
    expect(await readJson(root, referrersPath(notes[0] ?? image))).toEqual(listOf(deep))
    expect((await readdir(join(root, 'v2/app/referrers'))).sort()).toEqual(
      [image.root.digest, notes[0]?.root.digest].sort(),
    )
    const bytes = await readFile(join(root, referrersPath(image)))
    expect(await readFile(join(root, fallbackPath(image)))).toEqual(bytes)
    expect(await inode(root, `v2/app/manifests/${digestOf(bytes)}`)).toBe(await inode(root, fallbackPath(image)))
  })

  test('of a subject that is not there are listed too', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image })
    const root = await rebuilt(['note', note])
    expect(await readJson(root, referrersPath(image))).toEqual(listOf(note))
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['note', digestTag(image.root.digest)].sort() })
  })

  test('of a subject that is named by sha512 stand at that digest, the tag cut as the specification says', async () => {
    const image = await makeImage()
    const digest = digestOf(rootBytes(image), 'sha512')
    const named = { ...image, root: { ...image.root, digest }, manifests: new Map([[digest, rootBytes(image)]]) }
    const note = makeArtifact({ subject: named })
    const root = await rebuilt(['latest', named], ['', note])
    expect(await readJson(root, `v2/app/referrers/${digest}`)).toEqual(listOf(note))
    const tag = `sha512-${digest.slice(7, 7 + 64)}`
    expect(await readJson(root, `v2/app/manifests/${tag}`)).toEqual(listOf(note))
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest', tag] })
  })

  test('are united when more are added, and both documents follow', async () => {
    const image = await makeImage()
    const [one, two] = [
      makeArtifact({ subject: image, payload: 'one' }),
      makeArtifact({ subject: image, payload: 'two' }),
    ]
    const root = await rebuilt(['latest', image], ['', one])
    await writeManifests(root, 'app', ['', two])
    expect(await rebuildDocuments(root, ['app'])).toBe(true)
    expect(await readJson(root, referrersPath(image))).toEqual(listOf(one, two))
    expect(await readJson(root, fallbackPath(image))).toEqual(listOf(one, two))
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest', digestTag(image.root.digest)].sort() })
  })

  test('that are gone leave the lists; with the last one both documents go', async () => {
    const image = await makeImage()
    const [one, two] = [
      makeArtifact({ subject: image, payload: 'one' }),
      makeArtifact({ subject: image, payload: 'two' }),
    ]
    const root = await rebuilt(['latest', image], ['', one], ['', two])
    await rm(join(root, 'v2/app/manifests', one.root.digest))
    expect(await rebuildDocuments(root, ['app'])).toBe(true)
    expect(await readJson(root, referrersPath(image))).toEqual(listOf(two))
    expect(await readJson(root, fallbackPath(image))).toEqual(listOf(two))
    await rm(join(root, 'v2/app/manifests', two.root.digest))
    expect(await rebuildDocuments(root, ['app'])).toBe(true)
    expect(await readdir(join(root, 'v2/app/referrers')).catch(() => [])).toEqual([])
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest'] })
    expect(await readdir(join(root, 'v2/app/manifests'))).not.toContain(digestTag(image.root.digest))
    expect(await rebuildDocuments(root)).toBe(false)
  })

  test('equal sets make equal bytes, in whatever order they came', async () => {
    const image = await makeImage()
    const notes = ['a', 'b', 'c', 'd'].map(payload => makeArtifact({ subject: image, payload }))
    const first = await rebuilt(...notes.map(note => ['', note] as const))
    const second = await makeTemporaryFolder()
    for (const note of [...notes].reverse()) {
      await writeManifests(second, 'app', ['', note])
      await rebuildDocuments(second)
    }
    expect(await readFile(join(second, referrersPath(image)))).toEqual(
      await readFile(join(first, referrersPath(image))),
    )
    expect(await readFile(join(second, fallbackPath(image)))).toEqual(await readFile(join(first, fallbackPath(image))))
  })
})

describe('a tag that looks like a fallback tag', () => {
  const owned: Readonly<Record<string, (image: Graph) => Promise<Graph>>> = {
    'is the image itself, as cosign copy makes it': async image => image,
    'is an index of images, as cosign copy makes it': async image => makeIndex([image]),
    'is an index of what refers to another': async () =>
      makeFallbackIndex([makeArtifact({ subject: await makeImage({ seed: 'another' }), payload: 'elsewhere' })]),
    'is an index of which only some entries refer': async image =>
      makeFallbackIndex([makeArtifact({ subject: image, payload: 'refers' }), await makeImage({ seed: 'does not' })]),
    'is a Docker manifest list': async image =>
      makeIndex([makeArtifact({ subject: image, payload: 'x' })], { docker: true }),
    'is an index that has a subject itself': async image =>
      makeIndex([makeArtifact({ subject: image, payload: 'x' })], { subject: image }),
    'is an artifact': async () => makeArtifact({ payload: 'own' }),
  }

  test.each(Object.entries(owned))('and %s is kept, though something refers to that digest', async (_, makeOwn) => {
    const image = await makeImage()
    const [note, own] = [makeArtifact({ subject: image, payload: 'note' }), await makeOwn(image)]
    const tag = digestTag(image.root.digest)
    const root = await rebuilt(['latest', image], ['', note], [tag, own])
    expect(await readFile(join(root, fallbackPath(image)))).toEqual(Buffer.from(rootBytes(own)))
    const list = (await readJson(root, referrersPath(image))) as { readonly manifests: readonly Descriptor[] }
    expect(list.manifests.map(entry => entry.digest)).toContain(note.root.digest)
    expect(await openTree(root).tags('app')).toEqual(expect.arrayContaining(['latest', tag]))
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: await openTree(root).tags('app') })
    expect(isFallbackDocument(root, await readRepository(root, 'app'), tag)).toBe(false)
  })

  test('and is of the right form for nothing that is there is kept', async () => {
    const elsewhere = await makeImage({ seed: 'elsewhere' })
    const own = makeIndex([await makeImage()])
    const root = await makeTemporaryFolder()
    await write(root, `v2/app/manifests/${digestTag(elsewhere.root.digest)}`, rootBytes(own))
    await write(root, `v2/app/manifests/${own.root.digest}`, rootBytes(own))
    await rebuildDocuments(root)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: [digestTag(elsewhere.root.digest)] })
  })

  test('and is an index at the tag of its own digest, of which nothing is there, is kept', async () => {
    const root = await makeTemporaryFolder()
    const own = makeIndex([makeArtifact({ payload: 'absent' })])
    await write(root, `v2/app/manifests/${digestTag(own.root.digest)}`, rootBytes(own))
    await rebuildDocuments(root)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: [digestTag(own.root.digest)] })
  })

  test('and is the list of what referred once, as we write it, goes', async () => {
    const note = makeArtifact({ subject: await makeImage(), payload: 'gone' })
    const root = await makeTemporaryFolder()
    const tag = digestTag((await makeImage()).root.digest)
    await writeManifests(root, 'app', [tag, makeRaw(OCI_INDEX, JSON.stringify(listOf(note)))])
    await rebuildDocuments(root)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: [] })
  })

  test('and is an upstream list of what refers is replaced by ours, which knows more', async () => {
    const image = await makeImage()
    const [one, two] = [
      makeArtifact({ subject: image, payload: 'one' }),
      makeArtifact({ subject: image, payload: 'two' }),
    ]
    const upstream = makeRaw(OCI_INDEX, JSON.stringify(listOf(one), null, 3))
    const tag = digestTag(image.root.digest)
    const root = await rebuilt(['latest', image], ['', one], ['', two], [tag, upstream])
    expect(await readJson(root, fallbackPath(image))).toEqual(listOf(one, two))
    expect(await readFile(join(root, fallbackPath(image)))).toEqual(await readFile(join(root, referrersPath(image))))
    expect(isFallbackDocument(root, await readRepository(root, 'app'), tag)).toBe(true)
  })

  test('and is an upstream list that names what was not fetched as well is replaced by ours, which does not', async () => {
    const image = await makeImage()
    const [here, absent] = [
      makeArtifact({ subject: image, payload: 'here' }),
      makeArtifact({ subject: image, payload: 'absent' }),
    ]
    const upstream = makeRaw(OCI_INDEX, JSON.stringify(listOf(here, absent), null, 1))
    const root = await rebuilt(['latest', image], ['', here], [digestTag(image.root.digest), upstream])
    expect(await readJson(root, fallbackPath(image))).toEqual(listOf(here))
  })
})

describe('documents are computed from the manifests', () => {
  test('never taken from documents on disk', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image })
    const root = await makeTemporaryFolder()
    await writeManifests(root, 'app', ['latest', image], ['', note])
    await write(root, 'v2/app/tags/list', '{"name":"other","tags":["lie"]}')
    await write(root, 'v2/_catalog', '{"repositories":["lie"]}')
    await write(root, 'v2/index.json', 'lie')
    await write(root, `v2/app/referrers/${image.root.digest}`, '{"manifests":[]}')
    await write(root, `v2/app/referrers/${digestOf('nobody')}`, JSON.stringify(listOf(note)))
    expect(await rebuildDocuments(root)).toBe(true)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest', digestTag(image.root.digest)].sort() })
    expect(await readJson(root, 'v2/_catalog')).toEqual({ repositories: ['app'] })
    expect(await readJson(root, 'v2/index.json')).toEqual({})
    expect(await readJson(root, referrersPath(image))).toEqual(listOf(note))
    expect(await readdir(join(root, 'v2/app/referrers'))).toEqual([image.root.digest])
  })

  test('not from damaged ones', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image })
    const root = await makeTemporaryFolder()
    await writeManifests(root, 'app', ['latest', image])
    await write(root, 'v2/app/manifests/broken', '{')
    await write(root, `v2/app/manifests/${digestOf('another')}`, rootBytes(note))
    await rebuildDocuments(root)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest'] })
    expect(await readdir(join(root, 'v2/app'))).not.toContain('referrers')
  })

  test('and written anew where someone put a link in their place, which is left as it was', async () => {
    const [root, outside] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    await writeManifests(root, 'app', ['latest', await makeImage()])
    await mkdir(join(root, 'v2/app/tags'), { recursive: true })
    await writeFile(join(outside, 'precious'), 'precious')
    await symlink(join(outside, 'precious'), join(root, 'v2/app/tags/list'))
    await rebuildDocuments(root)
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['latest'] })
    expect(await readFile(join(outside, 'precious'), 'utf8')).toBe('precious')
  })

  test('and nothing is deleted that bears no digest, or lies behind a link', async () => {
    const [root, outside] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    await writeManifests(root, 'app', ['latest', await makeImage()])
    await writeManifests(root, 'linked', ['latest', await makeImage()])
    await mkdir(join(root, 'v2/app/referrers/folder'), { recursive: true })
    await writeFile(join(root, 'v2/app/referrers/.keep'), '')
    await writeFile(join(outside, digestOf('precious')), 'precious')
    await symlink(outside, join(root, 'v2/linked/referrers'))
    await rebuildDocuments(root)
    expect((await readdir(join(root, 'v2/app/referrers'))).sort()).toEqual(['.keep', 'folder'])
    expect(await readdir(outside)).toEqual([digestOf('precious')])
  })
})

describe('again', () => {
  test('nothing is written where nothing has changed', async () => {
    const image = await makeMultiPlatform()
    const root = await rebuilt(['latest', image], ['', makeArtifact({ subject: image })])
    const before = await statesOf(root)
    expect(before.length).toBeGreaterThan(8)
    expect(await rebuildDocuments(root)).toBe(false)
    expect(await rebuildDocuments(root, ['app'])).toBe(false)
    expect(await statesOf(root)).toEqual(before)
  })

  test('only what differs is written', async () => {
    const root = await makeTemporaryFolder()
    for (const name of ['one', 'two']) await writeManifests(root, name, ['latest', await makeImage()])
    await rebuildDocuments(root)
    const before = await statesOf(root)
    await writeManifests(root, 'two', ['other', await makeImage()])
    expect(await rebuildDocuments(root)).toBe(true)
    const after = new Set(await statesOf(root))
    const gone = before.filter(line => !after.has(line)).map(line => line.split(' ')[0])
    expect(gone).toEqual(expect.arrayContaining(['/v2/two/tags/list']))
    expect(gone.filter(path => path?.startsWith('/v2/one/') || path === '/v2/_catalog')).toEqual([])
  })

  test('everyone may read them', async () => {
    const image = await makeImage()
    const root = await rebuilt(['latest', image], ['', makeArtifact({ subject: image })])
    for (const path of [
      'v2/_catalog',
      'v2/index.json',
      'v2/app/tags/list',
      referrersPath(image),
      fallbackPath(image),
    ]) {
      expect(((await stat(join(root, path))).mode & 0o777).toString(8), path).toBe('644')
    }
    for (const path of ['v2/app/tags', 'v2/app/referrers']) {
      expect(((await stat(join(root, path))).mode & 0o777).toString(8), path).toBe('755')
    }
  })
})

describe('aborted', () => {
  test('before it begins: nothing is written', async () => {
    const root = await makeTemporaryFolder()
    await writeManifests(root, 'app', ['latest', await makeImage()])
    const rebuilding = rebuildDocuments(root, undefined, { signal: AbortSignal.abort() })
    await expect(rebuilding).rejects.toMatchObject({ code: 'aborted' })
    expect(await readdir(join(root, 'v2/app'))).toEqual(['manifests'])
  })

  test('while it runs: the lock is released', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage({ layers: 0 })
    for (let number = 0; number < 60; number += 1) await writeManifests(root, `app-${number}`, ['latest', image])
    const controller = new AbortController()
    const rebuilding = rebuildDocuments(root, undefined, { signal: controller.signal })
    const refused = expect(rebuilding).rejects.toMatchObject({ code: 'aborted' })
    while ((await readdir(join(root, 'v2/app-0'))).length === 1) await new Promise(setImmediate)
    controller.abort()
    await refused
    expect(await rebuildDocuments(root)).toBe(true)
  })
})

test('a rebuild waits for another one to end, and looks at the manifests only then', async () => {
  const [root, image] = [await makeTemporaryFolder(), await makeImage()]
  await writeManifests(root, 'app', ['first', image])
  const lock = await acquireNamedLock(root, 'documents')
  const rebuilding = rebuildDocuments(root)
  for (let turn = 0; turn < 300; turn += 1) {
    await new Promise(setImmediate)
    expect(await readdir(join(root, 'v2/app'))).toEqual(['manifests'])
  }
  await writeManifests(root, 'app', ['second', image])
  await lock.release()
  expect(await rebuilding).toBe(true)
  expect(await tagsOf(root)).toEqual({ name: 'app', tags: ['first', 'second'] })
})

describe('two processes at once', () => {
  let modules: CompiledModules
  beforeAll(() => {
    modules = compileModules('tree/documents.ts', 'tree/disk-tree.ts')
  })
  afterAll(() => modules.remove())

  const PROGRAM = `
    import { readFileSync } from 'node:fs'
    import { openTree } from './tree/disk-tree.js'
    import { rebuildDocuments } from './tree/documents.js'
    const [root, name, manifest, digest] = process.argv.slice(2)
    const tree = openTree(root)
    const bytes = readFileSync(manifest)
    for (let number = 0; number < 15; number += 1) {
      await tree.putManifest('app', bytes)
      await tree.tag('app', name + '-' + number, digest)
      await tree.putManifest(name + '/' + number, bytes)
      await rebuildDocuments(root, ['app', name + '/' + number])
    }
    console.log('done')
  `

  test('lose none of their tags and repositories', async () => {
    const [root, folder] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    const image = await makeImage()
    const children = await Promise.all(
      ['one', 'two'].map(async name => {
        const note = makeArtifact({ subject: image, payload: name })
        const file = await write(folder, name, rootBytes(note))
        return modules.start(PROGRAM, [root, name, file, note.root.digest])
      }),
    )
    await Promise.all(children.map(async child => child.nextLine()))
    const numbers = Array.from({ length: 15 }, (_, number) => number)
    const tags = ['one', 'two'].flatMap(name => numbers.map(number => `${name}-${number}`))
    expect(await tagsOf(root)).toEqual({ name: 'app', tags: [...tags, digestTag(image.root.digest)].sort() })
    const repositories = ['one', 'two'].flatMap(name => numbers.map(number => `${name}/${number}`))
    expect(await readJson(root, 'v2/_catalog')).toEqual({ repositories: ['app', ...repositories].sort() })
    const list = (await readJson(root, referrersPath(image))) as { readonly manifests: readonly unknown[] }
    expect(list.manifests).toHaveLength(2)
  })
})
