import type * as timers from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { deployTree, planDeploy } from '../../src/deploy/deploy.ts'
import { abortedError, RegistrishError } from '../../src/errors.ts'
import { makeImage } from '../support/made-images.ts'
import { createMemoryStore } from '../support/memory-store.ts'
import { deployAndListen, makeTree } from './support/trees.ts'

const pausing = vi.hoisted(() => ({ begin: (): void => {} }))
vi.mock('node:timers/promises', async (load: () => Promise<typeof timers>) => {
  const actual = await load()
  const setTimeout = async (_?: number, value?: unknown, options?: object): Promise<unknown> => {
    pausing.begin()
    return actual.setTimeout(0, value, options)
  }
  return { ...actual, setTimeout }
})

async function makeOne(): ReturnType<typeof makeTree> {
  return makeTree({ app: { latest: await makeImage() } })
}

describe('what uploads that were cut off have left', () => {
  it('is no reason to fail for a deploy that is done', async () => {
    const store = createMemoryStore({ title: 'mine' })
    store.sweep = () => Promise.reject(new RegistrishError('unreachable', 'nobody is there', { side: 'target' }))
    const { report, notes } = await deployAndListen(await makeOne(), store)
    expect(report.tags).toHaveLength(1)
    expect(notes).toEqual([expect.stringMatching(/cut off.* mine .*nobody is there/)])
  })

  it('is left when the user has had enough', async () => {
    const store = createMemoryStore()
    store.sweep = () => Promise.reject(abortedError())
    await expect(deployTree(await makeOne(), store)).rejects.toMatchObject({ code: 'aborted' })
    const controller = new AbortController()
    store.sweep = () => {
      controller.abort()
      return Promise.reject(new Error('raw'))
    }
    store.objects.clear()
    const { signal } = controller
    await expect(deployTree(await makeOne(), store, { signal })).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('requests at once', () => {
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('are not %d', async jobs => {
    const [tree, store] = [await makeOne(), createMemoryStore()]
    const refused = { code: 'usage', message: expect.stringContaining(`${jobs}`) }
    await expect(planDeploy(tree, store, { jobs })).rejects.toMatchObject(refused)
    await expect(deployTree(tree, store, { jobs })).rejects.toMatchObject(refused)
    expect(store.steps).toEqual([])
  })
})

it('a deploy that is aborted while it pauses says so as it does elsewhere', async () => {
  const store = createMemoryStore()
  const controller = new AbortController()
  store.before = (op, key) => {
    if (op === 'put' && key === 'v2/app/manifests/latest') store.set(key, 'of another')
  }
  let pauses = 0
  pausing.begin = () => {
    pauses += 1
    controller.abort()
  }
  const deployed = deployTree(await makeOne(), store, { signal: controller.signal })
  await expect(deployed).rejects.toMatchObject({ name: 'RegistrishError', code: 'aborted' })
  expect(pauses).toBe(1)
})
