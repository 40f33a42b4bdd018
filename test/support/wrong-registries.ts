import { type CheckName, CLIENTS, type Client } from '../../src/doctor/report.ts'
import { fails, only, redirects, sendsHeaders } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { WRONG_BLOBS } from './wrong-blobs.ts'
import { WRONG_DOCUMENTS, WRONG_MISSING, WRONG_TAGS } from './wrong-documents.ts'
import { WRONG_TO_GZIP } from './wrong-gzip.ts'
import { both, page, TAG, there } from './wrong-hooks.ts'
import { WRONG_MANIFESTS } from './wrong-manifests.ts'
import type { WrongRegistry } from './wrong-registry.ts'
import { WRONG_TYPED } from './wrong-types.ts'

const NOT_DOCKER: readonly Client[] = CLIENTS.filter(client => client !== 'docker')
const PING = /^GET \/v2\/$/

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
    caveats: ['podman', 'crane'],
    why: '1.1: 401 is fine with both, who are not told how to log in; measured with crane 0.22',
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

const WRONG_CONNECTIONS: readonly WrongRegistry[] = [
  {
    name: 'plain HTTP on loopback',
    check: 'plain-http',
    tls: 'none',
    caveats: ['podman', 'oras', 'helm'],
    why: '1.7: docker, containerd and crane find out by themselves; measured with docker 20.10 and ctr 1.6',
  },
  {
    name: 'plain HTTP on localhost',
    check: 'plain-http',
    tls: 'none',
    host: 'localhost',
    caveats: ['podman', 'helm'],
    why: '1.7: oras speaks it to localhost by name',
  },
  {
    name: 'a certificate for another name',
    check: 'tls',
    tls: 'wrong name',
    fails: NOT_DOCKER,
    caveats: ['docker'],
    why: '1.7: docker looks at no certificate of this machine',
  },
  {
    name: 'a certificate signed by nobody who is trusted',
    check: 'tls',
    tls: 'not trusted',
    fails: NOT_DOCKER,
    caveats: ['docker'],
    why: '1.7: docker looks at no certificate of this machine',
  },
  {
    name: 'a certificate of the past',
    check: 'tls',
    tls: 'expired',
    fails: NOT_DOCKER,
    caveats: ['docker'],
    why: '1.7: docker looks at no certificate of this machine',
  },
]

/** Every registry with one mistake. */
export const WRONG_REGISTRIES: readonly WrongRegistry[] = [
  ...WRONG_CONNECTIONS,
  ...WRONG_VERSIONS,
  ...WRONG_TYPED,
  ...WRONG_MANIFESTS,
  ...WRONG_BLOBS,
  ...WRONG_TO_GZIP,
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
    change: ({ beside }) =>
      only(
        /\/blobs\//,
        redirects(({ path }) => beside.https + path),
      ),
  },
  { name: 'no referrers API', change: () => only(/\/referrers\//, fails(404)) },
  {
    name: 'a digest header that comes twice',
    change: () => only(/\/manifests\//, there(sendsTwice)),
  },
  {
    name: 'blobs without a digest header',
    change: () => only(/\/blobs\//, sendsHeaders({ 'docker-content-digest': undefined })),
  },
]

/** What one mistake alone does not show: registries with two, of hosts that set no headers. */
export const TWICE_WRONG: readonly (Pick<WrongRegistry, 'name' | 'fails' | 'caveats' | 'why' | 'change'> & {
  readonly checks: readonly CheckName[]
})[] = [
  {
    name: 'tags of application/octet-stream without a digest header',
    checks: ['tag-type', 'digest-header'],
    fails: CLIENTS,
    why: '1.2, 1.4: docker asks for the tag by GET then, and reads its type',
    change: () => both(only(TAG, sendsHeaders({ 'content-type': 'application/octet-stream' })), nameless),
  },
  {
    name: 'no digest header, and no length on HEAD',
    checks: ['digest-header', 'length'],
    caveats: ['docker', 'containerd', 'crane', 'oras'],
    why: '1.2: docker and containerd ask by GET then',
    change: () => both(only(/^HEAD .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })), nameless),
  },
  {
    name: 'no digest header, and manifests without a length',
    checks: ['digest-header', 'length'],
    fails: ['oras', 'helm'],
    why: '1.2: oras asks by HEAD then, for which it needs the header',
    change: () => both(only(/^GET .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })), nameless),
  },
  {
    name: 'no digest header, and HEAD of manifests refused with 405',
    checks: ['head'],
    caveats: ['docker', 'containerd', 'crane', 'oras'],
    why: '1.2: docker, containerd and crane ask by GET',
    change: () => both(only(/^HEAD .*\/manifests\//, fails(405)), nameless),
  },
]

const nameless: Hook = sendsHeaders({ 'docker-content-digest': undefined })

/** As a host does whose rule adds what is there already. */
const sendsTwice: Hook = async (request, next) => {
  const answer = await next(request)
  const digest = String(answer.headers['docker-content-digest'])
  return { ...answer, headers: { ...answer.headers, 'docker-content-digest': [digest, digest] } }
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
