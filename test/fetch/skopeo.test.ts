import { spawnSync } from 'node:child_process'
import { access, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { parseManifest } from '../../src/oci/manifest.ts'
import { makeCertificate } from '../e2e/support/certificate.ts'
import { collect, failure, readGraph } from '../layout/layout-support.ts'
import {
  type Graph,
  makeArtifact,
  makeAttestation,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  rootBytes,
} from '../support/made-images.ts'
import { makeEmptyLayer, makeForeignLayer, makeLayer } from '../support/made-layers.ts'
import { describeWithProgram } from '../support/optional-program.ts'
import { basicAuth, fails, first, only } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from '../support/test-registry.ts'
import { writeFiles, writeLayout } from '../support/write-images.ts'
import { expectGraph, openSkopeo, SKOPEO } from './skopeo-support.ts'

vi.setConfig({ testTimeout: 60_000 })

describeWithProgram(SKOPEO, ['--version'], 'what the real skopeo reads', () => {
  const kinds: Readonly<Record<string, () => Promise<Graph>>> = {
    'an image': makeImage,
    'a Docker image': () => makeImage({ docker: true }),
    'an index': makeMultiPlatform,
    'a Docker manifest list': () => makeMultiPlatform({ docker: true }),
    'an index of a Docker image and an OCI image': async () =>
      makeIndex([await makeImage({ docker: true }), await makeImage({ platform: 'linux/arm64' })]),
    'an index with an attestation': async () => {
      const image = await makeImage()
      return makeIndex([image, makeAttestation(image)])
    },
    'an image with uncompressed and empty layers': async () =>
      makeImage({ layers: [await makeLayer('plain', { compression: 'none' }), makeEmptyLayer(), await makeLayer()] }),
    'a Docker image with uncompressed layers': async () =>
      makeImage({ docker: true, layers: [await makeLayer('plain', { compression: 'none' })] }),
    'an image without mediaType': () => makeImage({ noMediaType: true }),
    'an artifact': async () => makeArtifact({ payload: 'text' }),
  }

  test.each(Object.entries(kinds))('from a registry is %s, byte for byte', async (_, makeGraph) => {
    const graph = await makeGraph()
    const { host } = await startRegistry({ repositories: { 'o/app': { '1.10': graph } } })
    const { source, notes } = await openSkopeo(`docker://${host}/o/app`)
    expect(await source.resolve('any', '1.10')).toEqual(graph.root)
    await expectGraph(source, graph)
    expect(notes).toEqual([])
  })

  test('is an image with a foreign layer, which is left where it is', async () => {
    const graph = await makeImage({ docker: true, layers: [await makeForeignLayer(), await makeLayer()] })
    const { host } = await startRegistry({ repositories: { app: { latest: graph } } })
    const { source } = await openSkopeo(`${host}/app`)
    expect(await source.resolve('any', 'latest')).toEqual(graph.root)
    await expectGraph(source, graph)
  })

  test('is asked for by digest', async () => {
    const graph = await makeMultiPlatform()
    const { host } = await startRegistry({ repositories: { app: { latest: graph } } })
    const { source } = await openSkopeo(`${host}/app`)
    expect(await source.resolve('any', graph.root.digest)).toEqual(graph.root)
    await expectGraph(source, graph)
  })

  test('are several tags at once; equal blobs are fetched once, and a tag once', async () => {
    const layers = [await makeLayer('shared')]
    const [one, two] = [await makeImage({ layers, seed: 'one' }), await makeImage({ layers, config: { Cmd: ['two'] } })]
    const list = await makeMultiPlatform({ docker: true })
    const registry = await startRegistry({ repositories: { app: { one, two, list } } })
    const { source } = await openSkopeo(`${registry.host}/app`)
    const tags = ['one', 'list', 'two', 'one']
    const found = await Promise.all(tags.map(async tag => source.resolve('any', tag)))
    expect(found).toEqual([one.root, list.root, two.root, one.root])
    for (const graph of [one, two, list]) await expectGraph(source, graph)
    const shared = registry.log.filter(
      ({ method, path }) => method === 'GET' && path.endsWith(`/blobs/${digestOfLayer(one)}`),
    )
    expect(shared).toHaveLength(1)
  })

  test('are the tags of a registry, and of nothing else', async () => {
    const image = await makeImage()
    const { host } = await startRegistry({ repositories: { app: { '1.10': image, latest: image } } })
    const { source } = await openSkopeo(`docker://${host}/app:latest`)
    expect([...((await source.tags?.('any')) ?? [])].sort()).toEqual(['1.10', 'latest'])
    expect((await openSkopeo('dir:/tmp')).source.tags).toBeUndefined()
    const absent = await openSkopeo(`docker://${host}/absent`)
    expect((await failure(absent.source.tags?.('any') ?? Promise.resolve())).code).toBe('not-found')
  })

  test('is a layout, a folder and an archive as they stand', async () => {
    const folder = await makeTemporaryFolder()
    const graph = await makeMultiPlatform()
    await writeLayout(join(folder, 'layout'), { v1: graph })
    skopeo('copy', '--all', `oci:${folder}/layout:v1`, `dir:${folder}/directory`)
    skopeo('copy', '--all', `oci:${folder}/layout:v1`, `oci-archive:${folder}/archive.tar:v1`)
    for (const text of [`oci:${folder}/layout:v1`, `dir:${folder}/directory`, `oci-archive:${folder}/archive.tar:v1`]) {
      const { source } = await openSkopeo(text)
      expect(await source.resolve('any', 'whatever')).toEqual(graph.root)
      await expectGraph(source, graph)
      const [child = ''] = parseIndex(graph)
      expect(await source.resolve('any', child)).toMatchObject({ digest: child })
    }
  })

  test('leaves nothing behind, and makes nothing before it is asked', async () => {
    const graph = await makeMultiPlatform({ docker: true })
    const { host } = await startRegistry({ repositories: { app: { latest: graph } } })
    const { source, folder } = await openSkopeo(`${host}/app`)
    await expect(access(folder)).rejects.toThrow('ENOENT')
    await source.resolve('any', 'latest')
    expect(await readdir(folder)).toHaveLength(1)
    const [made = ''] = await readdir(folder)
    expect(await readdir(join(folder, made))).toEqual(['layout'])
    await source.close()
    expect(await readdir(folder)).toEqual([])
  })

  test('comes from a registry with credentials and a certificate of its own', async () => {
    const folder = await makeTemporaryFolder()
    const { cert, certFile: caFile, key } = await makeCertificate(folder)
    const image = await makeImage()
    const { host } = await startRegistry({
      tls: { cert, key },
      repositories: { app: { latest: image } },
      hook: basicAuth('user', 'secret'),
    })
    const authfile = join(folder, 'auth.json')
    await writeFile(authfile, JSON.stringify({ auths: { [host]: { auth: btoa('user:secret') } } }))
    const known = await openSkopeo(`${host}/app`, { tlsVerify: true, caFile, authfile })
    expect(await known.source.resolve('any', 'latest')).toEqual(image.root)
    expect(await known.source.tags?.('any')).toEqual(['latest'])
    const unknown = await openSkopeo(`${host}/app`, { tlsVerify: true, authfile })
    expect(await failure(unknown.source.resolve('any', 'latest'))).toMatchObject({
      code: 'unreachable',
      hint: expect.stringContaining('--ca-file'),
    })
    const anonymous = await openSkopeo(`${host}/app`, { tlsVerify: true, caFile, authfile: await emptyAuthfile() })
    expect((await failure(anonymous.source.resolve('any', 'latest'))).code).toBe('unauthorized')
  })
})

describeWithProgram(SKOPEO, ['--version'], 'what the real skopeo cannot read', () => {
  test('is an index in an index: refused with the way out', async () => {
    const nested = makeIndex([makeIndex([await makeImage()]), await makeImage({ platform: 'linux/arm64' })])
    const { host } = await startRegistry({ repositories: { app: { latest: nested } } })
    const { source } = await openSkopeo(`${host}/app`)
    const error = await failure(source.resolve('any', 'latest'))
    expect(error).toMatchObject({ code: 'unsupported', side: 'source', hint: expect.stringContaining('--via skopeo') })
  })

  const refused: Readonly<Record<string, () => Promise<Graph>>> = {
    'an image named by sha512': () => makeImage({ sha512: true }),
    'an index whose child is absent': async () => {
      const [here, absent] = [await makeImage(), await makeImage({ platform: 'linux/arm64' })]
      return { ...makeIndex([here, absent]), manifests: new Map([...here.manifests, ...indexOnly([here, absent])]) }
    },
    'a manifest of an unknown type': () => makeImage({ mediaType: 'application/vnd.example.thing.v7+json' }),
  }

  test.each(Object.entries(refused))('is %s: refused with the way out', async (_, makeGraph) => {
    const { host } = await startRegistry({ repositories: { app: { latest: await makeGraph() } } })
    const { source } = await openSkopeo(`${host}/app`)
    expect(await failure(source.resolve('any', 'latest'))).toMatchObject({
      code: 'unsupported',
      hint: expect.stringContaining('leave out --via skopeo'),
    })
  })

  test.each([
    ['not-found', only(/manifests/, fails(404, {}, 'MANIFEST_UNKNOWN'))],
    ['not-found', only(/manifests/, fails(404, {}, 'NAME_UNKNOWN'))],
    ['unauthorized', only(/manifests/, fails(403, {}, 'DENIED'))],
    ['unauthorized', basicAuth('user', 'secret')],
    ['unreachable', only(/manifests/, fails(503))],
  ] as const)('is told as %s', async (code, hook) => {
    const { host } = await startRegistry({ repositories: { app: { latest: await makeImage() } }, hook })
    const { source } = await openSkopeo(`${host}/app`, { authfile: await emptyAuthfile() })
    const error = await failure(source.resolve('any', 'latest'))
    expect(error).toMatchObject({ code, side: 'source' })
    expect(error.message).toMatch(`skopeo cannot copy docker://${host}/app:latest: `)
    expect(error.message).not.toContain('level=fatal')
  })

  test('is a registry that is not there, or speaks no TLS', async () => {
    const registry = await startRegistry()
    const plain = await openSkopeo(`${registry.host}/app`, { tlsVerify: true })
    expect(await failure(plain.source.resolve('any', 'latest'))).toMatchObject({
      code: 'unreachable',
      hint: expect.stringContaining('--plain-http'),
    })
    await registry.close()
    const gone = await openSkopeo(`${registry.host}/app`)
    expect((await failure(gone.source.resolve('any', 'latest'))).code).toBe('unreachable')
  })

  test.each(['dir', 'oci', 'oci-archive', 'docker-archive'])('is a file that is not there, by %s:', async transport => {
    const { source } = await openSkopeo(`${transport}:${await makeTemporaryFolder()}/absent`)
    expect(await failure(source.resolve('any', 'latest'))).toMatchObject({ code: 'not-found', side: 'source' })
  })

  test('is tried again when it is asked for again', async () => {
    const image = await makeImage()
    const { host } = await startRegistry({
      repositories: { app: { latest: image } },
      hook: only(/manifests/, first(1, fails(404, {}, 'MANIFEST_UNKNOWN'))),
    })
    const { source } = await openSkopeo(`${host}/app`)
    expect((await failure(source.resolve('any', 'latest'))).code).toBe('not-found')
    expect(await source.resolve('any', 'latest')).toEqual(image.root)
  })
})

describeWithProgram(SKOPEO, ['--version'], 'an image in a containers-storage', () => {
  test('is taken with one note that says how its digest changes', async () => {
    const image = await makeImage({ layers: 2 })
    const name = await stored(image)
    const { source, notes } = await openSkopeo(name)
    const root = await source.resolve('any', 'v1')
    expect(root.digest).not.toBe(image.root.digest)
    expect(await readGraph(source, root)).toHaveLength(4)
    expect(notes).toEqual([expect.stringContaining(`the digest changes from ${image.root.digest} to ${root.digest}`)])
  })

  test('keeps the config byte for byte', async () => {
    const image = await makeImage({ docker: true })
    const { source } = await openSkopeo(await stored(image))
    const root = await source.resolve('any', 'v1')
    const bytes = await collect(await source.open('any', root, { kind: 'manifest' }))
    const manifest = parseManifest(bytes)
    expect([...image.blobs.keys()]).toContain(manifest.kind === 'image' ? manifest.config?.digest : undefined)
    expect(root.mediaType).toBe(image.root.mediaType)
  })

  test('is refused where its digest is required, and where it is asked for by digest', async () => {
    const image = await makeImage()
    const name = await stored(image)
    const strict = await openSkopeo(name, { requireDigest: true })
    const error = await failure(strict.source.resolve('any', 'v1'))
    expect(error).toMatchObject({
      code: 'unsupported',
      side: 'source',
      hint: expect.stringContaining('--require-digest'),
    })
    const { source, notes } = await openSkopeo(name)
    expect((await failure(source.resolve('any', image.root.digest))).code).toBe('unsupported')
    expect(notes).toEqual([])
  })

  test('with uncompressed layers keeps its digest, and needs no note', async () => {
    const image = await makeImage({ layers: [await makeLayer('plain', { compression: 'none' })] })
    const { source, notes } = await openSkopeo(await stored(image), { requireDigest: true })
    expect(await source.resolve('any', 'v1')).toEqual(image.root)
    await expectGraph(source, image)
    expect(notes).toEqual([])
  })

  test('that is not there is not found', async () => {
    const { source } = await openSkopeo(await stored(await makeImage()))
    expect(await failure(source.resolve('any', 'v2'))).toMatchObject({ code: 'not-found', side: 'source' })
  })
})

async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startTestRegistry(options)
  onTestFinished(async () => registry.close())
  return registry
}

