import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { makeImage } from '../support/made-images.ts'
import { makeBigLayer } from '../support/made-layers.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { judgeStore } from './support/judge.ts'
import { makeTree, readKeys } from './support/trees.ts'

vi.mock('node:timers/promises', async load => (await import('./support/quick-sleep.ts')).replaceSleep(await load()))
vi.setConfig({ testTimeout: 120_000 })

describe('a first deploy that was cut off', () => {
  it.each([
    ['in the probe of conditions', /^v2\/index\.json$/, 1],
    ['before the second blob', /\/(?:blobs|manifests)\//, 1],
    ['before the last manifest', /\/(?:blobs|manifests)\//, 6],
  ])('leaves a store that the next one takes for ours: %s', async (_, keys, files) => {
    const layer = await makeBigLayer(64 * 1024)
    const tree = await makeTree({
      app: { latest: await makeImage({ layers: [layer], seed: 'app' }) },
      two: { latest: await makeImage({ layers: [layer], seed: 'two' }) },
    })
    const store = createMemoryStore()
    let done = 0
    store.before = (op, key) => {
      if ((op !== 'put' && op !== 'copy') || !keys.test(key)) return
      if (done === files) throw new Error('killed')
      done += 1
    }
    await expect(deployTree(tree, store, { jobs: 1 })).rejects.toThrow('killed')
    store.before = undefined
    store.forget()
    await deployTree(tree, store)
    expect(readKeys(store).filter(key => key.includes('/manifests/'))).toEqual([])
    expect(store.steps.some(({ op }) => op === 'copy')).toBe(files < 6)
    judgeStore(store)
  })

  it('had the answer to the version check before all else, and its plan says so', async () => {
    const tree = await makeTree({ app: { latest: await makeImage() } })
    const store = createMemoryStore()
    const { objects } = await planDeploy(tree, store)
    expect(objects.slice(0, 3).map(({ key }) => key)).toEqual(['v2/', 'v2/index.json', 'v2/_404.json'])
  })
})
