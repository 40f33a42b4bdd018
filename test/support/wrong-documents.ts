import { CLIENTS, type Client } from '../../src/doctor/report.ts'
import { fails, only, sendsHeaders } from './registry-faults.ts'
import type { Hook } from './test-registry.ts'
import { absent, both, page, TAG } from './wrong-hooks.ts'
import type { WrongRegistry } from './wrong-registry.ts'

/** Who lists tags: docker pull -a, skopeo list-tags, crane ls, oras repo tags, helm for the newest version (1.6). */
const LISTING: readonly Client[] = ['docker', 'podman', 'crane', 'oras', 'helm']

/** Mistakes in how lists and queries are answered, and writes. */
export const WRONG_DOCUMENTS: readonly WrongRegistry[] = [
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
    name: 'referrers refused with 400',
    check: 'referrers',
    caveats: ['containerd', 'oras'],
    why: '1.6: cosign takes 400, 404 and 406 for a registry without lists',
    change: () => only(/\/referrers\//, fails(400)),
  },
  {
    name: 'a page for the fallback tag of referrers',
    check: 'referrers',
    caveats: ['crane', 'oras'],
    why: '1.6: cosign and oras read it where there is no list',
    change: () => both(only(/\/referrers\//, fails(404)), only(/\/manifests\/sha256-/, page(200))),
  },
  {
    name: 'the fallback tag of referrers of text/html',
    check: 'referrers',
    why: '0, 2.4: it is read as JSON whatever its type; regctl alone looks',
    change: () =>
      both(
        only(/\/referrers\//, fails(404)),
        only(/\/manifests\/sha256-/, sendsHeaders({ 'content-type': 'text/html' })),
      ),
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
    caveats: LISTING,
    why: '1.6: docker pull -a, skopeo list-tags, crane ls, oras repo tags; helm looks for versions',
    change: () => only(/\/tags\/list$/, fails(404)),
  },
  {
    name: 'a page for the list of tags',
    check: 'tags-list',
    caveats: LISTING,
    why: '1.6',
    change: () => only(/\/tags\/list$/, page(200)),
  },
  {
    name: 'a list of tags for another name',
    check: 'tags-list',
    caveats: LISTING,
    why: '0',
    change: () => only(/\/tags\/list$/, writesList({ name: 'another/name' })),
  },
  {
    name: 'a list of tags that lacks one',
    check: 'tags-list',
    caveats: LISTING,
    why: '0',
    change: () => only(/\/tags\/list$/, writesList({ tags: ['1.0.gz'] })),
  },
  {
    name: 'writes answered with 200 and a page',
    check: 'write',
    caveats: ['docker', 'podman', 'crane'],
    why: 'design 6',
    change: () => only(/^(?:POST|PUT|PATCH|DELETE) /, page(200)),
  },
  {
    name: 'writes accepted with 202',
    check: 'write',
    caveats: ['docker', 'podman', 'crane'],
    why: 'design 6',
    change: () => only(/^(?:POST|PUT|PATCH|DELETE) /, () => ({ status: 202, headers: {}, body: new Uint8Array() })),
  },
]

/** Mistakes in how tags are answered that an ordinary pull does not show. */
export const WRONG_TAGS: readonly WrongRegistry[] = [
  {
    name: 'the type of 1.0.gz guessed',
    check: 'dotted-tag',
    caveats: CLIENTS.filter(client => client !== 'docker'),
    why: '1.2, 1.4: that tag has a wrong type, which docker does not read',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-type': 'application/gzip' })),
  },
  {
    name: 'the encoding of 1.0.gz guessed',
    check: 'dotted-tag',
    caveats: ['podman', 'crane', 'oras', 'helm'],
    why: '1.4, 1.5: who asks for the tag by GET cannot unpack it; docker and containerd ask by HEAD, and then by digest',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-encoding': 'gzip' })),
  },
  {
    name: 'the encoding of 1.0.gz guessed, by its old name',
    check: 'dotted-tag',
    why: '1.5: Go programs know gzip only; measured with podman 4.3, skopeo 1.9 and crane 0.22',
    change: () => only(/\/manifests\/[^/:]+\.gz$/, sendsHeaders({ 'content-encoding': 'x-gzip' })),
  },
  {
    name: 'names that differ by case taken for one',
    check: 'case',
    caveats: CLIENTS,
    why: '6 of the design: RC1 beside rc1',
    change: () => (request, next) => next({ ...request, path: request.path.toLowerCase() }),
  },
  {
    name: 'tags kept for a day',
    check: 'tag-cache',
    caveats: CLIENTS,
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ 'cache-control': 'public, max-age=86400' })),
  },
  {
    name: 'tags kept for ever',
    check: 'tag-cache',
    caveats: CLIENTS,
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ 'cache-control': 'public, max-age=31536000, immutable' })),
  },
  {
    name: 'tags that expire in a day',
    check: 'tag-cache',
    caveats: CLIENTS,
    why: '1.3: a tag that moved is seen late',
    change: () =>
      only(
        TAG,
        sendsHeaders({
          'cache-control': undefined,
          date: 'Sat, 21 Nov 2026 00:00:00 GMT',
          expires: 'Sun, 22 Nov 2026 00:00:00 GMT',
        }),
      ),
  },
  {
    name: 'tags that are a day old',
    check: 'tag-cache',
    caveats: CLIENTS,
    why: '1.3: a tag that moved is seen late',
    change: () => only(TAG, sendsHeaders({ age: '90000' })),
  },
]

/** Mistakes in how is answered what is not there. */
export const WRONG_MISSING: readonly WrongRegistry[] = [
  {
    name: 'missing manifests answered with 403',
    check: 'missing',
    caveats: CLIENTS,
    why: '1.6: it looks forbidden; cosign stops, and so does Docker 29 on images with attestations',
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
    caveats: CLIENTS,
    why: '1.6: it looks forbidden',
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

function refuses(status: number): Hook {
  return fails(status, {}, 'DENIED')
}

function writesList(other: object): Hook {
  return async (request, next) => {
    const answer = await next(request)
    if (answer.status !== 200) return answer
    const list = JSON.parse(new TextDecoder().decode(answer.body)) as object
    return { ...answer, body: new TextEncoder().encode(JSON.stringify({ ...list, ...other })) }
  }
}
