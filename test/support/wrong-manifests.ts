import { CLIENTS } from '../../src/doctor/report.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { type Graph, rootBytes } from './made-images.ts'
import { breaksAfter, fails, only, redirects, sendsHeaders, wrongBytes } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { at, childrenOf, compresses, TAG, there } from './wrong-hooks.ts'
import type { WrongRegistry, WrongSite } from './wrong-registry.ts'

const MANIFEST = /\/manifests\//
const headOfTag = /^HEAD .*\/manifests\/[^/:]+$/
const getOfTag = /^GET .*\/manifests\/[^/:]+$/

/** Mistakes in how manifests are answered, but for their types. */
export const WRONG_MANIFESTS: readonly WrongRegistry[] = [
  {
    name: 'HEAD of manifests refused with 405',
    check: 'head',
    caveats: ['docker', 'containerd', 'crane', 'oras'],
    why: '1.2: docker and containerd ask again by GET; crane digest does, oras resolve does not',
    change: () => only(/^HEAD .*\/manifests\//, fails(405)),
  },
  {
    name: 'HEAD of manifests answered with 404',
    check: 'head',
    fails: ['containerd'],
    caveats: ['docker', 'crane', 'oras'],
    why: '1.2: containerd does not ask again after 404',
    change: () => only(/^HEAD .*\/manifests\//, fails(404)),
  },
  {
    name: 'HEAD of manifests answered with 403',
    check: 'head',
    fails: ['containerd'],
    caveats: ['docker', 'crane', 'oras'],
    why: '1.2: containerd does not ask again after 403',
    change: () => only(/^HEAD .*\/manifests\//, fails(403)),
  },
  {
    name: 'HEAD of tags with another type',
    check: 'head',
    fails: ['containerd'],
    caveats: ['crane', 'oras'],
    why: '1.2, 1.4: containerd believes HEAD; crane digest and oras resolve tell it',
    change: () => only(headOfTag, sendsHeaders({ 'content-type': 'text/html' })),
  },
  {
    name: 'manifests that are there by tag only',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd', 'podman', 'crane', 'oras'],
    why: '1.2: docker and containerd ask for the tag by its digest too, all ask so for the manifest of their platform',
    change: () => only(/\/manifests\/sha256:/, fails(404, {}, 'MANIFEST_UNKNOWN')),
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
    name: 'a stale digest header on HEAD only, of a manifest that is still there',
    check: 'digest-header',
    caveats: ['docker', 'containerd', 'crane', 'oras'],
    why: '1.3: docker and containerd begin with HEAD, and pull what it names',
    change: ({ multi, other }) => keepsOlder(multi, other),
  },
  {
    name: 'the digest header of another manifest, by digest',
    check: 'digest-header',
    caveats: ['oras', 'helm'],
    why: '1.3: oras compares it where it pulls by digest; docker and containerd believe what they were given',
    change: site => only(at(site.multi.root.digest), sendsHeaders({ 'docker-content-digest': site.other.root.digest })),
  },
  {
    name: 'the digest header of another manifest, on children',
    check: 'digest-header',
    fails: ['oras'],
    why: '1.3: oras compares it with the bytes; the others look at the digest that the index names',
    change: ({ multi, other }) => only(childrenOf(multi), sendsHeaders({ 'docker-content-digest': other.root.digest })),
  },
  {
    name: 'another manifest at the tag, under the headers of the right one',
    check: 'manifest-bytes',
    fails: ['oras', 'helm'],
    caveats: ['docker', 'containerd', 'podman', 'crane'],
    why: '1.2: docker and containerd take the bytes from the digest; podman and crane what the tag gives; oras compares',
    change: site =>
      only(
        getOfTag,
        givesBytes(({ other }) => other, site),
      ),
  },
  {
    name: 'other bytes at the tag’s digest',
    check: 'manifest-bytes',
    fails: ['containerd'],
    caveats: ['docker', 'podman', 'crane', 'oras', 'helm'],
    why: '1.2: docker and containerd ask for the digest after the tag; docker takes what it gets for what it asked for, measured with 20.10',
    change: site =>
      only(
        at(site.multi.root.digest),
        givesBytes(({ other }) => other, site),
      ),
  },
  {
    name: 'other bytes at the children’s digests',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd', 'podman', 'crane', 'oras'],
    why: '1.2: all verify a child by its digest',
    change: ({ multi }) => only(childrenOf(multi), wrongBytes),
  },
  {
    name: 'an index without entries',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd', 'podman', 'crane'],
    why: 'there is nothing to pull; oras takes it for what it is',
    change: site => namesOnly(site, []),
  },
  {
    name: 'an index of an index',
    check: 'manifest-bytes',
    fails: ['docker', 'podman'],
    why: 'measured with docker 20.10, podman 4.3 and skopeo 1.9; containerd and crane look into it',
    change: site => namesOnly(site, [{ ...site.multi.root, platform: { os: 'linux', architecture: 'amd64' } }]),
  },
  {
    name: 'manifests without a length',
    check: 'length',
    caveats: ['oras', 'helm'],
    why: '1.5: oras asks again by HEAD',
    change: () => only(/^GET .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })),
  },
  {
    name: 'HEAD of manifests without a length',
    check: 'length',
    fails: ['docker'],
    caveats: ['containerd', 'crane', 'oras'],
    why: '1.2: docker needs it beside a digest header, oras resolve always; containerd asks again by GET',
    change: () => only(/^HEAD .*\/manifests\//, sendsHeaders({ 'transfer-encoding': 'chunked' })),
  },
  {
    name: 'HEAD of digests without a length',
    check: 'length',
    caveats: ['containerd', 'oras'],
    why: '1.2: for who pulls by digest: containerd asks again by GET, oras resolve fails; docker does not ask',
    change: ({ multi }) =>
      only(/^HEAD /, only(at(multi.root.digest), sendsHeaders({ 'transfer-encoding': 'chunked' }))),
  },
  {
    name: 'HEAD of manifests with a wrong length',
    check: 'length',
    fails: ['containerd'],
    caveats: ['oras'],
    why: '1.5: containerd takes it for the size; oras resolve tells it',
    change: () => only(/^HEAD .*\/manifests\//, sendsHeaders({ 'content-length': '7' })),
  },
  {
    name: 'manifests compressed on the fly',
    check: 'encoding',
    caveats: ['oras', 'helm'],
    why: '1.5: all unpack it; the length is gone, so that oras asks again by HEAD',
    change: () => only(MANIFEST, compresses),
  },
  {
    name: 'tags labelled Content-Encoding: gzip',
    check: 'encoding',
    fails: ['podman', 'crane', 'oras', 'helm'],
    why: '1.2, 1.5: nobody can unpack it; docker and containerd ask by HEAD, and then by digest',
    change: () => only(TAG, sendsHeaders({ 'content-encoding': 'gzip' })),
  },
  {
    name: 'digests labelled Content-Encoding: gzip',
    check: 'encoding',
    fails: ['docker', 'containerd'],
    caveats: ['podman', 'crane', 'oras', 'helm'],
    why: '1.2, 1.5: docker and containerd ask for the digest after the tag',
    change: ({ multi }) => only(at(multi.root.digest), sendsHeaders({ 'content-encoding': 'gzip' })),
  },
  {
    name: 'children labelled Content-Encoding: gzip',
    check: 'encoding',
    fails: ['docker', 'containerd', 'podman', 'crane', 'oras'],
    why: '1.5: nobody can unpack it',
    change: ({ multi }) => only(childrenOf(multi), sendsHeaders({ 'content-encoding': 'gzip' })),
  },
  {
    name: 'manifests redirected to themselves',
    check: 'redirect',
    fails: CLIENTS,
    why: '1.6: ten hops at most',
    change: () =>
      only(
        MANIFEST,
        redirects(({ path }) => path),
      ),
    measured: { crane: { pulls: 'not asked', why: 'it counts no hops and goes on for ever (v0.22.1)' } },
  },
  {
    name: 'children redirected to themselves',
    check: 'redirect',
    fails: CLIENTS.filter(client => client !== 'helm'),
    why: '1.6: ten hops at most; charts have no children',
    change: ({ multi }) =>
      only(
        childrenOf(multi),
        redirects(({ path }) => path),
      ),
    measured: { crane: { pulls: 'not asked', why: 'it counts no hops and goes on for ever (v0.22.1)' } },
  },
  {
    name: 'the tag’s digest redirected to itself',
    check: 'redirect',
    fails: ['docker', 'containerd'],
    caveats: ['podman', 'crane', 'oras', 'helm'],
    why: '1.2, 1.6: docker and containerd ask for the digest after the tag',
    change: ({ multi }) =>
      only(
        at(multi.root.digest),
        redirects(({ path }) => path),
      ),
  },
  {
    name: 'manifests whose connection is cut',
    check: 'manifest-bytes',
    fails: CLIENTS,
    why: 'the bytes are not those of the digest',
    change: () => only(/^GET .*\/manifests\//, there(breaksAfter(20, 'ends'))),
  },
]

/** The bytes of another manifest, of the right type, under the right one's digest header. */
function givesBytes(choose: (site: WrongSite) => Graph, site: WrongSite): Hook {
  const body = rootBytes(choose(site))
  return async (request, next) => {
    const answer = await next(request)
    return answer.status === 200 ? { ...answer, body } : answer
  }
}

/** The tag is another index, with its own digest. */
function namesOnly({ multi }: WrongSite, manifests: readonly Descriptor[]): Hook {
  const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  const digest = digestOf(body)
  return async (request, next) => {
    const isDigest = request.path.endsWith(digest) && request.path.includes('/manifests/')
    if (!isDigest && !request.path.endsWith('/manifests/latest')) return next(request)
    const answer = await next({ ...request, path: request.path.replace(digest, multi.root.digest) })
    if (answer.status !== 200) return answer
    return { ...answer, headers: { ...answer.headers, 'docker-content-digest': digest }, body }
  }
}

/** As a cache does that kept the answer to HEAD from before a tag moved. */
function keepsOlder(multi: Graph, older: Graph): Hook {
  return async (request, next) => {
    const isOlder = request.path.endsWith(older.root.digest)
    const path = isOlder ? request.path.replace(older.root.digest, multi.root.digest) : request.path
    const answer = await next({ ...request, path })
    const isNamed = isOlder || (request.method === 'HEAD' && TAG.test(path))
    if (answer.status !== 200 || !isNamed) return answer
    const headers = { ...answer.headers, 'docker-content-digest': older.root.digest }
    return { ...answer, headers, body: isOlder ? rootBytes(older) : answer.body }
  }
}
