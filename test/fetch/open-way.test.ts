import { readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'
import { openWay } from '../../src/fetch/open-way.ts'
import type { FetchOptions } from '../../src/fetch/options.ts'
import type { Way } from '../../src/fetch/way.ts'
import { type Graph, makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { layoutFiles, packLayout, writeFiles } from '../support/write-images.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('an image of a registry', () => {
  it.each([
    ['alpine', 'alpine', 'docker.io/library/alpine'],
    ['docker.io/library/alpine:3', 'alpine', 'docker.io/library/alpine'],
    ['docker://alpine', 'alpine', 'docker.io/library/alpine'],
    ['grafana/grafana', 'grafana/grafana', 'docker.io/grafana/grafana'],
    ['ghcr.io/o/app', 'o/app', 'ghcr.io/o/app'],
    ['ghcr.io/library/app', 'library/app', 'ghcr.io/library/app'],
    ['localhost:5001/app', 'app', 'localhost:5001/app'],
    ['oci', 'oci', 'docker.io/library/oci'],
  ])('%s is called %s in the tree', async (image, target, upstream) => {
    expect(await open(image)).toMatchObject({ target, upstream })
  })

  it('is called as --as says', async () => {
    const way = await open('ghcr.io/o/app:1', [], { as: 'tools/app' })
    expect(way).toMatchObject({ target: 'tools/app', repository: 'o/app', upstream: 'ghcr.io/o/app' })
    expect(way.requests).toEqual([{ repository: 'o/app', reference: '1', target: 'tools/app' }])
  })

  it.each([
    ['ghcr.io/o/app', [], [['latest']]],
    ['ghcr.io/o/app', ['1', '2'], [['1'], ['2']]],
    ['ghcr.io/o/app:1', [], [['1']]],
    ['ghcr.io/o/app:1', ['2', '1', '2'], [['1'], ['2']]],
    [`ghcr.io/o/app@${DIGEST}`, [], [[DIGEST]]],
    [`ghcr.io/o/app:1@${DIGEST}`, [], [[DIGEST, '1']]],
    [`ghcr.io/o/app:1@${DIGEST}`, ['2'], [[DIGEST, '1'], ['2']]],
    ['ghcr.io/o/app', ['1.10', '007', '1e3', DIGEST], [['1.10'], ['007'], ['1e3'], [DIGEST]]],
  ])('%s with the tags %j is %j', async (image, tags, expected) => {
    const { requests } = await open(image, tags)
    expect(requests.map(({ reference, tag }) => [reference, ...(tag === undefined ? [] : [tag])])).toEqual(expected)
  })

  it.each([
    ['ghcr.io/o/manifests', '"manifests" is the name of one of its own folders'],
    ['ghcr.io/blobs/app', '"blobs"'],
    ['ghcr.io/o/tags/app', '"tags"'],
    ['ghcr.io/referrers', '"referrers"'],
    ['ghcr.io/index.json', '"index.json"'],
  ])('%s is refused: the tree has such a name itself', async (image, reason) => {
    const { code, message, hint } = await refusal(image)
    expect({ code, hint }).toEqual({ code: 'name-invalid', hint: 'give it another name with --as' })
    expect(message).toContain(reason)
  })

  it.each(['a/manifests', '../a', 'A', '/a', 'a/', '_a', '', 'a/_catalog', 'a\nb'])(
    'is not called %j in any tree',
    async as => {
      expect((await refusal('ghcr.io/o/app', [], { as })).code).toBe('name-invalid')
    },
  )

  it('with a reserved name is taken under another one', async () => {
    expect(await open('ghcr.io/o/tags', [], { as: 'labels' })).toMatchObject({ target: 'labels', repository: 'o/tags' })
  })

  it.each(['a b', '-x', 'a/b', '', `sha256:${'a'.repeat(63)}`, 'a\n'])('has no tag %j', async tag => {
    expect((await refusal('ghcr.io/o/app', [tag])).code).toBe('name-invalid')
  })

  it.each(['docker-daemon:app:1', 'containers-storage:app', 'dir:/tmp'])(
    '%s is read through skopeo, says the hint',
    async image => {
      const { code, hint } = await refusal(image)
      expect(code).toBe('usage')
      expect(hint).toContain(`--via skopeo ${image}`)
    },
  )
})

