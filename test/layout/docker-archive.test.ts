import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openDockerArchive } from '../../src/layout/docker-archive.ts'
import type { LayoutSource } from '../../src/layout/layout-source.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { DOCKER_MANIFEST } from '../../src/oci/media-types.ts'
import { sourceContract } from '../contract/source.ts'
import { makeMultiPlatform } from '../support/made-images.ts'
import { packTar, type TarEntry } from '../support/tar.ts'
import { layoutFiles } from '../support/write-images.ts'
import { closing, collect, failure, readGraph, temporaryFile } from './layout-support.ts'

const UNCOMPRESSED = 'application/vnd.docker.image.rootfs.diff.tar'

/* What engines from 25 on write: an OCI layout with a manifest.json for older engines beside it. */
sourceContract('an archive of a new engine', async images => {
  const files = [...layoutFiles(images)].map(([name, content]) => ({ name, content }))
  const bytes = await packTar([...files, { name: 'manifest.json', content: '[]' }])
  return { source: await openDockerArchive(await temporaryFile('saved.tar', bytes)), repository: 'any' }
})

describe('an archive of an old engine', () => {
  test('gives the config byte for byte, the layers as found, and a manifest of exactly these bytes', async () => {
    const saved = await savedImage(['app:1'], ['one', 'two'])
    const source = await open(await oldArchive([saved]))
    const root = await source.resolve('any', '1')
    const text = await readText(source, root)
    const layer = (bytes: Uint8Array): string =>
      `{"mediaType":"${UNCOMPRESSED}","size":${bytes.length},"digest":"${digestOf(bytes)}"}`
    expect(text).toBe(
      `{"schemaVersion":2,"mediaType":"${DOCKER_MANIFEST}",` +
        `"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":${saved.config.length},"digest":"${digestOf(saved.config)}"},` +
        `"layers":[${saved.layers.map(layer).join(',')}]}`,
    )
    expect(root).toEqual({ mediaType: DOCKER_MANIFEST, digest: digestOf(text), size: text.length })
    expect(await readGraph(source, root)).toEqual([
      root.digest,
      digestOf(saved.config),
      ...saved.layers.map(bytes => digestOf(bytes)),
    ])
    const config = { mediaType: 'a/b', digest: digestOf(saved.config), size: saved.config.length }
    expect(await collect(await source.open('any', config, { kind: 'blob' }))).toEqual(Buffer.from(saved.config))
  })

  test('gives the same digest whatever order it was packed in, and compressed', async () => {
    const bytes = await oldArchive([await savedImage(['app:1'], ['one', 'two'])])
    const other = await oldArchive([await savedImage(['app:1'], ['one', 'two'])], entries => entries.toReversed())
    const digests = await Promise.all(
      [bytes, other, gzipSync(bytes)].map(async packed => (await (await open(packed)).resolve('any', '1')).digest),
    )
    expect(new Set(digests).size).toBe(1)
  })

  test('gives several images and several names of one, and none for an image saved by its id', async () => {
    const [one, two, three] = [
      await savedImage(['app:1', 'localhost:5000/x/y:2'], ['one']),
      await savedImage(['other'], ['two']),
      await savedImage(null, ['three']),
    ]
    const source = await open(await oldArchive([one, two, three]))
    const images = await source.images()
    expect(images.map(({ name, reference }) => [name, reference])).toEqual([
      ['docker.io/library/app', '1'],
      ['localhost:5000/x/y', '2'],
      ['docker.io/library/other', 'latest'],
      [undefined, undefined],
    ])
    expect(images[0]?.descriptor).toEqual(images[1]?.descriptor)
    expect(await source.tags('app')).toEqual(['1'])
    expect(await source.tags('x/y')).toEqual(['2'])
    for (const [reference, at] of [
      ['app:1', 0],
      ['localhost:5000/x/y:2', 1],
      ['other', 2],
      ['@3', 3],
    ] as const) {
      expect(await source.resolve('any', reference)).toEqual(images[at]?.descriptor)
    }
    const last = images[3]?.descriptor
    if (last === undefined) throw new Error('no image')
    expect(await source.resolve('any', last.digest)).toEqual(last)
    expect(await failure(source.resolve('any', 'absent:1'))).toMatchObject({ code: 'not-found', side: 'source' })
    expect(await failure(source.resolve('any', digestOf('absent')))).toMatchObject({ code: 'not-found' })
    expect(await source.referrers('any', last.digest)).toEqual([])
  })

  test('gives a layer that is a link to one of another image, before its target', async () => {
    const shared = await layerTar('shared')
    const saved = await savedImage(['app:1'], ['own', 'shared'])
    const path = saved.paths[1] ?? ''
    const source = await open(
      await oldArchive([saved], entries => [
        ...entries.map(entry =>
          entry.name === path ? ({ name: path, type: 'symlink', linkname: '../other/layer.tar' } as const) : entry,
        ),
        { name: 'other/layer.tar', content: shared },
      ]),
    )
    expect(await readGraph(source, await source.resolve('any', '1'))).toContain(digestOf(shared))
  })

  test('gives a layer that is used twice, twice', async () => {
    const source = await open(await oldArchive([await savedImage(['app:1'], ['a', 'a'])]))
    const manifest = JSON.parse(await readText(source, await source.resolve('any', '1'))) as { layers: unknown[] }
    expect(manifest.layers).toHaveLength(2)
    expect(manifest.layers[0]).toEqual(manifest.layers[1])
  })

  test('gives compressed layers as they are, with the type that says so', async () => {
    const saved = await savedImage(['app:1'], ['one'], bytes => gzipSync(bytes))
    const source = await open(await oldArchive([saved]))
    const root = await source.resolve('any', '1')
    expect(await readText(source, root)).toContain(`"mediaType":"${UNCOMPRESSED}.gzip"`)
    expect(await readGraph(source, root)).toContain(digestOf(saved.layers[0] ?? ''))
  })

  test('with blobs in folders by digest, but without index.json, is read the same way', async () => {
    const layer = await layerTar('one')
    const config = configOf([layer])
    const [configPath, layerPath] = [config, layer].map(bytes => `blobs/sha256/${hexOf(digestOf(bytes))}`)
    const list = [{ Config: configPath, RepoTags: ['app:1'], Layers: [layerPath] }]
    const source = await open(
      await packTar([
        { name: configPath ?? '', content: config },
        { name: layerPath ?? '', content: layer },
        { name: 'manifest.json', content: JSON.stringify(list) },
      ]),
    )
    expect(await readGraph(source, await source.resolve('any', '1'))).toHaveLength(3)
  })

  test('reads layers only when an image is asked for, and stops when interrupted', async () => {
    const saved = await savedImage(['app:1'], ['one'])
    const source = await open(
      await oldArchive([saved], entries => entries.filter(entry => !saved.paths.includes(entry.name))),
    )
    expect(await source.tags('any')).toEqual(['1'])
    expect((await failure(source.resolve('any', '1', { signal: AbortSignal.abort() }))).code).toBe('aborted')
    const error = await failure(source.resolve('any', '1'))
    expect(error).toMatchObject({ code: 'not-found', side: 'source' })
    expect(error.message).toContain(saved.paths[0])
  })

  test.each([{ kind: 'manifest' }, { kind: 'blob' }] as const)('has no other $kind', async options => {
    const source = await open(await oldArchive([await savedImage(['app:1'], ['one'])]))
    const descriptor = { mediaType: 'a/b', digest: digestOf('absent'), size: 1 }
    expect((await failure(source.open('any', descriptor, options))).code).toBe('not-found')
  })

  test('gives bytes from the middle, of manifest and config', async () => {
    const saved = await savedImage(['app:1'], ['one'])
    const source = await open(await oldArchive([saved]))
    const root = await source.resolve('any', '1')
    const part = await source.open('any', root, { kind: 'manifest', offset: 10 })
    expect([part.offset, (await collect(part)).length]).toEqual([10, root.size - 10])
    const config = { mediaType: 'a/b', digest: digestOf(saved.config), size: saved.config.length }
    expect((await collect(await source.open('any', config, { kind: 'blob', offset: 5 }))).length).toBe(config.size - 5)
  })
})

