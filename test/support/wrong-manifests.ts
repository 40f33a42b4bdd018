import { gzipSync } from 'node:zlib'
import type { Digest } from '../../src/oci/digest.ts'
import { CLIENTS } from '../../src/doctor/report.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { type Graph, rootBytes } from './made-images.ts'
import { breaksAfter, fails, only, redirects, sendsHeaders, wrongBytes } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import type { WrongRegistry, WrongSite } from './wrong-registry.ts'

/** Mistakes in how manifests are answered. */

const TAG = /\/manifests\/[^/:]+$/
const MANIFEST = /\/manifests\//

/** A Content-Type that is none of a manifest, on tags. */
const WRONG_TYPES: readonly (readonly [string, string | undefined])[] = [
  ['application/octet-stream', 'application/octet-stream'],
  ['text/plain', 'text/plain'],
  ['application/json', 'application/json'],
  ['no type', undefined],
]

export const WRONG_TYPED: readonly WrongRegistry[] = [
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `tags of ${name}`,
      check: 'tag-type',
      fails: CLIENTS,
      why: '1.4: an index without its type is none to anybody',
      change: () => only(TAG, sendsHeaders({ 'content-type': type })),
    }
  }),
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `tags of ${name}, of an image for one platform`,
      check: 'tag-type',
      image: 'single:latest',
      fails: CLIENTS.filter(client => client !== 'crane'),
      caveats: ['crane'],
      why: '1.4: crane takes what has no known type for an image',
      change: () => only(TAG, sendsHeaders({ 'content-type': type })),
    }
  }),
  {
    name: 'tags with a charset',
    check: 'tag-type',
    fails: ['crane'],
    why: '1.4: all but crane cut it off',
    change: () => only(TAG, sendsHeaders({ 'content-type': `${OCI_INDEX}; charset=utf-8` })),
  },
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `the tag’s digest of ${name}`,
      check: 'digest-type',
      fails: ['docker'],
      caveats: ['containerd', 'podman', 'crane', 'oras', 'helm'],
      why: '1.2: docker asks for the digest after the tag; others only who pulls by digest',
      change: ({ multi }) => only(at(multi.root.digest), sendsHeaders({ 'content-type': type })),
    }
  }),
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `children of ${name}`,
      check: 'child-type',
      fails: ['docker', 'podman', 'oras'],
      why: '1.4: containerd and crane believe the index, and charts have no children',
      change: ({ multi }) => only(childrenOf(multi), sendsHeaders({ 'content-type': type })),
    }
  }),
]

