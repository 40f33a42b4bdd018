import { expect } from 'vitest'
import { basicAuth, only, redirects, tokenAuth } from '../../support/registry-faults.ts'
import type { Hook } from '../../support/test-registry.ts'
import type { Refusal, Rows } from './judge-row.ts'
import { ofBig, ofHead, portal } from './upstream-faults.ts'
import type { World } from './upstream-world.ts'

const circle: Refusal = { code: 'bad-answer', hint: /lead nowhere/, message: /in a circle/ }

/** First who is there, then the fault. */
function both(login: Hook, fault: Hook): Hook {
  return (request, next) => login(request, async passed => fault(passed, next))
}

const user = (world: World): { readonly authfile: string } => ({ authfile: world.authFile })

/** The other host was asked, and not told who asks; nobody was sent a cookie. */
function expectNoLeak({ store, upstream }: World): void {
  expect(store.log.length).toBeGreaterThan(0)
  for (const { headers } of store.log) {
    expect(headers).not.toHaveProperty('authorization')
    expect(headers).not.toHaveProperty('proxy-authorization')
    expect(headers).not.toHaveProperty('cookie')
    expect(JSON.stringify(headers)).not.toMatch(/secret|bWU6c2VjcmV0/)
  }
  for (const { headers } of upstream.log) expect(headers).not.toHaveProperty('cookie')
  expect(upstream.log.some(({ headers }) => headers['authorization'] !== undefined)).toBe(true)
}

const toStore =
  ({ store }: World): Hook =>
  async request => ({
    status: 307,
    headers: { location: `${store.url}${request.path}`, 'set-cookie': 'session=secret; Path=/' },
    body: new Uint8Array(),
  })

/** The upstream sends us elsewhere. */
export const REDIRECT_ROWS: Rows = {
  'redirect loop: a blob': {
    fault: world =>
      ofBig(
        world,
        redirects(({ path }) => path),
      ),
    refused: circle,
  },
  'redirect loop: the tag': { fault: () => ofHead(redirects(({ path }) => path, 302)), refused: circle },
  'redirect loop: a blob, each time another address': {
    fault: world => {
      let number = 0
      return ofBig(
        world,
        redirects(({ path }) => {
          number += 1
          return `${path}?hop=${number}`
        }),
      )
    },
    refused: circle,
    check: ({ upstream, big }) => {
      expect(upstream.log.filter(({ path }) => path.endsWith(big.digest)).length).toBeLessThanOrEqual(11)
    },
  },
  'redirect loop: by way of another host': {
    fault: ({ upstream, store, big }) => {
      store.put('app', 'latest', { root: big, manifests: new Map(), blobs: new Map() })
      return only(
        /\/blobs\/|\/hop\//,
        redirects(({ path }) => (path.includes('/hop/') ? `/v2/app/blobs/${big.digest}` : `${upstream.url}/hop/`)),
      )
    },
    refused: circle,
  },
  'redirect to another host: a blob, with a password': {
    fault: world => both(basicAuth('me', 'secret'), ofBig(world, toStore(world))),
    options: user,
    check: expectNoLeak,
  },
  'redirect to another host: a blob, with a token': {
    fault: world => both(tokenAuth({ user: ['me', 'secret'] }), ofBig(world, toStore(world))),
    options: user,
    check: expectNoLeak,
  },
  'redirect to another host: everything, with a password': {
    fault: world => both(basicAuth('me', 'secret'), toStore(world)),
    options: user,
    check: expectNoLeak,
  },
  'redirect to another host: with a password in the address': {
    fault: world =>
      both(
        basicAuth('me', 'secret'),
        ofBig(
          world,
          redirects(({ path }) => `http://me:secret@${world.store.host}${path}`),
        ),
      ),
    options: user,
    check: expectNoLeak,
  },
  'redirect to another host: one that asks for a password gets none': {
    fault: ({ upstream, ...world }) => {
      const elsewhere = upstream.url.replace('127.0.0.1', 'localhost')
      const toElsewhere = redirects(({ path }) => `${elsewhere}${path}`)
      const fault: Hook = (request, next) =>
        request.headers['host'] === upstream.host ? toElsewhere(request, next) : next(request)
      return both(basicAuth('me', 'secret'), ofBig({ upstream, ...world }, fault))
    },
    options: user,
    refused: { code: 'bad-answer', hint: /is it a registry/, message: /401 Unauthorized/ },
    check: ({ upstream }) => {
      const elsewhere = upstream.log.filter(({ headers }) => headers['host']?.startsWith('localhost') === true)
      expect(elsewhere.length).toBeGreaterThan(0)
      for (const { headers } of elsewhere) expect(headers).not.toHaveProperty('authorization')
    },
  },
  'redirect to no address of the web': {
    fault: world =>
      ofBig(
        world,
        redirects(() => 'file:///etc/passwd'),
      ),
    refused: { code: 'bad-answer', hint: /nothing was sent there/, message: /no HTTP address/ },
  },
  'redirect to a host where nobody listens': {
    fault: world =>
      ofBig(
        world,
        redirects(() => 'http://127.0.0.1:1/blob'),
      ),
    refused: { code: 'unreachable', hint: /is it running/, message: /127\.0\.0\.1:1 refuses connections/ },
  },
  'redirect to a login page instead of a blob': {
    fault: world => {
      const away = ofBig(
        world,
        redirects(() => '/login'),
      )
      return (request, next) => (request.path === '/login' ? portal : away)(request, next)
    },
    refused: { code: 'size-mismatch', hint: /changes its answers/ },
  },
}
