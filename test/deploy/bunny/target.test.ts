import { expect, test } from 'vitest'
import { parseBunnyTarget } from '../../../src/deploy/bunny/target.ts'

test.each([
  [{ zone: 'my-registry' }, 'https://storage.bunnycdn.com'],
  [{ zone: 'bunny://my-registry/', region: 'de' }, 'https://storage.bunnycdn.com'],
  [{ zone: 'my-registry', region: 'NY' }, 'https://ny.storage.bunnycdn.com'],
  [{ zone: 'my-registry', region: 'syd' }, 'https://syd.storage.bunnycdn.com'],
  [{ zone: 'my-registry', endpoint: 'http://127.0.0.1:1' }, 'http://127.0.0.1:1'],
])('%j', (input, endpoint) => {
  expect(parseBunnyTarget(input)).toEqual({ zone: 'my-registry', endpoint })
})

test.each([
  [{ zone: '' }, /no name/],
  [{ zone: 'a b' }, /no name/],
  [{ zone: 'zone/registry' }, /folder of a zone/],
  [{ zone: 'zone', region: 'evil.example/' }, /no region/],
  [{ zone: 'zone', region: 'ny', endpoint: 'https://x' }, /both/],
  [{ zone: 'zone', endpoint: 'x' }, /not an endpoint/],
  [{ zone: 'zone', endpoint: 'https://x/zone' }, /not an endpoint/],
  [{ zone: 'zone', endpoint: 'http://example.com' }, /password/],
  [{ zone: 'zone', endpoint: 'https://user:secret@x' }, /^"https:\/\/x" is not an endpoint/],
  [{ zone: 'zone', endpoint: 'https://:secret@x' }, /^"https:\/\/x" is not an endpoint/],
  [{ zone: 'https://user:secret@x/zone' }, /^"https:\/\/x\/zone" is no name/],
])('refuses %j', (input, message) => {
  expect(() => parseBunnyTarget(input)).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
  )
})
