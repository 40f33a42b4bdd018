import { describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { readRepository } from '../../src/tree/snapshot.ts'
import { makeImage, rootBytes } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { write, writeManifests } from './support/hand-made.ts'

vi.mock('../../src/tree/snapshot.ts', async load => {
  const actual = await load<typeof import('../../src/tree/snapshot.ts')>()
  return { ...actual, readRepository: vi.fn(actual.readRepository) }
})

describe('many who ask at once for what is not at its digest', () => {
  test('share one reading of the repository', async () => {
    const root = await makeTemporaryFolder()
    await writeManifests(root, 'app', ['latest', await makeImage()])
    const tree = openTree(root)
    vi.mocked(readRepository).mockClear()
    const absent = Array.from({ length: 100 }, (_, position) => digestOf(`absent ${position}`))
    const found = await Promise.all(absent.map(digest => tree.manifest('app', digest)))
    expect(new Set(found)).toEqual(new Set([undefined]))
    expect(vi.mocked(readRepository).mock.calls.length).toBe(1)
  })

  test('but never one that began before they asked', async () => {
    const root = await makeTemporaryFolder()
    await writeManifests(root, 'app', ['latest', await makeImage()])
    const tree = openTree(root)
    const image = await makeImage({ seed: 'another' })
    const { readRepository: read } =
      await vi.importActual<typeof import('../../src/tree/snapshot.ts')>('../../src/tree/snapshot.ts')
    let begun = false
    let goOn = (): void => {}
    vi.mocked(readRepository).mockImplementationOnce(async (...args) => {
      const snapshot = await read(...args)
      begun = true
      await new Promise<void>(resolve => {
        goOn = resolve
      })
      return snapshot
    })
    const early = tree.manifest('app', digestOf('absent'))
    await vi.waitUntil(() => begun)
    await write(root, 'v2/app/manifests/later', rootBytes(image))
    const late = tree.manifest('app', image.root.digest)
    goOn()
    expect(await early).toBeUndefined()
    expect((await late)?.digest).toBe(image.root.digest)
  })
})