describe('an archive of a new engine', () => {
  test('gives the digests of index.json, also where manifest.json would give others', async () => {
    const image = await makeMultiPlatform()
    const name = 'docker.io/library/app:1'
    const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': '1' }
    const files = new Map(layoutFiles({ '1': image }))
    const index = { schemaVersion: 2, manifests: [{ ...image.root, annotations }] }
    files.set('index.json', new TextEncoder().encode(JSON.stringify(index)))
    const old = await savedImage(['app:1'], ['one'])
    const source = await open(
      await oldArchive([old], entries => [
        ...entries,
        ...[...files].map(([path, content]) => ({ name: path, content })),
      ]),
    )
    expect(await source.resolve('any', 'app:1')).toEqual(image.root)
    expect(await source.images()).toMatchObject([
      { reference: '1', name: 'docker.io/library/app', descriptor: image.root },
    ])
  })
})

describe('hostile and broken archives', () => {
  test.each([
    ['Config', '../../etc/passwd'],
    ['Config', '/../../../etc/passwd/../../..'],
    ['Layers', '../../etc/passwd'],
    ['Layers', '..'],
  ])('a %s of %j is not looked for outside', async (key, path) => {
    const saved = await savedImage(['app:1'], ['one'])
    const source = await open(
      await oldArchive([saved], entries => [
        ...entries.map(entry =>
          entry.name === 'manifest.json' ? { ...entry, content: replaced(entry, key, path) } : entry,
        ),
        { name: '../../etc/passwd', content: 'bait' },
      ]),
    )
    expect(['unsupported', 'not-found']).toContain((await failure(source.resolve('any', '1'))).code)
  })

  test('a layer that is a link out of the archive is refused', async () => {
    const saved = await savedImage(['app:1'], ['one'])
    const source = await open(
      await oldArchive([saved], entries =>
        entries.map(entry =>
          saved.paths.includes(entry.name)
            ? ({ name: entry.name, type: 'symlink', linkname: '/etc/passwd' } as const)
            : entry,
        ),
      ),
    )
    expect((await failure(source.resolve('any', '1'))).code).toBe('unsupported')
  })

  test('a layer that is not what the config says is refused', async () => {
    const saved = await savedImage(['app:1'], ['one'])
    const source = await open(
      await oldArchive([saved], async entries => {
        const other = await layerTar('other')
        return entries.map(entry => (saved.paths.includes(entry.name) ? { ...entry, content: other } : entry))
      }),
    )
    const error = await failure(source.resolve('any', '1'))
    expect(error).toMatchObject({ code: 'digest-mismatch', side: 'source' })
    expect(error.message).toContain(digestOf(saved.layers[0] ?? ''))
  })

  test('a config that is not what its name says is refused', async () => {
    const saved = await savedImage(['app:1'], ['one'])
    const config = Buffer.from(saved.config.toString().replace('amd64', 'arm64'))
    const source = await open(
      await oldArchive([saved], entries =>
        entries.map(entry => (entry.content === saved.config ? { ...entry, content: config } : entry)),
      ),
    )
    expect((await failure(source.resolve('any', '1'))).code).toBe('digest-mismatch')
  })

  test.each([
    ['no JSON', 'nothing'],
    ['no object', '[]'],
    ['without layers', '{"rootfs":{"diff_ids":[]}}'],
    ['without rootfs', '{}'],
    ['with a diff_id that is no digest', '{"rootfs":{"diff_ids":["../x"]}}'],
    ['with a diff_id of sha512', `{"rootfs":{"diff_ids":["sha512:${'0'.repeat(128)}"]}}`],
  ])('a config %s is refused', async (_, text) => {
    const saved = await savedImage(['app:1'], ['one'])
    const list = [{ Config: 'config.json', RepoTags: ['app:1'], Layers: saved.paths }]
    const source = await open(
      await oldArchive([saved], entries => [
        ...entries,
        { name: 'config.json', content: text },
        { name: 'manifest.json', content: JSON.stringify(list) },
      ]),
    )
    expect((await failure(source.resolve('any', '1'))).code).toBe('manifest-invalid')
  })

  test('a layer of a compression that cannot be named is refused', async () => {
    const saved = await savedImage(['app:1'], ['one'], () => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]))
    const source = await open(await oldArchive([saved]))
    expect(await failure(source.resolve('any', '1'))).toMatchObject({ code: 'unsupported', side: 'source' })
  })

  test.each([
    'nothing',
    '{}',
    '[1]',
    '[{}]',
    '[{"Config":1}]',
    '[{"Config":"a","Layers":"b"}]',
    '[{"Config":"a","Layers":[1]}]',
    '[{"Config":"a","Layers":[],"RepoTags":[null]}]',
  ])('a manifest.json of %j is refused', async text => {
    const path = await temporaryFile('saved.tar', await packTar([{ name: 'manifest.json', content: text }]))
    expect(await failure(openDockerArchive(path))).toMatchObject({ code: 'manifest-invalid', side: 'source' })
  })

  test('a tar of something else says so', async () => {
    const path = await temporaryFile('export.tar', await packTar([{ name: 'bin/sh', content: '' }]))
    const error = await failure(openDockerArchive(path))
    expect(error).toMatchObject({ code: 'not-found', hint: expect.stringContaining('docker save') })
  })

  test('an archive that is cut short is refused', async () => {
    const bytes = await oldArchive([await savedImage(['app:1'], ['one'])])
    const path = await temporaryFile('saved.tar', bytes.subarray(0, bytes.length - 2048 - 512))
    expect((await failure(openDockerArchive(path))).code).toBe('bad-answer')
  })
})

