import { describe, expect, test } from 'vitest'
import { compileRules, fewest, type Rule, type RuleEntry } from '../../src/emit/rule-compiler.ts'
import { sharedBeginnings, sharedEnds } from '../../src/emit/rule-compiler-groups.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { fewestRules } from '../support/fewest-rules.ts'

/** Groups are beginnings: `a` holds `a`, `ab`, `abc`. */
function entriesOf(table: Readonly<Record<string, string>>): readonly RuleEntry[] {
  const shared = sharedBeginnings(Object.keys(table))
  return Object.entries(table).map(([text, value]) => ({
    groups: ['*', ...(shared.get(text) ?? []).filter(start => start !== '').map(start => `${start}*`), text],
    value,
  }))
}

function heldBy(rules: readonly Rule[], text: string): string | undefined {
  return rules.findLast(({ pattern }) => matches(pattern, text))?.value
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

describe('the fewest rules', () => {
  test('of one value are one rule', () => {
    expect(compileRules(entriesOf({ a: 'x', ab: 'x', c: 'x' }))).toEqual([{ pattern: '*', value: 'x' }])
  })

  test('of nothing are none', () => {
    expect(compileRules([])).toEqual([])
  })

  test('are a default and what overrides it, the wider first', () => {
    expect(compileRules(entriesOf({ a1: 'x', a2: 'x', b1: 'y', b2: 'y', b3: 'z', c: 'x' }))).toEqual([
      { pattern: '*', value: 'x' },
      { pattern: 'b*', value: 'y' },
      { pattern: 'b3', value: 'z' },
    ])
  })

  test('override a group that has the default value within another that has not', () => {
    const table = { a1: 'x', b11: 'y', b12: 'y', b13: 'y', b21: 'x', b22: 'x', b23: 'x', c1: 'x', b31: 'y', b41: 'y' }
    expect(compileRules(entriesOf(table))).toEqual([
      { pattern: '*', value: 'x' },
      { pattern: 'b*', value: 'y' },
      { pattern: 'b2*', value: 'x' },
    ])
  })

  test('are the same for the same table', () => {
    const table = { a: 'y', b: 'x', c: 'z' }
    expect(compileRules(entriesOf(table))).toEqual(compileRules(entriesOf(table)))
  })

  test('of a path that is to have two values are refused', () => {
    expect(() => compileRules([...entriesOf({ a: 'x' }), ...entriesOf({ a: 'y' })])).toThrow(TypeError)
  })

  test('of several sets are the first of the shortest', () => {
    const [one, other, long] = [
      [{ pattern: '1', value: '' }],
      [{ pattern: '2', value: '' }],
      [
        { pattern: '3', value: '' },
        { pattern: '4', value: '' },
      ],
    ]
    expect(fewest(long, one, other)).toBe(one)
  })

  test('give every entry its value, and no set with these patterns is smaller', () => {
    const dice = createDice(7)
    for (let round = 0; round < 500; round += 1) {
      const table = randomTable(dice)
      const entries = entriesOf(table)
      const rules = compileRules(entries)
      for (const [text, value] of Object.entries(table)) expect(heldBy(rules, text), JSON.stringify(table)).toBe(value)
      const texts = Object.keys(table)
      const patterns = new Set(entries.flatMap(({ groups }) => groups))
      const matched = [...patterns].map(pattern =>
        texts.flatMap((text, position) => (matches(pattern, text) ? [position] : [])),
      )
      expect(rules.length, JSON.stringify(table)).toBe(fewestRules(Object.values(table), matched))
    }
  })

  test('of 20,000 entries are found', () => {
    const dice = createDice(8)
    const entries = Array.from(
      { length: 20_000 },
      (_, number) => [String(number), dice.pick(['x', 'x', 'x', 'y'])] as const,
    )
    const rules = compileRules(entriesOf(Object.fromEntries(entries)))
    expect(rules.length).toBeLessThan(entries.filter(([, value]) => value === 'y').length)
    const held = new Map(rules.map(({ pattern, value }) => [pattern, value]))
    for (const [text, value] of entries) {
      const wider = Array.from({ length: text.length + 1 }, (_, length) => `${text.slice(0, length)}*`)
      expect([...wider, text].flatMap(pattern => held.get(pattern) ?? []).at(-1)).toBe(value)
    }
  })
})

describe('what texts share', () => {
  test('are the beginnings at which they part, the shortest first', () => {
    expect(Object.fromEntries(sharedBeginnings(['1.0', '1.1', '1', '2', '1.10']))).toEqual({
      1: ['', '1'],
      '1.0': ['', '1', '1.'],
      '1.1': ['', '1', '1.', '1.1'],
      '1.10': ['', '1', '1.', '1.1'],
      2: [''],
    })
  })

  test('is nothing for one text, and for none', () => {
    expect(Object.fromEntries(sharedBeginnings(['a', 'a']))).toEqual({ a: [] })
    expect(sharedBeginnings([]).size).toBe(0)
  })

  test('are the ends at which they part', () => {
    expect(Object.fromEntries(sharedEnds(['ax', 'bx', 'cy']))).toEqual({ ax: ['', 'x'], bx: ['', 'x'], cy: [''] })
  })
})

function randomTable({ roll, pick }: Dice): Readonly<Record<string, string>> {
  const table: Record<string, string> = {}
  const size = 1 + roll(10)
  for (let number = 0; number < size; number += 1) {
    const text = Array.from({ length: 1 + roll(4) }, () => pick(['a', 'b', 'c'])).join('')
    table[text] = pick(['x', 'y', 'z'])
  }
  return table
}
