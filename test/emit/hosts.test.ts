import { expect, test } from 'vitest'
import { EMITTERS, findEmitter } from '../../src/emit/hosts.ts'
import { emitterContract } from '../contract/emitter.ts'

for (const emitter of EMITTERS) emitterContract(emitter)

test('every host has a name, a title and a marker of its own', () => {
  for (const key of ['name', 'title', 'marker'] as const)
    expect(new Set(EMITTERS.map(emitter => emitter[key])).size).toBe(EMITTERS.length)
})

test('a host is found by its name', () => {
  expect(findEmitter('nginx').title).toBe('nginx')
})

test('an unknown host is refused with the names of those there are', () => {
  expect(() => findEmitter('iis')).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('nginx') }),
  )
})
