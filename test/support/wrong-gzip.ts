import { CLIENTS, type Client } from '../../src/doctor/report.ts'
import { fails, only, sendsHeaders, wrongBytes } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { at, childrenOf, TAG, there } from './wrong-hooks.ts'
import type { WrongRegistry } from './wrong-registry.ts'

/** Who asks for tags by GET; docker and containerd take what HEAD names. */
const BY_GET: readonly Client[] = ['podman', 'crane', 'oras', 'helm']
const PULLERS: readonly Client[] = ['docker', 'containerd', 'podman', 'crane', 'oras']
const WHY = '1.5: Go programs take gzip wherever they ask by GET; caches keep that answer apart'
const GET_BLOB = /^GET .*\/blobs\//

/** Mistakes in what is answered to who takes gzip, and to nobody else. */
export const WRONG_TO_GZIP: readonly WrongRegistry[] = [
  {
    name: 'tags answered with 500 where gzip is taken',
    check: 'manifest-bytes',
    fails: BY_GET,
    why: WHY,
    change: () => toGzip(only(TAG, there(fails(500)))),
  },
  {
    name: 'digests answered with 500 where gzip is taken',
    check: 'manifest-bytes',
    fails: ['docker', 'containerd'],
    caveats: BY_GET,
    why: WHY,
    change: ({ multi }) => toGzip(only(at(multi.root.digest), fails(500))),
  },
  {
    name: 'children answered with 500 where gzip is taken',
    check: 'manifest-bytes',
    fails: PULLERS,
    why: WHY,
    change: ({ multi }) => toGzip(only(childrenOf(multi), fails(500))),
  },
  {
    name: 'blobs answered with 500 where gzip is taken',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: WHY,
    change: () => toGzip(only(GET_BLOB, there(fails(500)))),
  },
  {
    name: 'tags of other bytes where gzip is taken',
    check: 'manifest-bytes',
    fails: BY_GET,
    why: WHY,
    change: () => toGzip(only(TAG, there(wrongBytes))),
  },
  {
    name: 'children of other bytes where gzip is taken',
    check: 'manifest-bytes',
    fails: PULLERS,
    why: WHY,
    change: ({ multi }) => toGzip(only(childrenOf(multi), wrongBytes)),
  },
  {
    name: 'blobs of other bytes where gzip is taken',
    check: 'blob-bytes',
    fails: CLIENTS,
    why: WHY,
    change: () => toGzip(only(GET_BLOB, there(wrongBytes))),
  },
  {
    name: 'tags of text/html where gzip is taken',
    check: 'tag-type',
    fails: BY_GET,
    why: WHY,
    change: () => toGzip(only(TAG, there(sendsHeaders({ 'content-type': 'text/html' })))),
  },
  {
    name: 'the tag’s digest of text/html where gzip is taken',
    check: 'digest-type',
    fails: ['docker'],
    caveats: BY_GET,
    why: `${WHY}; containerd believes HEAD`,
    change: ({ multi }) => toGzip(only(at(multi.root.digest), sendsHeaders({ 'content-type': 'text/html' }))),
  },
  {
    name: 'children of text/html where gzip is taken',
    check: 'child-type',
    fails: ['docker', 'podman', 'oras'],
    caveats: ['crane'],
    why: `${WHY}; containerd and crane believe the index`,
    change: ({ multi }) => toGzip(only(childrenOf(multi), sendsHeaders({ 'content-type': 'text/html' }))),
  },
]

function toGzip(hook: Hook): Hook {
  return (request, next) =>
    /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') ? hook(request, next) : next(request)
}
