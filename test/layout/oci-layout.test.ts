import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openOciLayout } from '../../src/layout/oci-layout.ts'
import { type Digest, digestOf, parseDigest } from '../../src/oci/digest.ts'
import { sourceContract } from '../contract/source.ts'
import {
  digestTag,
  type Graph,
  makeArtifact,
  makeFallbackIndex,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  referrerEntry,
  withReferrers,
} from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { layoutFiles, writeFiles, writeLayout } from '../support/write-images.ts'
import { closing, collect, failure, readGraph } from './layout-support.ts'

const CONTAINERD = 'io.containerd.image.name'
const REF_NAME = 'org.opencontainers.image.ref.name'

sourceContract('an OCI layout', async images => ({ source: await layout(images), repository: 'any' }))

describe('resolve', () => {
  test('finds an image by its tag, and reads all of it', async () => {
    const image = await makeMultiPlatform()
    const source = await layout({ '1.0': image, other: await makeImage({ seed: 'other' }) })
    const root = await source.resolve('any', '1.0')
    expect(root).toEqual(image.root)
    expect(new Set(await readGraph(source, root))).toEqual(new Set([...image.manifests.keys(), ...image.blobs.keys()]))
  })

  test('finds a root and a child by digest, whatever it is called', async () => {
    const child = await makeImage()
    const image = makeIndex([child])
    const source = await layout({ latest: image })
    expect(await source.resolve('any', image.root.digest)).toEqual(image.root)
    expect(await source.resolve('any', child.root.digest)).toEqual(child.root)
  })

  test('reads images whose parts are named by sha512', async () => {
    const image = makeIndex([await makeImage({ sha512: true })], { sha512: true })
    const source = await layout({ latest: image })
    const read = await readGraph(source, await source.resolve('any', 'latest'))
    expect(read.filter(digest => digest.startsWith('sha512:'))).toHaveLength(3)
  })

  test('by position counts images, not their parts, referrers or digest tags', async () => {
    const child = await makeImage()
    const image = makeIndex([child])
    const signature = makeArtifact({ subject: image })
    const folder = await makeTemporaryFolder()
    const list = makeFallbackIndex([signature])
    await writeEntries(folder, [
      { graph: image, annotations: { [REF_NAME]: 'v1' } },
      { graph: child },
      { graph: signature },
      { graph: list, annotations: { [REF_NAME]: digestTag(image.root.digest) } },
      { graph: await makeImage({ seed: 'sig' }), annotations: { [REF_NAME]: digestTag(image.root.digest, 'sig') } },
    ])
    const source = closing(await openOciLayout(folder))
    expect(await source.resolve('any', '@0')).toEqual(image.root)
    expect((await failure(source.resolve('any', '@1'))).code).toBe('not-found')
    expect(await source.images()).toMatchObject([{ reference: 'v1', descriptor: image.root }])
    expect(await source.tags('any')).toEqual(['v1', digestTag(image.root.digest), digestTag(image.root.digest, 'sig')])
  })

  test('says what there is where a tag is absent', async () => {
    const source = await layout({ a: await makeImage(), b: await makeImage() })
    const error = await failure(source.resolve('any', 'c'))
    expect(error).toMatchObject({ code: 'not-found', side: 'source', hint: 'it has: a, b' })
    expect(error.message).toContain(source.title)
  })

  test('takes several entries of one name that are the same image as one, and refuses them where they differ', async () => {
    const [one, two] = [await makeImage({ seed: 'one' }), await makeImage({ seed: 'two' })]
    const folder = await makeTemporaryFolder()
    await writeEntries(folder, [
      { graph: one, annotations: { [REF_NAME]: 'same' } },
      { graph: one, annotations: { [REF_NAME]: 'same' } },
      { graph: one, annotations: { [REF_NAME]: 'differ' } },
      { graph: two, annotations: { [REF_NAME]: 'differ' } },
    ])
    const source = closing(await openOciLayout(folder))
    expect(await source.resolve('any', 'same')).toEqual(one.root)
    expect(await failure(source.resolve('any', 'differ'))).toMatchObject({ code: 'usage' })
  })
})

