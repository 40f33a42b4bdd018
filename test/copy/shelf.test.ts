import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createBudget } from '../../src/copy/budget.ts'
import { createShelf } from '../../src/copy/shelf.ts'
import { makeBlob } from '../support/made-layers.ts'
import { createGate } from '../support/memory-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

test('a shelf gives back what memory holds and what it does not, and its file has no name', async () => {
  const root = await makeTemporaryFolder()
  const shelf = createShelf(root, 1000)
  onTestFinished(() => shelf.close())
  const all = ['a', 'b', 'c', 'd'].map((seed, number) => makeBlob(400 + number, seed))
  const kept = await Promise.all(all.map(bytes => shelf.keep(bytes)))
  expect(kept.map(({ size }) => size)).toEqual([400, 401, 402, 403])
  for (const [position, one] of kept.entries())
    expect(Buffer.from(await one.read())).toEqual(Buffer.from(all[position] ?? ''))
  expect(await readdir(join(root, '.registrish/incoming'))).toEqual([])
})

test('a shelf writes nothing while memory suffices, and what is forgotten makes room', async () => {
  const root = await makeTemporaryFolder()
  const shelf = createShelf(root, 1000)
  for (let round = 0; round < 5; round += 1) {
    const kept = await shelf.keep(makeBlob(900, String(round)))
    kept.forget()
    kept.forget()
  }
  expect(existsSync(join(root, '.registrish'))).toBe(false)
  await shelf.close()
})

test('a shelf that cannot be written says so', async () => {
  const root = await makeTemporaryFolder()
  mkdirSync(join(root, '.registrish'))
  writeFileSync(join(root, '.registrish/incoming'), 'a file where the folder should be')
  const shelf = createShelf(root, 0)
  await expect(shelf.keep(makeBlob(10))).rejects.toMatchObject({ code: 'io', side: 'target' })
  await shelf.close()
})

test('a budget lets begin what there is room for, in order, and what is too heavy alone', async () => {
  const budget = createBudget(10)
  const begun: number[] = []
  const gates = [4, 5, 100, 1].map(weight => {
    const gate = createGate()
    const done = budget.run(weight, async () => {
      begun.push(weight)
      await gate.opened
    })
    return { ...gate, done }
  })
  const [four, five, heavy, one] = gates
  await Promise.resolve()
  expect(begun).toEqual([4, 5])
  four?.open()
  await four?.done
  expect(begun).toEqual([4, 5])
  five?.open()
  await five?.done
  expect(begun).toEqual([4, 5, 100])
  heavy?.open()
  await heavy?.done
  one?.open()
  await one?.done
  expect(begun).toEqual([4, 5, 100, 1])
})

test('a budget is given back by what fails', async () => {
  const budget = createBudget(1)
  await expect(budget.run(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await budget.run(1, async () => 'yes')).toBe('yes')
})
