import { CLIENTS } from '../../src/doctor/report.ts'
import type { Answer } from './registry-content.ts'
import { fails, only, redirects, sendsHeaders } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { WRONG_BLOBS } from './wrong-blobs.ts'
import { WRONG_MANIFESTS, WRONG_TYPED } from './wrong-manifests.ts'
import type { WrongRegistry } from './wrong-registry.ts'

const TAG = /\/manifests\/[^/:]+$/
const PING = /^GET \/v2\/$/
const PAGE = '<!doctype html><title>Welcome</title><p>Nothing here.</p>'

const WRONG_VERSIONS: readonly WrongRegistry[] = [
  {
    name: '/v2/ answered with 404',
    check: 'version',
    fails: ['podman', 'crane'],
    why: '1.1: they ask first, and stop',
    change: () => only(PING, fails(404)),
  },
  {
    name: '/v2/ answered with 403',
    check: 'version',
    fails: ['podman', 'crane'],
    why: '1.1: they ask first, and stop',
    change: () => only(PING, fails(403)),
  },
  {
    name: '/v2/ answered with 401 and no challenge',
    check: 'version',
    fails: ['crane'],
    why: '1.1: 401 is fine with podman; crane wants to know how',
    change: () => only(PING, fails(401)),
  },
  {
    name: '/v2/ answered with 500',
    check: 'version',
    fails: ['podman', 'crane'],
    why: '1.1: they ask first, and stop',
    change: () => only(PING, fails(500)),
  },
]

const WRONG_MISSING: readonly WrongRegistry[] = [
  {
    name: 'missing manifests answered with 403',
    check: 'missing',
    caveats: ['containerd', 'crane'],
    why: '1.6',
    change: () => only(/\/manifests\//, absent(refuses(403))),
  },
  {
    name: 'missing manifests answered with 500',
    check: 'missing',
    caveats: CLIENTS,
    why: '1.6: what is missing looks broken, and is asked for again',
    change: () => only(/\/manifests\//, absent(refuses(500))),
  },
  {
    name: 'missing manifests answered with 200 and a page',
    check: 'missing',
    caveats: CLIENTS,
    why: '1.6',
    change: () => only(/\/manifests\//, absent(page(200))),
  },
  {
    name: 'missing blobs answered with 403',
    check: 'missing',
    caveats: ['containerd'],
    why: '1.6',
    change: () => only(/\/blobs\//, absent(refuses(403))),
  },
  {
    name: 'missing blobs answered with 200 and a page',
    check: 'missing',
    caveats: CLIENTS,
    why: '1.6',
    change: () => only(/\/blobs\//, absent(page(200))),
  },
  {
    name: '404 with a page',
    check: 'missing',
    caveats: ['docker'],
    why: '1.6: docker says that it cannot parse the answer',
    change: () => absent(page(404)),
  },
]

const WRONG_TAGS: readonly WrongRegistry[] = [
  {
    name: 'the type of 1.0.gz guessed',
    check: 'dotted-tag',
    caveats: CLIENTS,
    why: '1.4: that tag has a wrong type, others are right',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-type': 'application/gzip' })),
  },
  {
    name: 'the encoding of 1.0.gz guessed',
    check: 'dotted-tag',
    caveats: CLIENTS,
    why: '1.4, 1.5',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-encoding': 'gzip' })),
  },
  {
    name: 'the encoding of 1.0.gz guessed, by its old name',
    check: 'dotted-tag',
    caveats: CLIENTS,
    why: '1.4, 1.5',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-encoding': 'x-gzip' })),
  },
  {
    name: 'names that differ by case taken for one',
    check: 'case',
    why: '6 of the design: RC1 beside rc1',
    change: () => (request, next) => next({ ...request, path: request.path.toLowerCase() }),
  },
  {
    name: 'tags kept for a day',
    check: 'tag-cache',
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ 'cache-control': 'public, max-age=86400' })),
  },
  {
    name: 'tags kept for ever',
    check: 'tag-cache',
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ 'cache-control': 'public, max-age=31536000, immutable' })),
  },
  {
    name: 'tags that are a day old',
    check: 'tag-cache',
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ age: '90000' })),
  },
]

