import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { fetchImages } from '../../src/fetch/fetch.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { readOrigin } from '../../src/tree/origin.ts'
import { publicFiles } from '../copy/copy-support.ts'
import { digestTag, type Graph, makeCosignSignature, makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { fails } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import type { TestRegistry } from '../support/test-registry.ts'
import { layoutFiles, writeFiles, writeLayout } from '../support/write-images.ts'
import { fetchAll, fetchError, startRegistry } from './fetch-support.ts'

/* The story of `fetch` on made images: what is taken, under which name, and what is refused before anything is written. */

let root: string
beforeEach(async () => {
  root = await makeTemporaryFolder()
})

describe('tags', () => {
  let registry: TestRegistry
  beforeEach(async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const tags = { latest: two, '1.0': one, '1.1': two, '2.0': two, RC1: one, [digestTag(one.root.digest, 'sig')]: one }
    registry = await startRegistry({ 'o/app': tags })
  })

  it.each([
    [['1.*'], [], ['1.0', '1.1']],
    [['1.*', 'RC?', '1.0'], [], ['1.0', '1.1', 'RC1']],
    [['[!0-9]*'], [], ['RC1', 'latest', 'sig']],
    [['*.0'], ['1.1', '1.0'], ['1.0', '1.1', '2.0']],
    [['latest'], [], ['latest']],
  ])('that match %j, and %j', async (tagGlobs, named, expected) => {
    const { results } = await fetchAll(`${registry.host}/o/app`, named, { root, tagGlobs })
    expect(await tagsIn('o/app')).toEqual(expected)
    expect(results.map(({ request }) => request.reference)).toHaveLength(expected.length)
  })

  it('are all of them with --all-tags, each once', async () => {
    const { results } = await fetchAll(`${registry.host}/o/app:latest`, ['1.0'], { root, allTags: true })
    expect(await tagsIn('o/app')).toEqual(['1.0', '1.1', '2.0', 'RC1', 'latest', 'sig'])
    expect(results).toHaveLength(6)
  })

  it('that match nothing are named as not found, with those there are', async () => {
    const error = await fetchError(`${registry.host}/o/app`, [], { root, tagGlobs: ['3.*', 'x'] })
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(error.message).toContain('no tag that matches 3.* or x')
    expect(error.hint).toMatch(/^it has 1\.0, 1\.1, 2\.0, RC1, latest/)
    expect(await readdir(root)).toEqual([])
  })

  it('are chosen from every repository of a layout', async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const folder = await makeTemporaryFolder()
    const images = { 'ghcr.io/o/app:1.0': one, 'ghcr.io/o/app:2.0': two, 'docker.io/library/tool:1.5': two }
    await writeFiles(folder, layoutFiles(images))
    await fetchAll(`oci:${folder}`, [], { root, tagGlobs: ['1.*'] })
    expect(await tagsIn('o/app')).toEqual(['1.0'])
    expect(await tagsIn('tool')).toEqual(['1.5'])
    await fetchAll(`oci:${folder}`, [], { root, allTags: true })
    expect(await tagsIn('o/app')).toEqual(['1.0', '2.0'])
  })

  it('bring their signatures along', async () => {
    const image = await makeImage()
    const sig = digestTag(image.root.digest, 'sig')
    registry.put('signed', '1', image)
    registry.put('signed', sig, makeCosignSignature(image))
    await fetchAll(`${registry.host}/signed:1`, [], { root, digestTags: true })
    expect(Object.keys(await manifestsIn('signed'))).toContain(sig)
  })
})

describe('a digest', () => {
  it('is fetched without a tag, and remembered', async () => {
    const index = await makeMultiPlatform()
    const registry = await startRegistry({ app: { latest: index } })
    await fetchAll(`${registry.host}/app@${index.root.digest}`, [], { root })
    expect(await tagsIn('app')).toEqual([])
    expect((await readOrigin(root, 'app')).pins).toEqual([index.root.digest])
  })

  it('with a tag is what the tag names, whatever the registry says', async () => {
    const [old, now] = [await makeImage({ seed: 'old' }), await makeImage({ seed: 'now' })]
    const registry = await startRegistry({ app: { old, '1': now } })
    await fetchAll(`${registry.host}/app:1@${old.root.digest}`, [], { root })
    expect(await manifestsIn('app')).toEqual(manifestsOf(old, '1'))
    expect((await readOrigin(root, 'app')).pins).toEqual([])
  })
})