/** Puts an image into a storage of its own, as localhost/app:v1; its name for skopeo, without the tag. */
async function stored(image: Graph): Promise<string> {
  const folder = await makeTemporaryFolder()
  const name = `containers-storage:[vfs@${folder}/graph+${folder}/run]localhost/app`
  const files = new Map([...image.blobs].map(([digest, bytes]) => [digest.replace(/^.*:/, ''), bytes]))
  files.set('manifest.json', rootBytes(image))
  files.set('version', new TextEncoder().encode('Directory Transport Version: 1.1\n'))
  await writeFiles(join(folder, 'image'), files)
  skopeo('copy', `dir:${folder}/image`, `${name}:v1`)
  return name
}

function skopeo(...args: readonly string[]): void {
  const { status, stderr } = spawnSync(SKOPEO, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`skopeo ${args.join(' ')}: ${stderr}`)
}

async function emptyAuthfile(): Promise<string> {
  const path = join(await makeTemporaryFolder(), 'auth.json')
  await writeFile(path, '{"auths":{}}')
  return path
}

/** The index of these images, without them. */
function indexOnly(children: readonly Graph[]): Graph['manifests'] {
  const index = makeIndex(children)
  return new Map([[index.root.digest, rootBytes(index)]])
}

function digestOfLayer(graph: Graph): string | undefined {
  const manifest = parseManifest(rootBytes(graph))
  return manifest.kind === 'image' ? manifest.layers[0]?.digest : undefined
}

function parseIndex(graph: Graph): readonly string[] {
  const manifest = parseManifest(rootBytes(graph))
  return manifest.kind === 'index' ? manifest.manifests.map(child => child.digest) : []
}