export const WRONG_MANIFESTS: readonly WrongRegistry[] = [
  {
    name: 'HEAD of manifests refused with 405',
    check: 'head',
    caveats: ['crane', 'oras'],
    why: '1.2: docker and containerd ask again by GET; crane digest does, oras resolve does not',
    change: () => only(/^HEAD .*\/manifests\//, fails(405)),
  },
  {
    name: 'HEAD of manifests answered with 404',
    check: 'head',
    fails: ['containerd'],
    caveats: ['crane', 'oras'],
    why: '1.2: containerd does not ask again after 404',
    change: () => only(/^HEAD .*\/manifests\//, fails(404)),
  },
  {
    name: 'HEAD of manifests answered with 403',
    check: 'head',
    fails: ['containerd'],
    caveats: ['crane', 'oras'],
    why: '1.2: containerd does not ask again after 403',
    change: () => only(/^HEAD .*\/manifests\//, fails(403)),
  },
  {
    name: 'no digest header',
    check: 'digest-header',
    caveats: ['oras'],
    why: '1.3: only oras resolve, discover and cp -r need it, and not by digest',
    change: () => sendsHeaders({ 'docker-content-digest': undefined }),
  },
  {
    name: 'the digest header of another manifest',
    check: 'digest-header',
    fails: ['docker', 'containerd', 'oras', 'helm'],
    caveats: ['crane'],
    why: '1.3: docker and containerd believe it, oras compares; crane digest believes it',
    change: site => only(TAG, sendsHeaders({ 'docker-content-digest': site.other.root.digest })),
  },
  {
    name: 'a stale digest header on HEAD only',
    check: 'digest-header',
    fails: ['docker', 'containerd'],
    caveats: ['crane', 'oras'],
    why: '1.3: docker and containerd begin with HEAD',
    change: site => only(headOfTag, sendsHeaders({ 'docker-content-digest': site.other.root.digest })),
  },
  {
    name: 'another manifest at the tag, under the headers of the right one',
    check: 'manifest-bytes',
    fails: ['oras', 'helm'],
    caveats: ['podman', 'crane'],
    why: '1.2: docker and containerd take the bytes from the digest; podman and crane what the tag gives; oras compares',
    change: site => only(getOfTag, givesBytes(({ other }) => other, site)),
  },
  {
    name: 'other bytes at the tag’s digest',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd'],
    caveats: ['podman', 'crane', 'oras', 'helm'],
    why: '1.2: docker and containerd ask for the digest after the tag',
    change: site => only(at(site.multi.root.digest), givesBytes(({ other }) => other, site)),
  },
  {
    name: 'other bytes at the children’s digests',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd', 'podman', 'crane', 'oras'],
    why: '1.2: all verify a child by its digest',
    change: ({ multi }) => only(childrenOf(multi), wrongBytes),
  },
  {
    name: 'manifests without a length',
    check: 'length',
    caveats: ['oras'],
    why: '1.5: oras asks again by HEAD',
    change: () => only(/^GET .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })),
  },
  {
    name: 'HEAD of manifests without a length',
    check: 'length',
    fails: ['docker'],
    caveats: ['crane', 'oras'],
    why: '1.2: docker needs it beside a digest header, oras resolve always; containerd asks again by GET',
    change: () => only(/^HEAD .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })),
  },
  {
    name: 'HEAD of manifests with a wrong length',
    check: 'length',
    fails: ['containerd'],
    caveats: ['crane', 'oras'],
    why: '1.5: containerd takes it for the size',
    change: () => only(/^HEAD .*\/manifests\//, sendsHeaders({ 'content-length': '7' })),
  },
  {
    name: 'manifests compressed on the fly',
    check: 'encoding',
    caveats: ['oras'],
    why: '1.5: all unpack it; the length is gone, so that oras asks again by HEAD',
    change: () => only(MANIFEST, compresses),
  },
  {
    name: 'manifests redirected to themselves',
    check: 'redirect',
    fails: CLIENTS,
    why: '1.6: ten hops at most',
    change: () => only(MANIFEST, redirects(({ path }) => path)),
    measured: { crane: { pulls: 'not asked', why: 'it counts no hops and goes on for ever (v0.22.1)' } },
  },
  {
    name: 'manifests whose connection is cut',
    check: 'manifest-bytes',
    fails: CLIENTS,
    why: 'the bytes are not those of the digest',
    change: () => only(/^GET .*\/manifests\//, breaksAfter(20, 'ends')),
  },
]

const headOfTag = /^HEAD .*\/manifests\/[^/:]+$/
const getOfTag = /^GET .*\/manifests\/[^/:]+$/

function at(...digests: readonly Digest[]): RegExp {
  return new RegExp(`/manifests/(?:${digests.join('|')})$`)
}

function childrenOf({ root, manifests }: Graph): RegExp {
  return at(...[...manifests.keys()].filter(digest => digest !== root.digest))
}

/** The bytes of another manifest, of the right type, under the right one's digest header. */
function givesBytes(choose: (site: WrongSite) => Graph, site: WrongSite): Hook {
  const body = rootBytes(choose(site))
  return async (request, next) => {
    const answer = await next(request)
    return answer.status === 200 ? { ...answer, body } : answer
  }
}

/** As a web server or a network in front of it compresses what it takes for text. */
export const compresses: Hook = async (request, next) => {
  const answer = await next(request)
  if (answer.status !== 200 || !/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return answer
  const headers = { ...answer.headers, 'content-encoding': 'gzip', 'transfer-encoding': 'chunked', vary: 'Accept-Encoding' }
  return { ...answer, headers, body: gzipSync(answer.body) }
}
