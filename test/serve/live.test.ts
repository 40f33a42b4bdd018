import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, type ServedManifest } from '../contract/tree-by-hand.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type Served, serveTree } from './serve-support.ts'

/** Long ago, so that answers made from a file of that date are kept in memory. */
const OLD = new Date('2020-01-01T00:00:00Z')

test('a tag that moves, a manifest that goes and a repository that comes are in the next answer', async () => {
  const { tree, get } = await serveTree(made => {
    made.image('app', { tags: ['latest'], note: 'first' })
    made.image('app', { tags: ['next'], note: 'second' })
  })
  const [first, second] = tree.manifests as [ServedManifest, ServedManifest]
  const folder = join(tree.root, 'v2/app/manifests')
  const latest = async (): Promise<string | undefined> =>
    (await get('/v2/app/manifests/latest')).header('docker-content-digest')
  expect(await latest()).toBe(first.digests[0])

  linkSync(join(folder, second.digests[0] ?? ''), join(folder, '.moving'))
  renameSync(join(folder, '.moving'), join(folder, 'latest'))
  expect(await latest()).toBe(second.digests[0])
  expect((await get('/v2/app/manifests/latest')).body.equals(second.bytes)).toBe(true)

  unlinkSync(join(folder, first.digests[0] ?? ''))
  expect((await get(`/v2/app/manifests/${first.digests[0]}`)).status).toBe(404)

  expect((await get('/v2/new/app/tags/list')).status).toBe(404)
  tree.image('new/app', { tags: ['1'], note: 'new' })
  expect((await get('/v2/new/app/tags/list')).body.toString()).toBe('{"name":"new/app","tags":["1"]}')
  expect((await get('/v2/_catalog')).body.toString()).toBe('{"repositories":["app","new/app"]}')
})

test('a tag that is overwritten in place, with the same length and date, is in the next answer', async () => {
  const { tree, get } = await serveTree(made => {
    made.image('app', { tags: ['latest'], note: 'one', tagOnly: true })
    made.image('app', { note: 'two' })
  })
  const [one, two] = tree.manifests as [ServedManifest, ServedManifest]
  const file = join(tree.root, 'v2/app/manifests/latest')
  expect(one.bytes.length).toBe(two.bytes.length)
  for (const { bytes } of [one, two, one, two, one]) {
    writeFileSync(file, bytes)
    utimesSync(file, OLD, OLD)
    const answer = await get('/v2/app/manifests/latest')
    expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.header('docker-content-digest')).toBe(digestOf(bytes))
  }
})

test('headers and bytes agree in every answer while a tag moves as fast as it can', async () => {
  const { tree, get } = await serveTree(made => {
    for (const note of ['one', 'two', 'three']) made.image('app', { tags: [note], note })
  })
  const folder = join(tree.root, 'v2/app/manifests')
  let moves = 0
  const move = (): void => {
    linkSync(join(folder, tree.manifests[moves++ % 3]?.digests[0] ?? ''), join(folder, '.moving'))
    renameSync(join(folder, '.moving'), join(folder, 'latest'))
    // renaming a link onto another of the same file leaves both
    rmSync(join(folder, '.moving'), { force: true })
  }
  move()
  const timer = setInterval(move, 0)
  try {
    for (let round = 0; round < 40; round++) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => get('/v2/app/manifests/latest')))
      for (const answer of answers) {
        expect(answer.status).toBe(200)
        expect(digestOf(answer.body)).toBe(answer.header('docker-content-digest'))
        expect(answer.header('content-length')).toBe(String(answer.body.length))
      }
    }
  } finally {
    clearInterval(timer)
  }
  expect(moves).toBeGreaterThan(10)
})

test('v2 may be a link that is switched to another tree', async () => {
  const { tree, get } = await serveTree()
  const other = await serveTree(made => made.image('app', { tags: ['latest'], note: 'other' }))
  renameSync(join(tree.root, 'v2'), join(tree.root, 'v2.old'))
  symlinkSync(join(other.tree.root, 'v2'), join(tree.root, 'v2'))
  const answer = await get('/v2/app/manifests/latest')
  expect(answer.body.equals(other.tree.manifests[0]?.bytes ?? Buffer.alloc(0))).toBe(true)
  const [blob] = other.tree.blobs
  expect((await get(`/v2/app/blobs/${blob?.digest}`)).body.equals(blob?.bytes ?? Buffer.alloc(0))).toBe(true)
})