describe('names', () => {
  test('reads the full names that containerd, BuildKit and docker save write beside the tag', async () => {
    const image = await makeImage()
    const folder = await makeTemporaryFolder()
    await writeEntries(folder, [
      { graph: image, annotations: { [CONTAINERD]: 'docker.io/library/app:1', [REF_NAME]: '1' } },
    ])
    const source = closing(await openOciLayout(folder))
    expect(await source.images()).toMatchObject([
      { reference: '1', name: 'docker.io/library/app', descriptor: image.root },
    ])
    for (const name of ['1', 'app:1', 'docker.io/app:1', 'library/app:1']) {
      expect(await source.resolve('whatever', name)).toEqual(image.root)
    }
    expect((await failure(source.resolve('whatever', 'other:1'))).code).toBe('not-found')
  })

  test('reads the full name that podman writes as ref.name', async () => {
    const image = await makeImage()
    const source = await layout({ 'localhost/app:2': image })
    expect(await source.images()).toMatchObject([{ reference: '2', name: 'localhost/app' }])
    expect(await source.tags('any')).toEqual(['2'])
    expect(await source.resolve('any', '2')).toEqual(image.root)
    expect(await source.resolve('any', 'localhost/app:2')).toEqual(image.root)
    expect(await source.resolve('any', 'app:2')).toEqual(image.root)
    expect((await failure(source.resolve('any', 'docker.io/app:2'))).code).toBe('not-found')
  })

  test('tells apart equal tags of several repositories, by full name, path or name in a tree', async () => {
    const [a, b] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const source = await layout({ 'docker.io/library/a:1': a, 'ghcr.io/o/b:1': b, 'ghcr.io/o/b:2': b })
    expect(await source.resolve('a', '1')).toEqual(a.root)
    expect(await source.resolve('docker.io/library/a', '1')).toEqual(a.root)
    expect(await source.resolve('o/b', '1')).toEqual(b.root)
    expect(await source.tags('o/b')).toEqual(['1', '2'])
    expect(await source.tags('library/a')).toEqual(['1'])
    expect(await source.resolve('renamed', '2')).toEqual(b.root)
    const error = await failure(source.resolve('renamed', '1'))
    expect(error).toMatchObject({ code: 'usage', hint: expect.stringContaining('ghcr.io/o/b:1') })
  })

  test('keeps a name that is neither a tag nor an image name as it is written', async () => {
    const image = await makeImage()
    const source = await layout({ 'Not A Name': image })
    expect(await source.resolve('any', 'Not A Name')).toEqual(image.root)
    expect(await source.images()).toEqual([expect.not.objectContaining({ reference: expect.anything() })])
    expect(await source.tags('any')).toEqual([])
  })
})

describe('open', () => {
  test('begins where it is asked to, and at the start where that is beyond the end', async () => {
    const image = await makeImage()
    const source = await layout({ latest: image })
    const [digest, bytes] = [...image.blobs][0] ?? []
    if (digest === undefined || bytes === undefined) throw new Error('no blob')
    const descriptor = { mediaType: 'x/y', digest, size: bytes.length }
    const part = await source.open('any', descriptor, { kind: 'blob', offset: 7 })
    expect(part.offset).toBe(7)
    expect(await collect(part)).toEqual(Buffer.from(bytes.subarray(7)))
    const end = await source.open('any', descriptor, { kind: 'blob', offset: bytes.length })
    expect([end.offset, (await collect(end)).length]).toEqual([bytes.length, 0])
    const beyond = await source.open('any', descriptor, { kind: 'blob', offset: bytes.length + 1 })
    expect([beyond.offset, await collect(beyond)]).toEqual([0, Buffer.from(bytes)])
  })

  test('gives chunks that are not overwritten by later ones', async () => {
    const folder = await makeTemporaryFolder()
    const bytes = Buffer.alloc(1_000_003, 'abcdefg')
    const digest = digestOf(bytes)
    await writeLayout(folder, { latest: await makeImage() })
    await writeFile(join(folder, 'blobs', digest.replace(':', '/')), bytes)
    const source = closing(await openOciLayout(folder))
    const content = await source.open('any', { mediaType: 'x/y', digest, size: bytes.length }, { kind: 'blob' })
    expect((await collect(content)).equals(bytes)).toBe(true)
  })

  test('names the layout and the digest where bytes are missing', async () => {
    const source = await layout({ latest: await makeImage() })
    const digest = digestOf('absent')
    const error = await failure(source.open('any', { mediaType: 'x/y', digest, size: 6 }, { kind: 'blob' }))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(error.message).toBe(`${source.title} lacks the blob ${digest}`)
  })

  test('stops when it is interrupted', async () => {
    const image = await makeImage()
    const source = await layout({ latest: image })
    const abort = new AbortController()
    const content = await source.open('any', image.root, { kind: 'manifest', signal: abort.signal })
    abort.abort()
    expect((await failure(collect(content))).code).toBe('aborted')
    const again = source.open('any', image.root, { kind: 'manifest', signal: abort.signal })
    expect((await failure(again)).code).toBe('aborted')
  })
})

