import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { expect, it, onTestFinished } from 'vitest'
import { type Graph, makeArtifact, makeImage, makeMultiPlatform, withReferrers } from '../support/made-images.ts'
import { makeBigLayer } from '../support/made-layers.ts'
import { only, slowly } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { createRandom, runAndKill, spread } from './support/kills.ts'
import { done } from './support/registrish.ts'
import { describeWith } from './support/suites.ts'
import { expectClean, stateOf } from './support/tree-state.ts'

const KILLS = 20
/** Layers of the big image, and bytes of each. */
const LAYERS = 4
const LAYER = 10 * 2 ** 20

describeWith([], 'fetch that is killed', () => {
  it('twenty times: verify finds nothing wrong, the next run waits for nobody and resumes, the last one completes', async () => {
    const registry = await startUpstream()
    const fetchInto = (root: string): readonly string[] => {
      return ['fetch', `${registry.host}/app`, ...TAGS, '--referrers', '--root', root, '--retry-times', '0']
    }
    const whole = await makeTemporaryFolder()
    const started = performance.now()
    await done(fetchInto(whole))
    const duration = performance.now() - started
    const wanted = await stateOf(whole)
    const random = createRandom('kill -9 of fetch')
    const moments = [...spread(KILLS, random)].map(part => 0.9 * part * duration)

    let total = 0
    while (total < KILLS) {
      const root = await makeTemporaryFolder()
      let kept: ReadonlyMap<string, number> = new Map()
      total += await killUntilDone(fetchInto(root), moments, async () => {
        expectResumed(registry, kept)
        kept = await blobsOnDisk(root)
        registry.forget()
        await expectClean(root)
      })
      expectResumed(registry, kept)
      registry.forget()
      expect(await stateOf(root)).toEqual(wanted)
    }
  })
})

/** Runs a command until it ends by itself, killed at the moments that are left as often as it does not; each is used up by a kill. Returns how many. */
async function killUntilDone(
  args: readonly string[],
  moments: number[],
  afterKill: () => Promise<void>,
): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    const moment = moments.at(-1) ?? LONG
    const { killed, exitCode, stderr } = await runAndKill(args, moment)
    expect(stderr).not.toContain('waiting for')
    if (!killed) {
      expect(exitCode, stderr).toBe(0)
      // Faster than the run that was measured: the moment would never come.
      if (kills === 0 && moments.length > 0) moments[moments.length - 1] = moment / 2
      return kills
    }
    moments.pop()
    await afterKill()
  }
}

/** Milliseconds after which it hangs. */
const LONG = 60_000

const TAGS = ['1', '2', '3', '4', 'big']

/** Five images, one of them big, from a registry that takes its time. */
async function startUpstream(): Promise<TestRegistry> {
  const small = await Promise.all(
    TAGS.slice(0, -1).map(async tag => {
      const image = await makeMultiPlatform({ seed: tag })
      return [tag, withReferrers(image, makeArtifact({ subject: image, payload: `about ${tag}` }))] as const
    }),
  )
  const layers = await Promise.all(Array.from({ length: LAYERS }, (_, at) => makeBigLayer(LAYER, `big-${at}`)))
  const app: Record<string, Graph> = { ...Object.fromEntries(small), big: await makeImage({ layers }) }
  const registry = await startTestRegistry({
    repositories: { app },
    hook: only(/^GET .*\/blobs\//, slowly(1)),
  })
  onTestFinished(() => registry.close())
  return registry
}

/** Nothing that is on disk is asked for again: the first byte that is asked for is the first that is not there. */
function expectResumed({ log }: TestRegistry, kept: ReadonlyMap<string, number>): void {
  const asked = log.flatMap(({ path, headers }) => {
    const digest = /\/blobs\/(?<digest>.+)$/.exec(path)?.groups?.['digest']
    return digest === undefined ? [] : [[digest, Number(/\d+/.exec(headers['range'] ?? '0')?.[0])]]
  })
  expect(asked).toEqual(asked.map(([digest]) => [digest, kept.get(String(digest)) ?? 0]))
}

/** How many bytes are there of each blob; of those that are whole more than can be asked for. */
async function blobsOnDisk(root: string): Promise<ReadonlyMap<string, number>> {
  const partials = join(root, '.registrish/partial')
  const found = new Map<string, number>()
  for (const name of await listFolder(partials)) found.set(name, (await stat(join(partials, name))).size)
  for (const folder of ['.registrish/verified', 'v2/app/blobs'])
    for (const name of await listFolder(join(root, folder))) found.set(name, Number.POSITIVE_INFINITY)
  return found
}

async function listFolder(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}
