import { execFileSync } from 'node:child_process'
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cp, link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { DOCKER_LIST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { listBlobRepositories, listRepositories, readBlobs, readRepository } from '../../src/tree/snapshot.ts'
import {
  type Graph,
  makeArtifact,
  makeImage,
  makeIndex,
  makeMultiPlatform,
  makeSchema1,
  referrerEntry,
  rootBytes,
} from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { write, writeManifests } from './support/hand-made.ts'

const MANIFESTS = 'v2/app/manifests'

async function made(...graphs: readonly (readonly [tag: string, graph: Graph])[]): Promise<string> {
  const root = await makeTemporaryFolder()
  await writeManifests(root, 'app', ...graphs)
  return root
}

function entryOf(graph: Graph): object {
  const { digest, size, mediaType } = graph.root
  const kind = [OCI_INDEX, DOCKER_LIST].includes(mediaType) ? 'index' : 'image'
  return { digest, size, mediaType, kind, file: `${MANIFESTS}/${digest}`, aliases: [] }
}

describe('a repository', () => {
  test('is its manifests by digest and its tags, sorted', async () => {
    const [index, image] = [await makeMultiPlatform({ docker: true }), await makeImage({ noMediaType: true })]
    const root = await made(['latest', index], ['1.0', image], ['RC1', image])
    const { repository, manifests, tags, problems } = await readRepository(root, 'app')
    expect(repository).toBe('app')
    expect([...manifests.keys()]).toEqual([...index.manifests.keys(), image.root.digest].sort())
    expect(manifests.get(index.root.digest)).toEqual(entryOf(index))
    expect(manifests.get(image.root.digest)).toEqual(entryOf(image))
    expect([...tags]).toEqual([
      ['1.0', image.root.digest],
      ['RC1', image.root.digest],
      ['latest', index.root.digest],
    ])
    expect(problems).toEqual([])
  })

  test('holds no index without the children that were written before it, while it is read', async () => {
    const [one, other, child] = [
      await makeImage({ seed: 'one' }),
      await makeImage({ seed: 'other' }),
      await makeImage(),
    ]
    const root = await made(['a', one], ['b', other])
    const index = makeIndex([one, child])
    let isWritten = false
    const { manifests, tags, problems } = await readRepository(root, 'app', undefined, {
      onManifest() {
        if (isWritten) return
        isWritten = true
        // As a fetch does: children, the index, then the tags, each by a rename.
        for (const [digest, bytes] of index.manifests) writeFileSync(join(root, MANIFESTS, digest), bytes)
        for (const tag of ['a', 'b']) {
          linkSync(join(root, MANIFESTS, index.root.digest), join(root, 'new'))
          renameSync(join(root, 'new'), join(root, MANIFESTS, tag))
        }
      },
    })
    expect([...tags.values()]).toContain(index.root.digest)
    expect([...manifests.keys()].sort()).toEqual([...index.manifests.keys(), other.root.digest].sort())
    expect(problems).toEqual([])
  })

  test('knows subjects, and how a list states who refers', async () => {
    const image = await makeImage()
    const note = makeArtifact({ subject: image, annotations: { key: 'value' } })
    const bundle = makeIndex([image], { subject: image, artifactType: 'application/vnd.example.bundle' })
    const { manifests } = await readRepository(await made(['', note], ['', bundle], ['', image]), 'app')
    for (const graph of [note, bundle]) {
      expect(manifests.get(graph.root.digest)).toEqual({
        ...entryOf(graph),
        subject: image.root.digest,
        referrer: referrerEntry(graph),
      })
    }
    expect(manifests.get(image.root.digest)).toEqual(entryOf(image))
  })

  test('that is not there is empty; so is one whose folder is a file', async () => {
    const root = await makeTemporaryFolder()
    await write(root, 'v2/odd/manifests', 'a file')
    for (const name of ['app', 'odd']) {
      const { manifests, tags, problems } = await readRepository(root, name)
      expect([manifests.size, tags.size, problems.length]).toEqual([0, 0, 0])
    }
  })

  test('is the same with links, with links lost, and with links made otherwise', async () => {
    const graphs = [
      ['latest', await makeMultiPlatform()],
      ['1.0', await makeImage({ seed: 'one' })],
    ] as const
    const copied = await made(...graphs)
    const linked = await makeTemporaryFolder()
    for (const [tag, { root, manifests }] of graphs) {
      for (const [digest, bytes] of manifests) await write(linked, `${MANIFESTS}/${digest}`, bytes)
      await link(join(linked, MANIFESTS, root.digest), join(linked, MANIFESTS, tag))
    }
    const lost = await makeTemporaryFolder()
    await cp(linked, lost, { recursive: true })
    const synced = await makeTemporaryFolder()
    execFileSync('cp', ['-a', `${linked}/.`, synced])
    const wanted = await readRepository(linked, 'app')
    expect(wanted.manifests.size).toBe(4)
    for (const root of [copied, lost, synced]) expect(await readRepository(root, 'app')).toEqual(wanted)
  })

  test('may have tags only: what they hold is known by digest', async () => {
    const [image, root] = [await makeImage(), await makeTemporaryFolder()]
    await write(root, `${MANIFESTS}/latest`, rootBytes(image))
    const { manifests, tags, problems } = await readRepository(root, 'app')
    expect(manifests.get(image.root.digest)).toEqual({ ...entryOf(image), file: `${MANIFESTS}/latest` })
    expect([...tags]).toEqual([['latest', image.root.digest]])
    expect(problems).toEqual([])
  })

  test('may have digests only', async () => {
    const image = await makeImage()
    const { manifests, tags } = await readRepository(await made(['', image]), 'app')
    expect([...manifests.keys()]).toEqual([image.root.digest])
    expect(tags.size).toBe(0)
  })

  test.each(['linked', 'copied'])('knows the sha512 digests of a manifest (%s)', async how => {
    const [image, root] = [await makeImage(), await makeTemporaryFolder()]
    const sha512 = digestOf(rootBytes(image), 'sha512')
    const file = await write(root, `${MANIFESTS}/${image.root.digest}`, rootBytes(image))
    if (how === 'linked') await link(file, join(root, MANIFESTS, sha512))
    else await write(root, `${MANIFESTS}/${sha512}`, rootBytes(image))
    const { manifests, problems } = await readRepository(root, 'app')
    expect([...manifests.values()]).toEqual([{ ...entryOf(image), aliases: [sha512] }])
    expect(problems).toEqual([])
  })

  test('may hold a manifest at its sha512 digest only', async () => {
    const [image, root] = [await makeImage(), await makeTemporaryFolder()]
    const sha512 = digestOf(rootBytes(image), 'sha512')
    await write(root, `${MANIFESTS}/${sha512}`, rootBytes(image))
    const { manifests } = await readRepository(root, 'app')
    expect(manifests.get(image.root.digest)).toMatchObject({ aliases: [sha512], file: `${MANIFESTS}/${sha512}` })
  })
})

describe('what is no manifest of the repository', () => {
  test('is not ours, by its name: passed over in silence', async () => {
    const image = await makeImage()
    const root = await made(['latest', image])
    const names = [
      '.DS_Store',
      'sha256:short',
      `sha256:${'A'.repeat(64)}`,
      'sha1:abc',
      '-x',
      'a b',
      'latest~',
      '.latest.swp',
    ]
    for (const name of names) await write(root, `${MANIFESTS}/${name}`, 'not ours')
    await mkdir(join(root, MANIFESTS, 'folder'))
    execFileSync('mkfifo', [join(root, MANIFESTS, 'pipe')])
    const snapshot = await readRepository(root, 'app')
    expect([...snapshot.tags.keys()]).toEqual(['latest'])
    expect([...snapshot.manifests.keys()]).toEqual([image.root.digest])
    expect(snapshot.problems).toEqual([])
  })

  const damages: Readonly<Record<string, () => Promise<string | Uint8Array>>> = {
    'no JSON': async () => 'no JSON',
    'an empty file': async () => '',
    'cut short': async () => rootBytes(await makeImage()).subarray(0, 100),
    'both manifests and layers': async () => '{"manifests":[],"layers":[]}',
    'a digest that leads elsewhere': async () => '{"layers":[{"mediaType":"a/b","digest":"sha256:../x","size":1}]}',
    'a media type with a line break': async () => '{"mediaType":"a/b\\nc","layers":[]}',
    'schema 1': async () => rootBytes(await makeSchema1()),
  }
  test.each(Object.entries(damages))('%s is left out, and is a problem; the rest is there', async (_, damage) => {
    const image = await makeImage()
    const root = await made(['latest', image])
    const bytes = await damage()
    await write(root, `${MANIFESTS}/broken`, bytes)
    await write(root, `${MANIFESTS}/${digestOf(bytes)}`, bytes)
    const { manifests, tags, problems } = await readRepository(root, 'app')
    expect([...tags.keys()]).toEqual(['latest'])
    expect([...manifests.keys()]).toEqual([image.root.digest])
    expect(problems.map(problem => problem.file).sort()).toEqual([
      `${MANIFESTS}/broken`,
      `${MANIFESTS}/${digestOf(bytes)}`,
    ])
    for (const { text } of problems) expect(text).toMatch(/^\S[^\n]+$/)
  })

  test('bytes of another digest are left out, and are a problem, whole as they may be', async () => {
    const [image, other] = [await makeImage(), await makeImage({ seed: 'other' })]
    const root = await made(['latest', image])
    const names = [digestOf('elsewhere'), digestOf('elsewhere', 'sha512')]
    for (const name of names) await write(root, `${MANIFESTS}/${name}`, rootBytes(other))
    const { manifests, problems } = await readRepository(root, 'app')
    expect([...manifests.keys()]).toEqual([image.root.digest])
    expect(problems.map(problem => problem.file).sort()).toEqual(names.map(name => `${MANIFESTS}/${name}`).sort())
  })

  test('a tag that is a link to a wrongly named file is right all the same', async () => {
    const [image, root] = [await makeImage(), await makeTemporaryFolder()]
    const wrong = await write(root, `${MANIFESTS}/${digestOf('elsewhere')}`, rootBytes(image))
    await link(wrong, join(root, MANIFESTS, 'latest'))
    const { manifests, tags, problems } = await readRepository(root, 'app')
    expect([...tags]).toEqual([['latest', image.root.digest]])
    expect(manifests.get(image.root.digest)?.file).toBe(`${MANIFESTS}/latest`)
    expect(problems).toHaveLength(1)
  })

  test('a file of a terabyte is told by its size, not read', async () => {
    const root = await made(['latest', await makeImage()])
    await truncate(await write(root, `${MANIFESTS}/huge`, ''), 2 ** 40)
    const { tags, problems } = await readRepository(root, 'app')
    expect([...tags.keys()]).toEqual(['latest'])
    expect(problems.map(problem => problem.file)).toEqual([`${MANIFESTS}/huge`])
  })
})

describe('symbolic links', () => {
  test('count while they stay inside v2/, as a file does', async () => {
    const [image, root] = [await makeImage(), await makeTemporaryFolder()]
    await write(root, `v2/other/manifests/${image.root.digest}`, rootBytes(image))
    await mkdir(join(root, MANIFESTS), { recursive: true })
    await symlink(`../../other/manifests/${image.root.digest}`, join(root, MANIFESTS, image.root.digest))
    await symlink(image.root.digest, join(root, MANIFESTS, 'latest'))
    const { manifests, tags } = await readRepository(root, 'app')
    expect(manifests.get(image.root.digest)).toEqual(entryOf(image))
    expect([...tags]).toEqual([['latest', image.root.digest]])
  })

  test('that lead out of v2/, in a circle or nowhere are as if they were not there', async () => {
    const [image, outside] = [await makeImage(), await makeTemporaryFolder()]
    const root = await made(['latest', image])
    const other = await makeImage({ seed: 'outside' })
    await writeFile(join(outside, 'secret'), rootBytes(other))
    await write(root, '.registrish/secret', rootBytes(other))
    const links = {
      far: join(outside, 'secret'),
      private: '../../../.registrish/secret',
      circle: 'circle',
      nowhere: 'gone',
    }
    for (const [name, target] of Object.entries(links)) await symlink(target, join(root, MANIFESTS, name))
    await symlink(join(outside, 'secret'), join(root, MANIFESTS, other.root.digest))
    const { manifests, tags, problems } = await readRepository(root, 'app')
    expect([...manifests.keys()]).toEqual([image.root.digest])
    expect([...tags.keys()]).toEqual(['latest'])
    expect(problems).toEqual([])
  })

  test.each(['v2/app', 'v2/app/manifests'])('%s that leads out of v2/ is no repository', async path => {
    const [root, outside] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    await writeManifests(outside, 'app', ['latest', await makeImage()])
    await mkdir(join(root, path, '..'), { recursive: true })
    await symlink(join(outside, path), join(root, path))
    expect((await readRepository(root, 'app')).tags.size).toBe(0)
    expect(await listRepositories(root)).toEqual([])
    expect(await readBlobs(root, 'app')).toEqual([])
  })

  test('v2/ itself may be one', async () => {
    const [root, outside] = [await makeTemporaryFolder(), await made(['latest', await makeImage()])]
    await symlink(join(outside, 'v2'), join(root, 'v2'))
    expect([...(await readRepository(root, 'app')).tags.keys()]).toEqual(['latest'])
    expect(await listRepositories(root)).toEqual(['app'])
  })
})

describe('repositories', () => {
  test('are the folders that hold manifests, nested ones too, sorted', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const names = ['b', 'a/c', 'a', 'a-b', 'a/b/c/d', 'a.b/c__d']
    for (const name of names) await writeManifests(root, name, ['latest', image])
    expect(await listRepositories(root)).toEqual([...names].sort())
    expect(await listBlobRepositories(root)).toEqual([...names].sort())
  })

  test('are not what bears no name of a repository, or that of a folder of ours', async () => {
    const [root, image] = [await makeTemporaryFolder(), await makeImage()]
    const names = ['A', '.hidden', '_private', 'a b', 'manifests', 'app/blobs', 'app/tags/x', 'a//b', 'é']
    for (const name of names) await writeManifests(root, name, ['latest', image])
    await writeManifests(root, 'app', ['latest', image])
    await write(root, 'v2/file', 'a file')
    expect(await listRepositories(root)).toEqual(['a/b', 'app'])
  })

  test('of blobs are also those of a fetch that was interrupted before its manifests', async () => {
    const root = await makeTemporaryFolder()
    await write(root, `v2/begun/blobs/${digestOf('x')}`, 'x')
    await writeManifests(root, 'app', ['latest', await makeImage()])
    expect(await listRepositories(root)).toEqual(['app'])
    expect(await listBlobRepositories(root)).toEqual(['app', 'begun'])
  })

  test('are none where there is no tree', async () => {
    const root = await makeTemporaryFolder()
    expect(await listRepositories(join(root, 'absent'))).toEqual([])
    await write(root, 'v2', 'a file')
    expect(await listRepositories(root)).toEqual([])
  })
})

