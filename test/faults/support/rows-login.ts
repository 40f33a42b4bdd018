import { expect } from 'vitest'
import { apiError, json } from '../../support/registry-content.ts'
import { basicAuth, fails, first, hangsUp, only, tokenAuth } from '../../support/registry-faults.ts'
import type { Hook } from '../../support/test-registry.ts'
import type { Refusal, Rows } from './judge-row.ts'
import { portal } from './upstream-faults.ts'
import type { World } from './upstream-world.ts'

const LOG_IN = /docker login 127\.0\.0\.1:\d+/
const user = (world: World): { readonly authfile: string } => ({ authfile: world.authFile })
const unauthorized: Refusal = { code: 'unauthorized', hint: LOG_IN }

/** Gives tokens and takes none. */
const takesNoToken: Hook = (request, next) =>
  tokenAuth()(
    request.path === '/token' ? request : { ...request, headers: { ...request.headers, authorization: '' } },
    next,
  )

const requests = ({ upstream }: World, pattern: RegExp): number =>
  upstream.log.filter(({ path }) => pattern.test(path)).length

/** Tokens are wanted, and their server fails like this. */
function tokenServer(hook: Hook): Hook {
  return (request, next) => (request.path === '/token' ? hook(request, next) : tokenAuth()(request, next))
}

/** A token server that fails first and then gives tokens which are taken. */
function recovering(times: number, hook: Hook): Hook {
  const login = tokenAuth()
  return (request, next) => {
    const isRight = request.path !== '/token' || request.earlier >= times
    return isRight ? login(request, next) : hook(request, next)
  }
}

/** The upstream, or its token server, does not let us in. */
export const LOGIN_ROWS: Rows = {
  '401 loop: every token is refused': {
    fault: () => takesNoToken,
    refused: { ...unauthorized, message: /does not show app to anonymous users/ },
    check: world => {
      expect(requests(world, /manifests/)).toBeLessThanOrEqual(4)
      expect(requests(world, /token/)).toBeLessThanOrEqual(2)
    },
  },
  '401 loop: every token is refused, with credentials': {
    fault: () => takesNoToken,
    options: user,
    refused: { ...unauthorized, message: /with the credentials from / },
  },
  '401 loop: the password is refused': {
    fault: () => basicAuth('me', 'another'),
    options: user,
    refused: { ...unauthorized, message: /with the credentials from / },
    check: world => expect(requests(world, /manifests/)).toBeLessThanOrEqual(2),
  },
  '401 loop: for the blobs only': {
    fault: () => (request, next) => (/blobs/.test(request.path) ? takesNoToken : tokenAuth())(request, next),
    refused: unauthorized,
  },
  '401 without a way to log in': {
    fault: () => () => apiError(401, 'UNAUTHORIZED', 'no'),
    refused: { code: 'unauthorized', hint: /logs in by token \(bearer\) or password/ },
  },
  '403': { fault: () => fails(403, {}, 'DENIED'), refused: unauthorized },
  'token server out of order, each time': {
    fault: () => tokenServer(fails(500)),
    refused: { code: 'unreachable', hint: /run the same command again later/, message: /500 Internal Server Error/ },
    check: world => expect(requests(world, /token/)).toBe(4),
  },
  'token server out of order, twice': { fault: () => recovering(2, fails(502)) },
  'token server refuses': {
    fault: () => tokenServer(fails(403)),
    refused: { ...unauthorized, message: /its token server \S+ answers 403 Forbidden/ },
  },
  'token server does not know us': {
    fault: () => tokenServer(fails(404)),
    refused: { code: 'bad-answer', hint: /tell those who run the registry/, message: /token server \S+ of/ },
  },
  'token server sends a web page': {
    fault: () => tokenServer(portal),
    refused: { code: 'bad-answer', hint: /login page/, message: /sent no token/ },
  },
  'token server sends no token': {
    fault: () => tokenServer(() => json(200, { expires_in: 300 })),
    refused: { code: 'bad-answer', hint: /tell those who run the registry/, message: /sent no token/ },
  },
  'token server hangs up, each time': {
    fault: () => tokenServer(hangsUp),
    refused: { code: 'unreachable', hint: /run the same command again/ },
  },
  'token server hangs up, once': { fault: () => recovering(1, first(1, hangsUp)) },
  'token server where nobody listens': {
    fault: () => only(/./, tokenAuth({ realm: 'http://127.0.0.1:1/token' })),
    refused: { code: 'unreachable', hint: /is it running/, message: /127\.0\.0\.1:1 refuses connections/ },
  },
  'token server limits how often it is asked': {
    fault: () => tokenServer(fails(429, { 'retry-after': '3600' })),
    refused: { code: 'rate-limited', hint: /run the same command again then/ },
    check: world => expect(requests(world, /token/)).toBe(1),
  },
}
