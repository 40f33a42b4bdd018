import { expect, test } from 'vitest'
import { shareRuns } from '../../src/tree/share-runs.ts'

/** A run that ends when it is told to. */
function pending(): { readonly run: () => Promise<number>; readonly ends: (() => void)[] } {
  const ends: (() => void)[] = []
  return {
    ends,
    run: () => {
      const number = ends.length
      return new Promise(resolve => ends.push(() => resolve(number)))
    },
  }
}

test('whoever asks during a run gets the next one, all of them the same', async () => {
  const share = shareRuns<number>()
  const { run, ends } = pending()
  const first = share('a', run)
  const later = [share('a', run), share('a', run)]
  expect(ends).toHaveLength(1)
  ends[0]?.()
  expect(await first).toBe(0)
  const last = share('a', run)
  expect(ends).toHaveLength(2)
  ends[1]?.()
  expect(await Promise.all(later)).toEqual([1, 1])
  await Promise.resolve()
  ends[2]?.()
  expect(await last).toBe(2)
})

test('other keys do not wait', async () => {
  const share = shareRuns<number>()
  const { run, ends } = pending()
  const both = [share('a', run), share('b', run)]
  expect(ends).toHaveLength(2)
  for (const end of ends) end()
  expect(await Promise.all(both)).toEqual([0, 1])
})

test('a run that fails fails for its own askers only', async () => {
  const share = shareRuns<number>()
  const first = share('a', () => Promise.reject(new Error('broken')))
  const second = share('a', () => Promise.resolve(2))
  await expect(first).rejects.toThrow('broken')
  expect(await second).toBe(2)
  expect(await share('a', () => Promise.resolve(3))).toBe(3)
})