describe('a tag that moved', () => {
  it('is moved in the tree, and what it named stays', async () => {
    const [old, now] = [await makeImage({ seed: 'old' }), await makeImage({ seed: 'now' })]
    const registry = await startRegistry({ app: { latest: old } })
    expect((await fetchAll(`${registry.host}/app`, [], { root })).changed).toEqual(['app'])
    expect((await fetchAll(`${registry.host}/app`, [], { root })).changed).toEqual([])
    registry.put('app', 'latest', now)
    expect((await fetchAll(`${registry.host}/app`, [], { root })).changed).toEqual(['app'])
    expect(await manifestsIn('app')).toEqual({ ...manifestsOf(old), ...manifestsOf(now, 'latest') })
  })
})

describe('two upstreams', () => {
  let first: TestRegistry
  let second: TestRegistry
  let images: readonly [Graph, Graph]
  beforeEach(async () => {
    images = [await makeImage({ seed: 'first' }), await makeImage({ seed: 'second' })]
    first = await startRegistry({ app: { one: images[0] } })
    second = await startRegistry({ app: { two: images[1] } })
    await fetchAll(`${first.host}/app:one`, [], { root })
  })

  it('do not mix in one repository unasked', async () => {
    const before = await publicFiles(root)
    for (const dryRun of [true, false]) {
      const error = await fetchError(`${second.host}/app:two`, [], { root, dryRun })
      expect(error).toMatchObject({ code: 'conflict', side: 'target' })
      expect(error.message).toBe(`app in this tree was fetched from ${first.host}/app, not from ${second.host}/app`)
      expect(error.hint).toContain('--as NAME')
      expect(error.hint).toContain('--force')
    }
    expect(await publicFiles(root)).toEqual(before)
  })

  it('stand beside each other under another name', async () => {
    await fetchAll(`${second.host}/app:two`, [], { root, as: 'other' })
    expect(await tagsIn('app')).toEqual(['one'])
    expect(await tagsIn('other')).toEqual(['two'])
    expect((await readOrigin(root, 'other')).upstream).toBe(`${second.host}/app`)
  })

  it.each([{ as: 'app' }, { force: true }])('mix where %j says so; the first one is remembered', async options => {
    await fetchAll(`${second.host}/app:two`, [], { root, ...options })
    expect(await tagsIn('app')).toEqual(['one', 'two'])
    expect((await readOrigin(root, 'app')).upstream).toBe(`${first.host}/app`)
    await fetchAll(`${first.host}/app:one`, [], { root })
  })

  it('are told apart by a record, and losing that loses the warning only', async () => {
    const before = await publicFiles(root)
    await rm(join(root, '.registrish'), { recursive: true })
    first.forget()
    expect((await fetchAll(`${first.host}/app:one`, [], { root })).changed).toEqual([])
    expect(first.lines().filter(line => !line.includes(' /v2/ '))).toEqual(['HEAD /v2/app/manifests/one 200'])
    expect(await publicFiles(root)).toEqual(before)
    await rm(join(root, '.registrish'), { recursive: true })
    await fetchAll(`${second.host}/app:two`, [], { root })
    expect(await tagsIn('app')).toEqual(['one', 'two'])
  })

  it('a broken record is as good as none', async () => {
    await writeFile(join(root, '.registrish/origins/app/_origin.json'), '{"upstream":')
    await fetchAll(`${second.host}/app:two`, [], { root })
    expect(await tagsIn('app')).toEqual(['one', 'two'])
  })

  it('do not mix with what is no longer there', async () => {
    await rm(join(root, 'v2/app'), { recursive: true })
    await fetchAll(`${second.host}/app:two`, [], { root })
    expect((await readOrigin(root, 'app')).upstream).toBe(`${second.host}/app`)
    expect((await fetchError(`${first.host}/app:one`, [], { root })).code).toBe('conflict')
  })

  it('do not mix with one that gave nothing', async () => {
    const { results } = await fetchImages(`${first.host}/app`, ['absent'], { root, as: 'new', retryTimes: 0 })
    expect(results.map(({ error }) => error?.code)).toEqual(['not-found'])
    second.put('new', 'two', images[1])
    await fetchAll(`${second.host}/new:two`, [], { root })
    expect((await readOrigin(root, 'new')).upstream).toBe(`${second.host}/new`)
  })

  it('of one layout are remembered each for its own', async () => {
    const folder = await makeTemporaryFolder()
    const named = { [`${first.host}/app:two`]: images[1], 'ghcr.io/o/tool:1': images[1] }
    await writeFiles(folder, layoutFiles(named))
    await fetchAll(`oci:${folder}`, [], { root })
    expect(await tagsIn('app')).toEqual(['one', 'two'])
    expect((await readOrigin(root, 'o/tool')).upstream).toBe('ghcr.io/o/tool')
  })
})

