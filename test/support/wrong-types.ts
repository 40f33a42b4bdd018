import { CLIENTS } from '../../src/doctor/report.ts'
import { only, sendsHeaders } from './registry-faults.ts'
import { addsCharset, at, childrenOf, TAG } from './wrong-hooks.ts'
import type { WrongRegistry } from './wrong-registry.ts'

/** A Content-Type that is none of a manifest, on tags. */
const WRONG_TYPES: readonly (readonly [string, string | undefined])[] = [
  ['application/octet-stream', 'application/octet-stream'],
  ['text/plain', 'text/plain'],
  ['application/json', 'application/json'],
  ['no type', undefined],
]

/** Mistakes in the Content-Type of manifests. */
export const WRONG_TYPED: readonly WrongRegistry[] = [
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `tags of ${name}`,
      check: 'tag-type',
      fails: CLIENTS.filter(client => client !== 'docker' || type === undefined),
      why: '1.2, 1.4: an index without its type is none to all but docker, which reads the digest, and wants any type; measured with docker 20.10',
      change: () => only(TAG, sendsHeaders({ 'content-type': type })),
    }
  }),
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `tags of ${name}, of an image for one platform`,
      check: 'tag-type',
      image: 'single:latest',
      fails: CLIENTS.filter(client => client !== 'crane' && (client !== 'docker' || type === undefined)),
      caveats: ['crane'],
      why: '1.4: crane takes what has no known type for an image; docker as above',
      change: () => only(TAG, sendsHeaders({ 'content-type': type })),
    }
  }),
  {
    name: 'tags with a charset',
    check: 'tag-type',
    fails: ['crane'],
    why: '1.4: all but crane cut it off',
    change: () => only(TAG, addsCharset),
  },
  {
    name: 'tags with a charset, of an image for one platform',
    check: 'tag-type',
    image: 'single:latest',
    caveats: ['crane'],
    why: '1.4: crane takes what has no known type for an image',
    change: () => only(TAG, addsCharset),
  },
  {
    name: 'the tag’s digest with a charset',
    check: 'digest-type',
    caveats: ['crane'],
    why: '1.2, 1.4: crane asks so only where a digest is pulled',
    change: ({ multi }) => only(at(multi.root.digest), addsCharset),
  },
  {
    name: 'children with a charset',
    check: 'child-type',
    caveats: ['crane'],
    why: '1.4: crane believes the index, but not where a child is pulled by its digest',
    change: ({ multi }) => only(childrenOf(multi), addsCharset),
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
  {
    name: 'the tag’s digest of no type, of an image for one platform',
    check: 'digest-type',
    image: 'single:latest',
    fails: ['docker'],
    caveats: ['containerd', 'podman', 'crane', 'oras', 'helm'],
    why: '1.2: docker asks for the digest after the tag; others only who pulls by digest',
    change: ({ single }) => only(at(single.root.digest), sendsHeaders({ 'content-type': undefined })),
  },
  ...WRONG_TYPES.map(([name, type]): WrongRegistry => {
    return {
      name: `children of ${name}`,
      check: 'child-type',
      fails: ['docker', 'podman', 'oras'],
      caveats: ['crane'],
      why: '1.4: containerd and crane believe the index, crane not where a child is pulled by its digest; charts have no children',
      change: ({ multi }) => only(childrenOf(multi), sendsHeaders({ 'content-type': type })),
    }
  }),
]