describe('blobs', () => {
  test('are the files at digests, sorted, with their sizes; they are not opened', async () => {
    const root = await makeTemporaryFolder()
    const digests = [digestOf('a'), digestOf('b'), digestOf('c', 'sha512')]
    for (const [position, digest] of digests.entries()) {
      await truncate(await write(root, `v2/app/blobs/${digest}`, ''), 2 ** 40 + position)
    }
    const wanted = digests.map((digest, position) => ({ digest, size: 2 ** 40 + position }))
    expect(await readBlobs(root, 'app')).toEqual(wanted.sort((a, b) => (a.digest < b.digest ? -1 : 1)))
  })

  test('are nothing else', async () => {
    const [root, outside] = [await makeTemporaryFolder(), await makeTemporaryFolder()]
    const [digest, linked]: readonly Digest[] = [digestOf('a'), digestOf('b')]
    await write(root, `v2/app/blobs/${digest}`, 'a')
    for (const name of ['.DS_Store', 'sha256:short', 'latest', `${digest}.part`])
      await write(root, `v2/app/blobs/${name}`, 'x')
    await mkdir(join(root, 'v2/app/blobs', digestOf('folder')))
    execFileSync('mkfifo', [join(root, 'v2/app/blobs', digestOf('pipe'))])
    await writeFile(join(outside, 'secret'), 'b')
    await symlink(join(outside, 'secret'), join(root, 'v2/app/blobs', linked ?? ''))
    expect(await readBlobs(root, 'app')).toEqual([{ digest, size: 1 }])
    expect(await readBlobs(root, 'absent')).toEqual([])
  })
})

