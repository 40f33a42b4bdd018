import { expect, test } from 'vitest'
import { parseChallenges } from '../../src/http/challenge.ts'

const HUB = { realm: 'https://auth.docker.io/token', service: 'registry.docker.io' }

const cases: Readonly<Record<string, readonly [string | undefined, ReturnType<typeof parseChallenges>]>> = {
  'nothing in no header': [undefined, []],
  'Docker Hub': [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/a:pull,push"',
    [{ scheme: 'bearer', parameters: { ...HUB, scope: 'repository:library/a:pull,push' } }],
  ],
  'unquoted values': [
    'Bearer realm=https://gcr.io/v2/token, service=gcr.io',
    [{ scheme: 'bearer', parameters: { realm: 'https://gcr.io/v2/token', service: 'gcr.io' } }],
  ],
  'several schemes in one header': [
    'Basic realm="a, b", Bearer realm="https://quay.io/v2/auth",service="quay.io"',
    [
      { scheme: 'basic', parameters: { realm: 'a, b' } },
      { scheme: 'bearer', parameters: { realm: 'https://quay.io/v2/auth', service: 'quay.io' } },
    ],
  ],
  'a scheme without parameters before another': [
    'Negotiate, BASIC Realm="x"',
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ],
  ],
  'white space around commas and signs': [
    'bearer  realm = "https://a/t" ,  service="s"',
    [{ scheme: 'bearer', parameters: { realm: 'https://a/t', service: 's' } }],
  ],
  'escaped quotes': ['Basic realm="a \\"b\\" c"', [{ scheme: 'basic', parameters: { realm: 'a "b" c' } }]],
  'the first of two equal parameters': [
    'Bearer realm="https://a/t",realm="https://evil/t"',
    [{ scheme: 'bearer', parameters: { realm: 'https://a/t' } }],
  ],
  'no parameters before a scheme': ['realm="x", Basic realm="y"', [{ scheme: 'basic', parameters: { realm: 'y' } }]],
}

test.each(Object.entries(cases))('a challenge is read: %s', (_, [header, wanted]) => {
  expect(parseChallenges(header)).toEqual(wanted)
})

test('a hostile challenge is read in no time', () => {
  expect(parseChallenges(`Basic ${'!a'.repeat(1_000_000)}`).length).toBeLessThan(10_000)
})
