import { expect, test } from 'vitest'
import { durationOf, formatSpan } from '../../src/cli/duration.ts'

test.each([
  ['0', 0],
  ['0s', 0],
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['24h', 86_400_000],
  ['2d', 172_800_000],
  ['1h30m', 5_400_000],
  ['1d12h', 129_600_000],
])('%s is a time', (text, milliseconds) => {
  expect(durationOf({ grace: text }, 'grace')).toBe(milliseconds)
})

test.each([
  ['3600', 'write --grace 3600s, 3600m, 3600h or 3600d'],
  ['1.5h', 'for example 30m, 24h or 2d'],
  ['-1h', 'for example 30m, 24h or 2d'],
  ['30m1h', 'for example 30m, 24h or 2d'],
  ['1h1h', 'for example 30m, 24h or 2d'],
  ['tomorrow', 'for example 30m, 24h or 2d'],
  ['1w', 'for example 30m, 24h or 2d'],
])('%s is none', (text, hint) => {
  const message = `--grace takes a time with its unit, not "${text}"`
  expect(() => durationOf({ grace: text }, 'grace')).toThrow(expect.objectContaining({ code: 'usage', message, hint }))
})

test('is not there where it is not given', () => {
  expect(durationOf({}, 'grace')).toBeUndefined()
})

test.each([
  [86_400_000, '24 h'],
  [172_800_000, '2 d'],
  [129_600_000, '36 h'],
  [5_400_000, '90 min'],
  [1500, '2 s'],
  [0, '0 s'],
])('%d ms are %s', (milliseconds, text) => {
  expect(formatSpan(milliseconds)).toBe(text)
})
