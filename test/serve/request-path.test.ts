import { expect, test } from 'vitest'
import { parseRequestTarget } from '../../src/serve/request-path.ts'

test.for([
  ['/v2/', '/v2/', ''],
  ['/v2/a/manifests/sha256%3Aab', '/v2/a/manifests/sha256:ab', ''],
  ['/v2/a/tags/list?n=1&last=%2F', '/v2/a/tags/list', 'n=1&last=%2F'],
  ['/v2/?', '/v2/', ''],
  ['/v2/?a?b', '/v2/', 'a?b'],
  ['http://example.org/v2/a?x', '/v2/a', 'x'],
  ['HTTP://example.org', '', ''],
  ['*', '*', ''],
] as const)('%s is path %j and query %j', ([url, path, query]) => {
  expect(parseRequestTarget(url)).toEqual({ path, query })
})

test.for([
  '/v2/a%2Fb/tags/list',
  '/v2/a%2fb',
  '/v2/%',
  '/v2/%zz',
  '/v2/%c0%ae',
  '/v2/%ff',
  `/v2/${'a'.repeat(510)}`,
  `/v2/${'%61'.repeat(510)}`,
])('%s is no path', url => {
  expect(parseRequestTarget(url).path).toBeUndefined()
})

test('dots and empty segments stay as they are, and an escape is undone once', () => {
  expect(parseRequestTarget('/v2/../%2e%2e//x').path).toBe('/v2/../..//x')
  expect(parseRequestTarget('/v2/a%252Fb').path).toBe('/v2/a%2Fb')
})