describe('an image of a layout or archive', () => {
  it('is called as the layout says', async () => {
    const image = await makeImage()
    const way = await openLayout({ 'docker.io/library/alpine:3': image, 'docker.io/library/alpine:latest': image })
    expect(way).toMatchObject({ target: 'alpine', upstream: 'docker.io/library/alpine' })
    expect(named(way)).toEqual(['alpine:3', 'alpine:latest'])
  })

  it('is called as its folder where the layout says nothing', async () => {
    const folder = await writeLayoutFolder({ '1.0': await makeImage() })
    expect(named(await open(`oci:${folder}`))).toEqual([`${basename(folder).toLowerCase()}:1.0`])
  })

  it('is called as its file, without the ending', async () => {
    const file = join(await makeTemporaryFolder(), 'My.App.tar')
    await writeFile(file, await packLayout({ '1.0': await makeImage() }))
    const way = await open(`oci-archive:${file}`)
    expect(named(way)).toEqual(['my.app:1.0'])
    expect(way.upstream).toBe(`oci-archive:${file}`)
  })

  it('whose file has an odd name wants --as', async () => {
    const file = join(await makeTemporaryFolder(), '_.tar')
    await writeFile(file, await packLayout({ '1.0': await makeImage() }))
    expect(await refusal(`oci-archive:${file}`)).toMatchObject({ code: 'usage', hint: 'name the repository with --as' })
    expect(named(await open(`oci-archive:${file}`, [], { as: 'app' }))).toEqual(['app:1.0'])
  })

  it('is all of them where none is named, each under its own name', async () => {
    const way = await openLayout(await makeTwo())
    expect(named(way)).toEqual(['o/app:1', 'o/app:2', 'tool:1'])
    expect(way.upstream).toMatch(/^oci:\//)
    expect([...(way.upstreams ?? [])]).toEqual([
      ['o/app', 'ghcr.io/o/app'],
      ['tool', 'docker.io/library/tool'],
    ])
  })

  it('is named by its tag, its full name, its position or its digest', async () => {
    const images = await makeTwo()
    const folder = await writeLayoutFolder(images)
    const digest = images['ghcr.io/o/app:2']?.root.digest ?? ''
    expect(named(await open(`oci:${folder}:2`))).toEqual(['o/app:2'])
    expect(named(await open(`oci:${folder}`, ['2']))).toEqual(['o/app:2'])
    expect(named(await open(`oci:${folder}:tool:1`))).toEqual(['tool:1'])
    expect(named(await open(`oci:${folder}@1`))).toEqual(['o/app:2'])
    expect(named(await open(`oci:${folder}@${digest}`))).toEqual([`o/app@${digest}`])
    expect(named(await open(`oci:${folder}`, ['2', digest, '2']))).toEqual(['o/app:2', `o/app@${digest}`])
    expect(await refusal(`oci:${folder}:1`)).toMatchObject({ code: 'usage', side: 'source' })
  })

  it('keeps the name that it is asked for by where it bears several', async () => {
    const image = await makeImage()
    const names = ['ghcr.io/o/app:1', 'ghcr.io/o/app:2', 'docker.io/library/tool:7', 'docker.io/library/tool:latest']
    const folder = await writeLayoutFolder(Object.fromEntries(names.map(name => [name, image])))
    expect(named(await open(`oci:${folder}:2`))).toEqual(['o/app:2'])
    expect(named(await open(`oci:${folder}:tool:7`))).toEqual(['tool:7'])
    expect(named(await open(`oci:${folder}:tool`))).toEqual(['tool:latest'])
    expect(named(await open(`oci:${folder}@2`))).toEqual(['tool:7'])
    expect(named(await open(`oci:${folder}:ghcr.io/o/app:1`))).toEqual(['o/app:1'])
  })

  it('that is a child of an index gets no tag when it is named by digest', async () => {
    const index = await makeMultiPlatform()
    const folder = await writeLayoutFolder({ 'ghcr.io/o/app:1': index })
    const child = [...index.manifests.keys()].find(digest => digest !== index.root.digest) ?? ''
    const way = await open(`oci:${folder}@${child}`, [], { as: 'app' })
    expect(named(way)).toEqual([`app@${child}`])
  })

  it('without a tag becomes latest', async () => {
    expect(named(await openLayout({ '': await makeImage() }, { as: 'app' }))).toEqual(['app:latest'])
  })

  it('of several repositories is not mixed into one by --as', async () => {
    const folder = await writeLayoutFolder(await makeTwo())
    const { code, message } = await refusal(`oci:${folder}`, [], { as: 'app' })
    expect(code).toBe('usage')
    expect(message).toContain('2 repositories')
    expect(named(await open(`oci:${folder}:tool:1`, [], { as: 'app' }))).toEqual(['app:1'])
  })

  it('of repositories with the same path is not mixed unasked', async () => {
    const [one, two] = await Promise.all(['one', 'two'].map(async seed => makeImage({ seed })))
    if (one === undefined || two === undefined) throw new Error('two were made')
    const folder = await writeLayoutFolder({ 'ghcr.io/o/app:1': one, 'quay.io/o/app:2': two })
    const { code, message, hint } = await refusal(`oci:${folder}`)
    expect(code).toBe('usage')
    expect(message).toContain('2 repositories, which would mix in o/app')
    expect(hint).toContain('--force')
    expect(named(await open(`oci:${folder}`, [], { force: true }))).toEqual(['o/app:1', 'o/app:2'])
    expect(named(await open(`oci:${folder}:quay.io/o/app:2`))).toEqual(['o/app:2'])
  })

  it('with a reserved name is refused, and so is all beside it', async () => {
    const image = await makeImage()
    const folder = await writeLayoutFolder({ 'ghcr.io/o/app:1': image, 'ghcr.io/o/tags:1': image })
    expect((await refusal(`oci:${folder}`)).code).toBe('name-invalid')
  })

  it('that is not there is not found', async () => {
    const folder = await writeLayoutFolder({ '1': await makeImage() })
    expect(await refusal(`oci:${folder}:2`, [], { as: 'app' })).toMatchObject({ code: 'not-found', side: 'source' })
    expect(await refusal(`oci:${folder}/none`)).toMatchObject({ code: 'not-found', side: 'source' })
  })
})

async function makeTwo(): Promise<Readonly<Record<string, Graph>>> {
  const [one, two, tool] = await Promise.all(['one', 'two', 'tool'].map(async seed => makeImage({ seed })))
  if (one === undefined || two === undefined || tool === undefined) throw new Error('three were made')
  return { 'ghcr.io/o/app:1': one, 'ghcr.io/o/app:2': two, 'docker.io/library/tool:1': tool }
}

async function writeLayoutFolder(images: Readonly<Record<string, Graph>>): Promise<string> {
  const folder = await makeTemporaryFolder()
  await writeFiles(folder, layoutFiles(images))
  return folder
}

async function openLayout(images: Readonly<Record<string, Graph>>, options: FetchOptions = {}): Promise<Way> {
  return open(`oci:${await writeLayoutFolder(images)}`, [], options)
}

/** Opens a way and checks that nothing is written for it. */
async function open(image: string, tags: readonly string[] = [], options: FetchOptions = {}): Promise<Way> {
  const root = await makeTemporaryFolder()
  const way = await openWay(image, tags, { ...options, root })
  onTestFinished(async () => way.source.close?.())
  expect(await readdir(root)).toEqual([])
  return way
}

async function refusal(
  image: string,
  tags: readonly string[] = [],
  options: FetchOptions = {},
): Promise<RegistrishError> {
  const reason: unknown = await open(image, tags, options).then(
    () => new Error('it was not refused'),
    (error: unknown) => error,
  )
  if (isRegistrishError(reason)) return reason
  throw reason
}

/** What the requests make in the tree: `name:tag` or `name@digest`. */
function named({ requests }: Way): readonly string[] {
  return requests.map(({ target, tag, reference }) => {
    const name = tag ?? reference
    return `${target}${name.includes(':') ? '@' : ':'}${name}`
  })
}
