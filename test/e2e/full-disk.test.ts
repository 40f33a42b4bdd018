import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Graph, makeImage, makeMultiPlatform } from '../support/made-images.ts'
import { makeBigLayer } from '../support/made-layers.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { done, registrish } from './support/registrish.ts'
import { mountDisk, remount } from './support/small-disk.ts'
import { describeWith } from './support/suites.ts'
import { expectClean, stateOf } from './support/tree-state.ts'

const MIB = 2 ** 20
const SMALL = ['1', '2', '3']
const LAYERS = 3
const LAYER = 8 * MIB
/** The end of a download that gave way to documents. */
const GIVEN_UP = MIB

describeWith(['root'], 'a full disk', () => {
  it('says so, keeps what is there right and listed, and the same command goes on when there is room', async () => {
    const registry = await startUpstream()
    const wanted = await wholeState(registry)
    const root = await mountDisk({ size: 32 * MIB })
    const ballast = join(root, 'ballast')
    await writeFile(ballast, new Uint8Array(16 * MIB))
    await done(['fetch', `${registry.host}/app`, ...SMALL, '--root', root])
    await rm(join(root, 'v2/app/tags'), { recursive: true })

    registry.forget()
    const full = await registrish(fetchInto(registry, root))
    expect(full.exitCode).toBe(1)
    expect(full.stderr).toMatch(/registrish: cannot write .*: no space left on the device\n.*free some space/)
    expect((await statfs(root)).bfree).toBeLessThan(2 * (GIVEN_UP / 4096))
    await expectClean(root)
    expect(await tagsListed(root)).toEqual(SMALL)
    await done(['list', '--root', root])

    const before = bytesAsked(registry)
    await rm(ballast)
    registry.forget()
    await done(fetchInto(registry, root))
    expect(await stateOf(root)).toEqual(wanted)
    const kept = LAYERS * LAYER - bytesAsked(registry)
    expect(kept, `${before} bytes were sent before`).toBeGreaterThan(14 * MIB - GIVEN_UP)
  })

  it('of which only the number of files is used up is told as one, and leaves nothing wrong', async () => {
    const registry = await startUpstream()
    const wanted = await wholeState(registry)
    const root = await mountDisk({ size: 128 * MIB, files: 64 })
    const ballast = join(root, 'ballast')
    await mkdir(ballast)
    for (let at = 0; at < 20; at++) await writeFile(join(ballast, String(at)), '')
    const full = await registrish(fetchInto(registry, root))
    expect(full.exitCode).toBe(1)
    expect(full.stderr).toMatch(/registrish: cannot \w+ .*: no space left on the device\n.*free some space.*df -i/)
    await expectClean(root)
    await rm(ballast, { recursive: true })
    const after = await registrish(fetchInto(registry, root))
    expect(after.exitCode, after.stderr).toBe(0)
    await expectClean(root)
    expect(await stateOf(root)).toEqual(wanted)
  })

  it('can still be pruned and removed from', async () => {
    const registry = await startUpstream()
    const root = await mountDisk({ size: 32 * MIB })
    await done(fetchInto(registry, root))
    await fill(root)
    const removed = await done(['remove', 'app:big', '--root', root])
    expect(removed.stderr).toContain('the documents lag behind')
    await expectClean(root)
    await fill(root)
    await done(['prune', '--root', root])
    await expectClean(root)
    expect(await tagsListed(root)).toEqual(SMALL)
    expect((await statfs(root)).bfree).toBeGreaterThan((LAYERS * LAYER) / 4096)
  })
})

describeWith(['root'], 'a read-only disk', () => {
  it('is told as one; what is there can be listed and verified', async () => {
    const registry = await startUpstream()
    const root = await mountDisk()
    await done(['fetch', `${registry.host}/app`, ...SMALL, '--root', root])
    const before = await stateOf(root)
    await remount(root, 'ro')
    for (const args of [['fetch', `${registry.host}/app`, 'big'], ['prune'], ['remove', 'app:1']]) {
      const { exitCode, stderr } = await registrish([...args, '--root', root])
      expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/the file system is read-only\n.*--root/)])
    }
    await done(['list', '--root', root])
    await expectClean(root)
    expect(await stateOf(root)).toEqual(before)
    await remount(root, 'rw')
    await done(fetchInto(registry, root))
    await expectClean(root)
  })
})

async function startUpstream(): Promise<TestRegistry> {
  const small = await Promise.all(SMALL.map(async tag => [tag, await makeMultiPlatform({ seed: tag })] as const))
  const layers = await Promise.all(Array.from({ length: LAYERS }, (_, at) => makeBigLayer(LAYER - 4096, `big-${at}`)))
  const app: Record<string, Graph> = { ...Object.fromEntries(small), big: await makeImage({ layers }) }
  const registry = await startTestRegistry({ repositories: { app } })
  onTestFinished(() => registry.close())
  return registry
}

function fetchInto({ host }: TestRegistry, root: string): readonly string[] {
  return ['fetch', `${host}/app`, ...SMALL, 'big', '--root', root, '--retry-times', '0']
}

/** The tree where there is room enough. */
async function wholeState(registry: TestRegistry): Promise<Readonly<Record<string, string>>> {
  const root = await makeTemporaryFolder()
  await done(fetchInto(registry, root))
  return stateOf(root)
}

/** Fills a disk to its last byte. */
async function fill(root: string): Promise<void> {
  const file = join(root, 'ballast')
  for (let size = MIB; size >= 1; size = Math.floor(size / 2)) {
    for (;;) {
      try {
        await writeFile(file, new Uint8Array(size), { flag: 'a' })
      } catch {
        break
      }
    }
  }
}

async function tagsListed(root: string): Promise<unknown> {
  return (JSON.parse(await readFile(join(root, 'v2/app/tags/list'), 'utf8')) as { readonly tags: unknown }).tags
}

/** How much of the big layers was asked for. */
function bytesAsked({ log }: TestRegistry): number {
  return log
    .filter(({ path, bytes }) => path.includes('/blobs/') && bytes > 4096)
    .reduce((sum, { bytes }) => sum + bytes, 0)
}
