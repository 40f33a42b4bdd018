import { expect, onTestFinished, test, vi } from 'vitest'
import { limitLines } from '../../src/cli/limit-lines.ts'

test('so many lines a second are said, the others counted', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const lines: string[] = []
  const say = limitLines(line => lines.push(line), 2)
  for (const line of ['a', 'b', 'c', 'd']) say(line)
  expect(lines).toEqual(['a', 'b'])
  vi.advanceTimersByTime(1000)
  say('e')
  expect(lines).toEqual(['a', 'b', '(2 more of the kind left out)', 'e'])
  vi.advanceTimersByTime(1000)
  say('f')
  expect(lines.slice(4)).toEqual(['f'])
})

test('a line is cut where it is longer than anyone reads', () => {
  const lines: string[] = []
  limitLines(line => lines.push(line))('x'.repeat(60_000))
  expect(lines[0]).toMatch(/^x{1000}…$/)
})