const WRONG_DOCUMENTS: readonly WrongRegistry[] = [
  {
    name: '?ns= answered with 404',
    check: 'namespace',
    caveats: ['containerd'],
    why: '1.6: containerd adds it where this is a mirror of another registry',
    change: () => (request, next) => (request.query.has('ns') ? fails(404)(request, next) : next(request)),
  },
  {
    name: 'referrers refused with 403',
    check: 'referrers',
    caveats: ['crane', 'oras'],
    why: '1.6: cosign verify and oras discover stop',
    change: () => only(/\/referrers\//, fails(403)),
  },
  {
    name: 'referrers as application/json',
    check: 'referrers',
    caveats: ['crane', 'oras'],
    why: '0, 1.4: the type has to be exact, else they look at the fallback tag',
    change: () => only(/\/referrers\//, sendsHeaders({ 'content-type': 'application/json' })),
  },
  {
    name: 'referrers answered with 200 and a page',
    check: 'referrers',
    caveats: ['containerd', 'crane', 'oras'],
    why: '1.6, 2.4: Docker 29.1 and later fail on images with attestations',
    change: () => only(/\/referrers\//, page(200)),
  },
  {
    name: '%3A for a colon answered with 404',
    check: 'colon',
    why: '1.6: no Go client asks so',
    change: () => (request, next) => (/%3a/i.test(request.target) ? fails(404)(request, next) : next(request)),
  },
  {
    name: 'no list of tags',
    check: 'tags-list',
    caveats: CLIENTS,
    why: '1.6: docker pull -a, skopeo list-tags, crane ls, oras repo tags; helm looks for versions',
    change: () => only(/\/tags\/list$/, fails(404)),
  },
  {
    name: 'a page for the list of tags',
    check: 'tags-list',
    caveats: CLIENTS,
    why: '1.6',
    change: () => only(/\/tags\/list$/, page(200)),
  },
  {
    name: 'a list of tags for another name',
    check: 'tags-list',
    caveats: [],
    why: '2.1',
    change: () => only(/\/tags\/list$/, renamesList),
  },
  {
    name: 'writes answered with 200 and a page',
    check: 'write',
    why: 'design 6',
    change: () => only(/^(?:POST|PUT|PATCH|DELETE) /, page(200)),
  },
  {
    name: 'writes accepted with 202',
    check: 'write',
    why: 'design 6',
    change: () => only(/^(?:POST|PUT|PATCH|DELETE) /, () => ({ status: 202, headers: {}, body: new Uint8Array() })),
  },
]

const WRONG_CONNECTIONS: readonly WrongRegistry[] = [
  {
    name: 'plain HTTP on loopback',
    check: 'plain-http',
    tls: 'none',
    caveats: ['podman', 'oras', 'helm'],
    why: '1.7',
  },
  {
    name: 'a certificate for another name',
    check: 'tls',
    tls: 'wrong name',
    fails: CLIENTS,
    why: '1.7',
  },
  {
    name: 'a certificate signed by nobody who is trusted',
    check: 'tls',
    tls: 'not trusted',
    fails: CLIENTS,
    why: '1.7',
  },
]

/** Every registry with one mistake. */
export const WRONG_REGISTRIES: readonly WrongRegistry[] = [
  ...WRONG_CONNECTIONS,
  ...WRONG_VERSIONS,
  ...WRONG_TYPED,
  ...WRONG_MANIFESTS,
  ...WRONG_BLOBS,
  ...WRONG_MISSING,
  ...WRONG_TAGS,
  ...WRONG_DOCUMENTS,
]

/** Registries that differ from the usual, and are right: every check passes, every client works. */
export const RIGHT_REGISTRIES: readonly Pick<WrongRegistry, 'name' | 'change'>[] = [
  { name: 'everything right' },
  { name: '/v2/ redirected to a page', change: () => redirectsPing },
  { name: 'blobs redirected to another path', change: () => pools('blobs') },
  { name: 'manifests redirected to another path', change: () => pools('manifests') },
  {
    name: 'blobs redirected to another port of this host',
    change: ({ beside }) => only(/\/blobs\//, redirects(({ path }) => beside.https + path)),
  },
  { name: 'no referrers API', change: () => only(/\/referrers\//, fails(404)) },
  { name: 'blobs without a digest header', change: () => only(/\/blobs\//, sendsHeaders({ 'docker-content-digest': undefined })) },
]

/** Changes answers of 404 into others. */
function absent(other: Hook): Hook {
  return async (request, next) => {
    const answer = await next(request)
    return answer.status === 404 ? other(request, next) : answer
  }
}

function refuses(status: number): Hook {
  return fails(status, {}, 'DENIED')
}

function page(status: number): Hook {
  return (): Answer => {
    return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: new TextEncoder().encode(PAGE) }
  }
}

const redirectsPing: Hook = (request, next) => {
  if (request.path === '/v2/index.html') return page(200)(request, next)
  return request.path === '/v2/' ? redirects(() => '/v2/index.html', 301)(request, next) : next(request)
}

/** Keeps files elsewhere on the same host, and redirects to them. */
function pools(kind: 'blobs' | 'manifests'): Hook {
  return (request, next) => {
    const { path } = request
    if (path.startsWith('/pool/')) return next({ ...request, path: path.slice('/pool'.length) })
    return path.includes(`/${kind}/`) ? redirects(() => `/pool${path}`)(request, next) : next(request)
  }
}

const renamesList: Hook = async (request, next) => {
  const answer = await next(request)
  if (answer.status !== 200) return answer
  const list = JSON.parse(new TextDecoder().decode(answer.body)) as object
  return { ...answer, body: new TextEncoder().encode(JSON.stringify({ ...list, name: 'another/name' })) }
}