describe('referrers', () => {
  test('are found by their subject, listed in index.json or only in a fallback list, at any depth', async () => {
    const image = await makeMultiPlatform()
    const listed = makeArtifact({ subject: image, annotations: { a: 'b' } })
    const second = makeArtifact({ subject: listed, artifactType: 'application/vnd.example.second' })
    const walked = makeArtifact({ subject: image, payload: 'walked' })
    const folder = await makeTemporaryFolder()
    await writeEntries(folder, [
      { graph: image, annotations: { [REF_NAME]: 'v1' } },
      { graph: listed },
      { graph: second },
      { graph: makeFallbackIndex([walked]), annotations: { [REF_NAME]: digestTag(image.root.digest) } },
    ])
    const source = closing(await openOciLayout(folder))
    expect(await source.referrers('any', image.root.digest)).toEqual([referrerEntry(listed), referrerEntry(walked)])
    expect(await source.referrers('any', listed.root.digest)).toEqual([referrerEntry(second)])
    expect(await source.referrers('any', digestOf('nothing'))).toEqual([])
  })

  test('are found beside a sparse index and beside entries that are no manifests', async () => {
    const [child, absent] = [await makeImage({ seed: 'a' }), await makeImage({ seed: 'b' })]
    const image = makeIndex([child, absent])
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { v1: withReferrers(image, makeArtifact({ subject: image })) })
    await rm(join(folder, 'blobs', absent.root.digest.replace(':', '/')))
    const source = closing(await openOciLayout(folder))
    expect(await source.referrers('any', image.root.digest)).toHaveLength(1)
  })
})

