import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { EMITTERS, findEmitter } from '../../src/emit/hosts.ts'
import { emitterContract } from '../contract/emitter.ts'

for (const emitter of EMITTERS) emitterContract(emitter)

test('every host has a name, a title and a marker of its own', () => {
  for (const key of ['name', 'title', 'marker'] as const)
    expect(new Set(EMITTERS.map(emitter => emitter[key])).size).toBe(EMITTERS.length)
})

test.each(EMITTERS.map(({ name, unproven }) => [name, unproven]))(
  '%s is said to be unproven where docs/hosts.md says it',
  (name, unproven) => {
    const rows = readFileSync(new URL('../../docs/hosts.md', import.meta.url), 'utf8').split('\n')
    const row = rows.find(line => line.startsWith('| [') && line.includes(`](hosts/${name}.md)`))
    expect(row).toBeDefined()
    expect(unproven !== undefined).toBe(row?.includes('*unproven*'))
  },
)

test('a host is found by its name', () => {
  expect(findEmitter('nginx').title).toBe('nginx')
})

test('an unknown host is refused with the names of those there are', () => {
  expect(() => findEmitter('iis')).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('nginx') }),
  )
})
