import type { BigIntStats } from 'node:fs'
import { linkSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readNames, type SnapshotMemory, versionOf } from '../../src/tree/read-manifests.ts'
import { readRepository } from '../../src/tree/snapshot.ts'
import { type Graph, makeArtifact, makeImage, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { writeManifests } from './support/hand-made.ts'

const LONG_AGO = new Date('2020-01-01T00:00:00Z')

describe('a memory', () => {
  test('spares reading a file whose date is past, also one that got another name', async () => {
    const { root, file, image } = await made()
    setDate(file)
    const memory: SnapshotMemory = new Map()
    const before = await readRepository(root, 'app', memory)
    expect(memory.size).toBe(1)
    linkSync(file, join(root, 'link'))
    for (const [key, content] of memory) memory.set(key, { ...content, size: 7 } as typeof content)
    const after = await readRepository(root, 'app', memory)
    expect(before.manifests.get(image.root.digest)?.size).toBe(image.root.size)
    expect(after.manifests.get(image.root.digest)?.size).toBe(7)
  })

  test('keeps no file whose date a change could bear as well', async () => {
    const { root, file, other } = await made()
    vi.useFakeTimers({ now: LONG_AGO, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    for (const seconds of [-1, 0, 3600]) {
      const date = new Date(LONG_AGO.getTime() + seconds * 1000)
      utimesSync(file, date, date)
      const memory: SnapshotMemory = new Map()
      await readRepository(root, 'app', memory)
      expect(memory.size).toBe(0)
      writeFileSync(file, rootBytes(other))
      utimesSync(file, date, date)
      expect((await readRepository(root, 'app', memory)).tags.get('latest')).toBe(other.root.digest)
    }
  })

  test('does not hide a file that was written anew in place, of the same size', async () => {
    const { root, file, other } = await made()
    setDate(file)
    const memory: SnapshotMemory = new Map()
    await readRepository(root, 'app', memory)
    writeFileSync(file, rootBytes(other))
    const { tags, problems } = await readRepository(root, 'app', memory)
    expect(statSync(file).size).toBe(other.root.size)
    expect(problems.map(({ text }) => text)).toEqual([`its bytes are those of ${other.root.digest}`])
    expect(tags.get('latest')).toBe(other.root.digest)
  })

  test('does not hide a file that was put in place of another, of the same size and date', async () => {
    const { root, file, other } = await made()
    setDate(file)
    const memory: SnapshotMemory = new Map()
    await readRepository(root, 'app', memory)
    const copy = join(root, 'copy')
    writeFileSync(copy, rootBytes(other))
    setDate(copy)
    renameSync(copy, join(root, 'v2/app/manifests/latest'))
    expect((await readRepository(root, 'app', memory)).tags.get('latest')).toBe(other.root.digest)
  })

  test('answers for a copy of a tree by what is in the copy', async () => {
    const { root, file, image, other } = await made()
    setDate(file)
    const copy = await makeTemporaryFolder()
    await writeManifests(copy, 'app', ['latest', other])
    const copied = join(copy, 'v2/app/manifests/latest')
    setDate(copied)
    const memory: SnapshotMemory = new Map()
    expect((await readRepository(root, 'app', memory)).tags.get('latest')).toBe(image.root.digest)
    expect((await readRepository(copy, 'app', memory)).tags.get('latest')).toBe(other.root.digest)
  })

  test('keeps no long annotations', async () => {
    const root = await makeTemporaryFolder()
    const image = await makeImage()
    const notes = ['short', 'x'.repeat(10_000)].map(text => makeArtifact({ subject: image, annotations: { text } }))
    await writeManifests(root, 'app', ...notes.map(note => ['', note] as const))
    for (const note of notes) setDate(join(root, 'v2/app/manifests', note.root.digest))
    const memory: SnapshotMemory = new Map()
    await readRepository(root, 'app', memory)
    expect([...memory.values()].map(({ digest }) => digest)).toEqual([notes[0]?.root.digest])
  })
})

test('device, number, size and date tell files apart, and their births; without one, the date of the last change of any kind', () => {
  const stats = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, birthtimeNs: 0n, ctimeNs: 6n } as BigIntStats
  for (const key of ['dev', 'ino', 'size', 'mtimeNs', 'birthtimeNs'])
    expect(versionOf({ ...stats, [key]: 9n } as BigIntStats)).not.toBe(versionOf(stats))
  expect(versionOf({ ...stats, ctimeNs: 7n } as BigIntStats)).not.toBe(versionOf(stats))
  const born = { ...stats, birthtimeNs: 5n } as BigIntStats
  expect(versionOf({ ...born, ctimeNs: 7n } as BigIntStats)).toBe(versionOf(born))
})

test('a tag that moves after it was listed leaves the digest with which it shared a file as it is, and nothing is remembered', async () => {
  const { root, file, image, other } = await made()
  setDate(file)
  const folder = join(root, 'v2/app/manifests')
  const version = versionOf(statSync(file, { bigint: true }))
  const moved = join(root, 'moved')
  writeFileSync(moved, rootBytes(other))
  renameSync(moved, join(folder, 'latest'))
  const memory: SnapshotMemory = new Map()
  const found = readNames({ folder, names: ['latest', image.root.digest, 'gone'], version }, memory)
  expect(found.map(({ names, content }) => [names, content.digest])).toEqual([
    [['latest'], other.root.digest],
    [[image.root.digest], image.root.digest],
  ])
  expect(memory.size).toBe(0)
})

/** A repository with one manifest, `latest` too; another manifest of the same size. */
async function made(): Promise<{
  readonly root: string
  /** Absolute path of the file of its digest. */
  readonly file: string
  readonly image: Graph
  readonly other: Graph
}> {
  const root = await makeTemporaryFolder()
  const [image, other] = [makeArtifact({ annotations: { a: '1' } }), makeArtifact({ annotations: { a: '2' } })]
  expect(image.root.size).toBe(other.root.size)
  await writeManifests(root, 'app', ['', image])
  const file = join(root, 'v2/app/manifests', image.root.digest)
  linkSync(file, join(root, 'v2/app/manifests/latest'))
  expect(readFileSync(file)).not.toEqual(Buffer.from(rootBytes(other)))
  return { root, file, image, other }
}

function setDate(file: string): void {
  utimesSync(file, LONG_AGO, LONG_AGO)
}
