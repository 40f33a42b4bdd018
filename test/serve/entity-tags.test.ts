import { expect, test } from 'vitest'
import { allowsRange, matchesNone } from '../../src/serve/entity-tags.ts'

const ETAG = '"sha256:ab"'

test.for([ETAG, `W/${ETAG}`, `"x",${ETAG}`, `"x" , W/"y",, ${ETAG} ,`, '*', ' * '])(
  'If-None-Match: %s names it',
  header => {
    expect(matchesNone(header, ETAG)).toBe(true)
  },
)

test.for(['', '"x"', 'sha256:ab', '"sha256:a"', '"a,*"', '""', `"x${ETAG}`])('If-None-Match: %s does not', header => {
  expect(matchesNone(header, ETAG)).toBe(false)
})

test('If-None-Match: * names what has no entity tag too, and nothing else does', () => {
  expect(matchesNone('*', undefined)).toBe(true)
  expect(matchesNone(ETAG, undefined)).toBe(false)
})

test.for([
  [undefined, ETAG, true],
  [undefined, undefined, true],
  [ETAG, ETAG, true],
  [`W/${ETAG}`, ETAG, false],
  ['"x"', ETAG, false],
  ['Sat, 21 Nov 2026 07:00:00 GMT', ETAG, false],
  [ETAG, undefined, false],
] as const)('If-Range: %s with ETag %s allows a range: %s', ([header, etag, allowed]) => {
  expect(allowsRange(header, etag)).toBe(allowed)
})