describe('hostile and broken layouts', () => {
  test('a folder that is absent, a file and a folder without a layout are not found', async () => {
    const folder = await makeTemporaryFolder()
    await writeFile(join(folder, 'file'), '')
    for (const path of [join(folder, 'absent'), join(folder, 'file'), folder]) {
      const error = await failure(openOciLayout(path))
      expect(error).toMatchObject({ code: 'not-found', side: 'source' })
      expect(error.message).toContain(`oci:${path}`)
    }
  })

  test.each([
    ['{"imageLayoutVersion":"2.0.0"}', 'unsupported'],
    ['nothing', 'manifest-invalid'],
  ])('refuses an oci-layout that says %s', async (text, code) => {
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { latest: await makeImage() })
    await writeFile(join(folder, 'oci-layout'), text)
    expect((await failure(openOciLayout(folder))).code).toBe(code)
  })

  test.each([
    ['no JSON', '{"manifests":'],
    ['no list', '{"manifests":{}}'],
    ['no object', '[]'],
    ['a digest that leads out', index({ digest: 'sha256:../../../../etc/passwd' })],
    ['a digest of another algorithm', index({ digest: `md5:${'0'.repeat(32)}` })],
    ['upper-case hex', index({ digest: `sha256:${'A'.repeat(64)}` })],
    ['a negative size', index({ digest: digestOf(''), size: -1 })],
    ['annotations that are no text', index({ digest: digestOf(''), annotations: { a: 1 } })],
  ])('refuses an index.json with %s', async (_, text) => {
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { latest: await makeImage() })
    await writeFile(join(folder, 'index.json'), text)
    const error = await failure(openOciLayout(folder))
    expect(error).toMatchObject({ code: 'manifest-invalid', side: 'source' })
    expect(error.message).toContain('index.json of oci:')
  })

  test('refuses links that lead out, of a file and of the folder of blobs, and follows those that stay inside', async () => {
    const image = await makeImage()
    const outside = await makeTemporaryFolder()
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { latest: image })
    const source = closing(await openOciLayout(folder))
    const blobs = join(folder, 'blobs')

    await rename(blobs, join(folder, 'moved'))
    await symlink('moved', blobs)
    expect(await readGraph(source, image.root)).toHaveLength(3)

    await rm(blobs)
    await rename(join(folder, 'moved'), join(outside, 'blobs'))
    await symlink(join(outside, 'blobs'), blobs)
    const error = await failure(source.open('any', image.root, { kind: 'manifest' }))
    expect(error).toMatchObject({ code: 'unsupported', side: 'source', hint: expect.stringContaining('cp -rL') })

    await rm(blobs)
    const path = join(folder, 'blobs', 'sha256')
    await mkdir(path, { recursive: true })
    await symlink('/etc/passwd', join(path, image.root.digest.slice(7)))
    expect((await failure(source.open('any', image.root, { kind: 'manifest' }))).code).toBe('unsupported')
  })

  test('does not take a sibling folder whose name begins alike for a part of the layout', async () => {
    const parent = await makeTemporaryFolder()
    const image = await makeImage()
    await writeLayout(join(parent, 'layout'), { latest: image })
    await writeLayout(join(parent, 'layout-other'), { latest: image })
    await rm(join(parent, 'layout', 'blobs'), { recursive: true })
    await symlink('../layout-other/blobs', join(parent, 'layout', 'blobs'))
    const source = closing(await openOciLayout(join(parent, 'layout')))
    expect((await failure(source.open('any', image.root, { kind: 'manifest' }))).code).toBe('unsupported')
  })

  test('a folder at the place of a blob is refused', async () => {
    const folder = await makeTemporaryFolder()
    const digest = digestOf('folder')
    await writeLayout(folder, { latest: await makeImage() })
    await mkdir(join(folder, 'blobs', digest.replace(':', '/')))
    const source = closing(await openOciLayout(folder))
    expect((await failure(source.open('any', { mediaType: 'x/y', digest, size: 0 }, { kind: 'blob' }))).code).toBe(
      'unsupported',
    )
  })

  test('an index that names itself ends: its bytes cannot be those of its digest', async () => {
    const folder = await makeTemporaryFolder()
    const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
    const entry = { mediaType: 'application/vnd.oci.image.index.v1+json', digest, size: 10 }
    const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, manifests: [entry, entry] }))
    await writeFiles(
      folder,
      new Map([...layoutFiles({}), [`blobs/${digest.replace(':', '/')}`, body], ['index.json', body]]),
    )
    const source = closing(await openOciLayout(folder))
    expect((await failure(source.images())).code).toBe('digest-mismatch')
    expect(await source.resolve('any', digest)).toMatchObject({ digest })
  })
})

async function layout(images: Readonly<Record<string, Graph>>): ReturnType<typeof openOciLayout> {
  const folder = await makeTemporaryFolder()
  await writeLayout(folder, images)
  return closing(await openOciLayout(folder))
}

/** Writes a layout whose index.json has exactly these entries, in this order. */
async function writeEntries(
  folder: string,
  entries: readonly { readonly graph: Graph; readonly annotations?: Readonly<Record<string, string>> }[],
): Promise<void> {
  const files = new Map<string, Uint8Array>(
    entries.flatMap(({ graph }) => [...layoutFiles({ x: { ...graph, referrers: [] } })]),
  )
  const manifests = entries.map(({ graph, annotations }) => ({
    ...graph.root,
    ...(annotations ? { annotations } : {}),
  }))
  files.set('index.json', new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, manifests })))
  await writeFiles(folder, files)
}

function index(entry: {
  readonly digest: Digest | string
  readonly size?: number
  readonly annotations?: object
}): string {
  return JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'a/b', size: 1, ...entry }] })
}