test('media types are those of the bytes, whatever the names say', async () => {
  const bodies: Readonly<Record<string, string>> = {
    [OCI_MANIFEST]: '{"layers":[]}',
    [OCI_INDEX]: '{"manifests":[]}',
    'application/vnd.example.thing.v7+json': '{"mediaType":"application/vnd.example.thing.v7+json","layers":[]}',
  }
  const root = await makeTemporaryFolder()
  for (const body of Object.values(bodies)) await write(root, `${MANIFESTS}/${digestOf(body)}`, body)
  const { manifests } = await readRepository(root, 'app')
  for (const [type, body] of Object.entries(bodies)) expect(manifests.get(digestOf(body))?.mediaType).toBe(type)
})

test('a file that vanishes while a repository is read is as if it had not been there', async () => {
  const [root, image] = [await makeTemporaryFolder(), await makeImage({ layers: 0 })]
  const bytes = new TextDecoder().decode(rootBytes(image))
  for (let number = 0; number < 600; number += 1)
    await write(root, `${MANIFESTS}/tag-${number}`, `${bytes}${' '.repeat(number)}`)
  const reading = readRepository(root, 'app')
  rmSync(join(root, MANIFESTS), { recursive: true })
  const { tags, problems } = await reading
  expect(problems).toEqual([])
  expect(tags.size).toBeLessThan(600)
})