/** An image as an old engine saves it: one folder per layer, called by an id that is no digest of the layer. */
interface Saved {
  readonly config: Buffer
  readonly tags: readonly string[] | null
  readonly layers: readonly Uint8Array[]
  readonly paths: readonly string[]
}

async function savedImage(
  tags: readonly string[] | null,
  names: readonly string[],
  compress = (bytes: Uint8Array): Uint8Array => bytes,
): Promise<Saved> {
  const tars = await Promise.all(names.map(layerTar))
  const config = configOf(tars)
  const paths = names.map(
    (name, position) => `${hexOf(digestOf(`${name} ${position} of ${hexOf(digestOf(config))}`))}/layer.tar`,
  )
  return { config, tags, layers: tars.map(compress), paths }
}

/** The bytes that Docker Engine 20.10 writes: folders with VERSION, json and layer.tar, sorted; the configs; manifest.json and repositories last. */
async function oldArchive(
  images: readonly Saved[],
  change: (entries: readonly TarEntry[]) => readonly TarEntry[] | Promise<readonly TarEntry[]> = entries => entries,
): Promise<Uint8Array> {
  const folders = images.flatMap(({ layers, paths }) =>
    paths.flatMap((path, position): TarEntry[] => {
      const id = path.replace('/layer.tar', '')
      const parent = position === 0 ? {} : { parent: paths[position - 1]?.replace('/layer.tar', '') }
      return [
        { name: `${id}/`, type: 'directory' },
        { name: `${id}/VERSION`, content: '1.0' },
        {
          name: `${id}/json`,
          content: JSON.stringify({ id, ...parent, created: '1970-01-01T00:00:00Z', os: 'linux' }),
        },
        { name: path, content: layers[position] ?? '' },
      ]
    }),
  )
  const configs = images.map(({ config }) => ({ name: configName(config), content: config }))
  const list = images.map(({ config, tags, paths }) => ({ Config: configName(config), RepoTags: tags, Layers: paths }))
  const repositories = Object.fromEntries(
    images.flatMap(({ tags, paths }) => (tags ?? []).map(tag => [tag, paths.at(-1)])),
  )
  return packTar(
    await change([
      ...folders,
      ...configs,
      { name: 'manifest.json', content: `${JSON.stringify(list)}\n` },
      { name: 'repositories', content: `${JSON.stringify(repositories)}\n` },
    ]),
  )
}

async function layerTar(name: string): Promise<Uint8Array> {
  return packTar([{ name: `${name}.txt`, content: name }])
}

function configOf(tars: readonly Uint8Array[]): Buffer {
  const rootfs = { type: 'layers', diff_ids: tars.map(tar => digestOf(tar)) }
  return Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }))
}

function configName(config: Uint8Array): string {
  return `${hexOf(digestOf(config))}.json`
}

function replaced({ content = '' }: TarEntry, key: string, path: string): string {
  const [image] = JSON.parse(content.toString()) as Record<string, unknown>[]
  return JSON.stringify([{ ...image, [key]: key === 'Layers' ? [path] : path }])
}

async function open(bytes: Uint8Array): Promise<LayoutSource> {
  return closing(await openDockerArchive(await temporaryFile('saved.tar', bytes)))
}

async function readText(source: LayoutSource, root: Awaited<ReturnType<LayoutSource['resolve']>>): Promise<string> {
  return (await collect(await source.open('any', root, { kind: 'manifest' }))).toString()
}
