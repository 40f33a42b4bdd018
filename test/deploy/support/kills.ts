import { expect } from 'vitest'
import { deployTree } from '../../../src/deploy/deploy.ts'
import type { DeployOptions } from '../../../src/deploy/report.ts'
import type { Tree } from '../../../src/tree/tree.ts'
import { killAt, type MemoryStore } from '../../support/memory-store.ts'
import { findFaults, type JudgeOptions } from './judge.ts'
import { cloneStore, publishedOf } from './trees.ts'

/** What is deployed, and killed. */
export interface Killing {
  readonly tree: Tree
  /** As the store is before. */
  readonly store: MemoryStore
  readonly options?: DeployOptions
  readonly judge?: JudgeOptions
  /** Milliseconds until the next run. Default 0. */
  readonly later?: number
}

/** What was found, by the number of steps before the death. */
interface Deaths {
  readonly deaths: number
  readonly faults: readonly string[]
}

/**
 * Kills a deploy before each of its steps, each time upon a fresh copy of the store; judges what is there, runs it again, and judges that.
 * Every run ends as one that nobody killed.
 */
async function killEverywhere({ tree, store, options = {}, judge = {}, later = 0 }: Killing): Promise<Deaths> {
  const whole = cloneStore(store)
  await deployTree(tree, whole, options)
  const steps = whole.steps.length
  const wanted = publishedOf(whole)
  const faults: string[] = findFaults(whole, judge).map(fault => `unkilled: ${fault}`)
  for (let count = 0; count < steps; count += 1) {
    const copy = cloneStore(store)
    copy.before = killAt(count)
    const died = await deployTree(tree, copy, options).then(
      () => false,
      () => true,
    )
    const name = `killed before step ${count} of ${steps} (${whole.log()[count]})`
    if (!died) faults.push(`${name}: went on`)
    faults.push(...findFaults(copy, { ...judge, phase: 'midway' }).map(fault => `${name}: ${fault}`))
    copy.before = undefined
    copy.clock.now += later
    await deployTree(tree, copy, options).catch((error: unknown) => {
      faults.push(`${name}, run again: ${String(error)}`)
    })
    faults.push(...findFaults(copy, judge).map(fault => `${name}, run again: ${fault}`))
    const there = publishedOf(copy)
    const keys = new Set([...Object.keys(wanted), ...Object.keys(there)])
    for (const key of keys)
      if (wanted[key] !== there[key]) faults.push(`${name}, run again: ${key} is ${there[key]}, not ${wanted[key]}`)
  }
  return { deaths: steps, faults }
}

/** Fails the test where a kill did harm, naming the first few faults. */
export async function surviveKills(killing: Killing): Promise<number> {
  const { deaths, faults } = await killEverywhere(killing)
  expect(faults.slice(0, 12)).toEqual([])
  return deaths
}