describe('what is refused', () => {
  it('a name that is the tree’s own, before anything is asked or written', async () => {
    const image = await makeImage()
    const registry = await startRegistry({ 'o/tags': { latest: image } })
    expect(await fetchError(`${registry.host}/o/tags`, [], { root })).toMatchObject({ code: 'name-invalid' })
    expect(registry.connections()).toBe(0)
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { 'ghcr.io/o/app:1': image, 'ghcr.io/o/blobs:1': image })
    expect(await fetchError(`oci:${folder}`, [], { root })).toMatchObject({ code: 'name-invalid' })
    expect(await readdir(root)).toEqual([])
  })

  it('an image that is not there leaves no file of its repository', async () => {
    const registry = await startRegistry({ app: { latest: await makeImage() } })
    expect((await fetchError(`${registry.host}/app:absent`, [], { root })).code).toBe('not-found')
    expect((await fetchError(`${registry.host}/none`, [], { root })).code).toBe('not-found')
    expect(await publicFiles(root)).toEqual(new Map())
  })

  it('one of several tags does not keep the others', async () => {
    const registry = await startRegistry({ app: { '1': await makeImage(), '2': await makeImage() } })
    const { results } = await fetchImages(`${registry.host}/app`, ['1', 'absent', '2'], { root, retryTimes: 0 })
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, 'not-found', undefined])
    expect(JSON.parse(await readFile(join(root, 'v2/app/tags/list'), 'utf8'))).toEqual({
      name: 'app',
      tags: ['1', '2'],
    })
  })
})

describe('a dry run', () => {
  it('says what would be fetched and writes nothing', async () => {
    const index = await makeMultiPlatform({ layers: 2 })
    const registry = await startRegistry({ app: { latest: index } })
    const report = await fetchAll(`${registry.host}/app`, [], { root, dryRun: true })
    expect(report.totals).toMatchObject({ manifestsFetched: 3, blobsFetched: 6, blobsPresent: 0 })
    expect(report).toMatchObject({ changed: [], results: [{ changed: true, digest: index.root.digest }] })
    expect(await readdir(root)).toEqual([])
    expect(registry.lines().filter(line => line.includes('/blobs/') && line.startsWith('GET'))).toEqual([])
  })

  it('finds what is there', async () => {
    const registry = await startRegistry({ app: { latest: await makeMultiPlatform() } })
    await fetchAll(`${registry.host}/app`, [], { root })
    const before = await filesBelow(root)
    const report = await fetchAll(`${registry.host}/app`, [], { root, dryRun: true })
    expect(report).toMatchObject({ results: [{ changed: false }], totals: { blobsFetched: 0, blobsPresent: 4 } })
    expect(await filesBelow(root)).toEqual(before)
  })
})

describe('a fetch that fails half-way', () => {
  it('says why it failed, and in a note that the documents could not follow', async () => {
    const held = await startRegistry({ app: { one: await makeImage() } })
    await fetchAll(`${held.host}/app`, ['one'], { root })
    const refusing = await startRegistry({}, { hook: fails(401) })
    await rm(join(root, 'v2/_catalog'))
    await mkdir(join(root, 'v2/_catalog'))
    const notes: string[] = []
    const onProgress = (event: ProgressEvent): void => void (event.type === 'note' && notes.push(event.text))
    const error = await fetchError(`${refusing.host}/app`, ['two'], { root, force: true, onProgress })
    expect(error.code).toBe('unauthorized')
    expect(notes).toEqual([
      expect.stringMatching(/^the documents may lag behind, registrish verify --repair mends them: /),
    ])
  })
})

/** Tags by code unit; a cosign tag as its ending. */
async function tagsIn(repository: string): Promise<readonly string[]> {
  const list = JSON.parse(await readFile(join(root, 'v2', repository, 'tags/list'), 'utf8')) as {
    readonly tags: readonly string[]
  }
  return list.tags.map(tag => tag.replace(/^sha256-[0-9a-f]{64}\./, '')).sort()
}

/** What stands in a repository's manifests folder: name → digest of the bytes, as hex. */
async function manifestsIn(repository: string): Promise<Readonly<Record<string, string>>> {
  const files = [...(await publicFiles(root))].filter(([path]) => path.startsWith(`${repository}/manifests/`))
  return Object.fromEntries(files.map(([path, hex]) => [path.slice(`${repository}/manifests/`.length), hex]))
}

function manifestsOf(graph: Graph, ...tags: readonly string[]): Readonly<Record<string, string>> {
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
  const named = [...graph.manifests].map(([digest, bytes]) => [digest, hex(bytes)])
  return Object.fromEntries([...named, ...tags.map(tag => [tag, hex(graph.manifests.get(graph.root.digest))])])
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).sort()
}
