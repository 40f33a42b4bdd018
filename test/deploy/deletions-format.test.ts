import { describe, expect, it } from 'vitest'
import type { Deletions } from '../../src/deploy/deletions.ts'
import { formatDeletions, parseDeletions } from '../../src/deploy/deletions-format.ts'
import { isRegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { blobPath, deletionsKey, manifestPath } from '../../src/tree/layout.ts'

const blob = blobPath('a', digestOf('blob'))
const tag = manifestPath('a', 'latest')
const record: Deletions = {
  generation: 7,
  begun: 3,
  forgotten: 4,
  unreferenced: [{ since: 10, keys: [blob] }],
  claims: [{ id: 'x', until: 20, tags: [tag], unreferenced: [{ since: 5, keys: [manifestPath('a', digestOf('m'))] }] }],
  log: [{ generation: 6, at: 11, keys: [tag, blob] }],
}

describe('parseDeletions', () => {
  it('reads what formatDeletions wrote', () => {
    expect(parseDeletions(formatDeletions(record), 'x')).toEqual(record)
  })

  it.each<[string, unknown]>([
    ['what is not JSON', undefined],
    ['a list', []],
    ['no version', { ...record }],
    ['a member too many', { version: 1, ...record, more: 1 }],
    ['a member too few', { version: 1, ...record, log: undefined }],
    ['a generation that is no number', { version: 1, ...record, generation: '7' }],
    ['a time below zero', { version: 1, ...record, unreferenced: [{ since: -1, keys: [] }] }],
    ['a key outside of v2/', { version: 1, ...record, unreferenced: [{ since: 1, keys: [deletionsKey] }] }],
    ['a tag among what ages', { version: 1, ...record, unreferenced: [{ since: 1, keys: [tag] }] }],
    ['a blob among tags', { version: 1, ...record, claims: [{ id: 'x', until: 1, tags: [blob], unreferenced: [] }] }],
    ['a claim without a name', { version: 1, ...record, claims: [{ until: 1, tags: [], unreferenced: [] }] }],
    ['a key that is no text', { version: 1, ...record, log: [{ generation: 1, at: 1, keys: [1] }] }],
  ])('refuses %s, and says what to do', (_, value) => {
    const error = refusal(value)
    expect(error).toMatchObject({ code: 'conflict', side: 'target' })
    expect(isRegistrishError(error) && error.message).toBe(
      `${deletionsKey} of s3://b is not a list of what is to be deleted`,
    )
    expect(isRegistrishError(error) && error.hint).toMatch(/^delete that object while no deploy runs/)
  })

  it('sees that it is of a newer version, whatever that one holds', () => {
    const error = refusal({ version: 2, other: true })
    expect(error).toMatchObject({ code: 'conflict', message: expect.stringMatching(/newer version of registrish/) })
    expect(isRegistrishError(error) && error.hint).toMatch(/^use the version/)
  })
})

function refusal(value: unknown): unknown {
  const bytes = Buffer.from(value === undefined ? '{' : JSON.stringify(value))
  try {
    return parseDeletions(bytes, 's3://b')
  } catch (error) {
    return error
  }
}
