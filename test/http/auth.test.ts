import { expect, test } from 'vitest'
import { createAuthorizer } from '../../src/http/auth.ts'
import type { Credentials } from '../../src/http/auth-file.ts'
import { createRetry } from '../../src/http/retry.ts'
import { makeClient } from './http-support.ts'

const PASSWORD: Credentials = { kind: 'password', username: 'me', password: 'secret', origin: '/auth.json' }

test.each([
  ['app', undefined, 'does not show app to anonymous users'],
  ['', undefined, 'does not show its catalogue to anonymous users'],
  ['app', PASSWORD, 'refuses access to app with the credentials from /auth.json'],
  ['', PASSWORD, 'refuses access to its catalogue with the credentials from /auth.json'],
])('a refusal of %j names what was asked for', async (repository, credentials, message) => {
  const found = { places: ['/auth.json'], ...(credentials === undefined ? {} : { credentials }) }
  const authorizer = createAuthorizer({
    registry: 'a.example',
    origin: new URL('https://a.example'),
    http: makeClient(),
    retry: createRetry(),
    credentials: { check: async () => {}, find: async () => found },
  })
  expect((await authorizer.refused(repository)).message).toContain(`a.example ${message}`)
})