test('a manifest file with other bytes than its name says is 404, as on a static host, and whoever operates the server hears of it', async () => {
  const { tree, get, events } = await serveTree()
  const digest = tree.manifests[0]?.digests[0]
  writeFileSync(join(tree.root, `v2/app/manifests/${digest}`), '{"schemaVersion":2,"layers":[]}')
  writeFileSync(join(tree.root, 'v2/app/manifests/junk'), 'no manifest')
  for (const reference of [digest, 'junk']) {
    const answer = await get(`/v2/app/manifests/${reference}`)
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body.toString()).errors[0].code).toBe('MANIFEST_UNKNOWN')
  }
  expect(events.filter(({ type }) => type === 'failed')).toMatchObject([
    { target: `/v2/app/manifests/${digest}`, error: { code: 'digest-mismatch' } },
    { target: '/v2/app/manifests/junk', error: { code: 'manifest-invalid' } },
  ])
})

test('links inside v2 are followed, links out of it are not, whatever part of a path they are', async () => {
  const { tree, get } = await serveTree(made => {
    made.image('app', { tags: ['latest'], note: 'app' })
    made.image('linked-in', { tags: ['other'], note: 'linked' })
  })
  const outside = await makeTemporaryFolder()
  const at = (path: string): string => join(tree.root, 'v2', path)
  const manifest = tree.manifests[0]
  const [blob] = tree.blobs
  symlinkSync('latest', at('app/manifests/inside'))
  mkdirSync(join(outside, 'manifests'))
  mkdirSync(join(outside, 'blobs'))
  writeFileSync(join(outside, 'manifests/latest'), manifest?.bytes ?? '')
  writeFileSync(join(outside, 'blobs', blob?.digest ?? ''), blob?.bytes ?? '')
  symlinkSync(outside, at('linked'))
  mkdirSync(at('half'))
  symlinkSync(join(outside, 'manifests'), at('half/manifests'))
  symlinkSync(join(outside, 'blobs'), at('half/blobs'))
  symlinkSync(join(outside, 'manifests/latest'), at('app/manifests/outside'))

  expect((await get('/v2/app/manifests/inside')).body.equals(manifest?.bytes ?? Buffer.alloc(0))).toBe(true)
  const paths = [
    ...['linked', 'half'].flatMap(name => [
      `${name}/manifests/latest`,
      `${name}/blobs/${blob?.digest}`,
      `${name}/tags/list`,
      `${name}/manifests/${manifest?.digests[0]}`,
    ]),
    'app/manifests/outside',
  ]
  for (const path of paths) expect((await get(`/v2/${path}`)).status, path).toBe(404)
})

test('what is no regular file is not there, and does not hold the server up', async () => {
  const { tree, get } = await serveTree()
  const digest = `sha256:${'1'.repeat(64)}`
  mkdirSync(join(tree.root, `v2/app/blobs/${digest}`))
  mkdirSync(join(tree.root, 'v2/app/manifests/folder'))
  writeFileSync(join(tree.root, 'v2/file'), 'a file where a repository would be')
  for (const path of [
    `app/blobs/${digest}`,
    'app/manifests/folder',
    'file/manifests/latest',
    'file/tags/list',
    'app/tags/list/manifests/x',
  ])
    expect((await get(`/v2/${path}`)).status, path).toBe(404)
  expect((await get('/v2/app/tags/list')).body.toString()).toBe('{"name":"app","tags":["latest"]}')
})

test('documents on disk are not taken for the truth', async () => {
  const { tree, get }: Served = await serveTree()
  tree.write('v2/app/tags/list', Buffer.from('{"name":"app","tags":["false"]}'))
  tree.write('v2/_catalog', Buffer.from('{"repositories":["false"]}'))
  expect((await get('/v2/app/tags/list')).body.toString()).toBe('{"name":"app","tags":["latest"]}')
  expect((await get('/v2/_catalog')).body.toString()).toBe('{"repositories":["app"]}')
  expect(readFileSync(join(tree.root, 'v2/_catalog'), 'utf8')).toContain('false')
})
