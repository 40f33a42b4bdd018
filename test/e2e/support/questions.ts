import type { RawRequest } from '../../contract/raw-request.ts'
import type { ServingTree } from '../../contract/serving-fixture.ts'
import { digestOf } from '../../contract/tree-by-hand.ts'

/** One request that every server is asked, and what it is about. */
export interface Question extends RawRequest {
  readonly kind:
    | 'version'
    | 'tag'
    | 'manifest'
    | 'blob'
    | 'document'
    | 'page'
    | 'absent'
    | 'malformed'
    | 'hidden'
    | 'write'
  /** A header of the request in words, for the difference that is printed. */
  readonly asked: string
}

interface Place {
  readonly kind: Question['kind']
  readonly path: string
  /** What the answer's ETag is. */
  readonly digest?: string
}

const NOWHERE = `sha256:${'0'.repeat(64)}`
const OTHER = `"sha256:${'f'.repeat(64)}"`
const GREEDY = { 'Accept-Encoding': 'gzip, deflate, br, zstd' }

/** Every URL of a tree and many beside it, each asked in every way that makes sense there. */
export function listQuestions(tree: ServingTree): readonly Question[] {
  const places = [...manifestPlaces(tree), ...blobPlaces(tree), ...documentPlaces(tree), ...strangePlaces(tree)]
  const read = places.flatMap(place =>
    ['GET', 'HEAD'].flatMap(method =>
      headerSets(place).map(
        ([asked, headers]): Question => ({ kind: place.kind, path: place.path, method, asked, headers }),
      ),
    ),
  )
  return [...read, ...writes(tree)]
}

function headerSets({ kind, digest }: Place): readonly (readonly [string, Readonly<Record<string, string>>])[] {
  const sets: (readonly [string, Readonly<Record<string, string>>])[] = [
    ['plain', {}],
    ['Accept-Encoding', GREEDY],
    ['If-None-Match: *', { 'If-None-Match': '*' }],
    ['If-None-Match: another', { 'If-None-Match': OTHER }],
    ['If-Modified-Since: tomorrow', { 'If-Modified-Since': 'Fri, 01 Jan 2038 00:00:00 GMT' }],
  ]
  if (digest !== undefined) {
    sets.push(['If-None-Match: its own', { 'If-None-Match': `"${digest}"` }])
    sets.push(['If-None-Match: weak, in a list', { 'If-None-Match': `"x", W/"${digest}"` }])
  }
  if (kind !== 'blob') return sets
  const ranges = ['bytes=0-0', 'bytes=5-9', 'bytes=-5', 'bytes=10-', 'bytes=0-1,5-9', 'bytes=999999-', 'lines=1-2']
  for (const Range of ranges) sets.push([`Range: ${Range}`, { ...GREEDY, Range }])
  sets.push(['If-Range: its own', { Range: 'bytes=5-9', 'If-Range': `"${digest}"` }])
  sets.push(['If-Range: another', { Range: 'bytes=5-9', 'If-Range': OTHER }])
  return sets
}

function* manifestPlaces({ manifests, referrers }: ServingTree): Generator<Place> {
  for (const { repository, tags, digests, bytes } of manifests) {
    const folder = `/v2/${repository}/manifests`
    for (const tag of tags) {
      yield { kind: 'tag', path: `${folder}/${tag}`, digest: digestOf(bytes) }
    }
    for (const digest of digests) {
      yield { kind: 'manifest', path: `${folder}/${digest}`, digest }
      yield { kind: 'manifest', path: `${folder}/${digest.replace(':', '%3A')}`, digest }
    }
  }
  for (const { repository, fallbackTag } of referrers)
    yield { kind: 'tag', path: `/v2/${repository}/manifests/${fallbackTag}` }
  yield { kind: 'tag', path: '/v2/app/manifests/latest?ns=docker.io' }
}

function* blobPlaces({ blobs, text }: ServingTree): Generator<Place> {
  const odd = blobs.filter(({ bytes, digest }) => bytes.length === 0 || digest.startsWith('sha512:'))
  const oneOfEach = blobs.filter(
    ({ repository }, position) => blobs.findIndex(blob => blob.repository === repository) === position,
  )
  for (const { repository, digest } of new Set([...oneOfEach, ...odd, text])) {
    yield { kind: 'blob', path: `/v2/${repository}/blobs/${digest}`, digest }
    yield { kind: 'blob', path: `/v2/${repository}/blobs/${digest.replace(':', '%3a')}`, digest }
  }
}

function* documentPlaces({ tags, referrers }: ServingTree): Generator<Place> {
  for (const path of ['/v2/', '/v2', '/v2/?x=y']) yield { kind: 'version', path }
  for (const path of ['/v2/_catalog', '/v2/app/tags/list?n=5', `/v2/nobody/referrers/${NOWHERE}`])
    yield { kind: 'document', path }
  for (const [name, all] of tags) {
    yield { kind: 'document', path: `/v2/${name}/tags/list` }
    yield { kind: 'document', path: `/v2/${name}/referrers/${NOWHERE}` }
    for (const tag of all) yield { kind: 'page', path: `/v2/${name}/tags/list?last=${tag}` }
  }
  for (const { repository, subject } of referrers) {
    for (const digest of [
      subject,
      subject.replace(':', '%3A'),
      `${subject}?artifactType=application%2Fvnd.example.sbom`,
    ])
      yield { kind: 'document', path: `/v2/${repository}/referrers/${digest}` }
  }
  for (const last of [
    '',
    '0000',
    'latest0',
    'zzz',
    '..%2f..%2fetc%2fhostname',
    'a%22b',
    '%7B%7B1%7D%7D',
    't'.repeat(200),
    '1.10&n=3',
  ])
    yield { kind: 'page', path: `/v2/app/tags/list?last=${last}` }
}

function* strangePlaces({ hidden, text }: ServingTree): Generator<Place> {
  const missing = [
    ...['app/manifests/nothing', 'app/manifests/lAtEsT', `app/manifests/${NOWHERE}`, `app/blobs/${NOWHERE}`],
    ...['nobody/manifests/latest', `nobody/manifests/${NOWHERE}`, `nobody/blobs/${NOWHERE}`, 'nobody/tags/list'],
    ...['nobody/tags/list?last=latest', 'app/nested/manifests/latest', 'app/nested/tags/list'],
    `other/blobs/${text.digest}`,
  ]
  for (const path of missing) yield { kind: 'absent', path: `/v2/${path}` }
  const malformed = [
    ...['', '/', '/manifests', '/manifests/', '/blobs', '/blobs/', '/tags', '/tags/', '/tags/list/', '/tags/other'],
    ...[
      '/referrers',
      '/referrers/',
      '/referrers/latest',
      '/referrers/sha256:abc',
      '/manifests/latest/',
      '/manifests/-x',
    ],
    ...['/manifests/a%20b', '/manifests/latest%0a', `/manifests/t${'0'.repeat(128)}`, '/manifests/sha256:abc'],
    ...['/blobs/latest', `/blobs/sha256:${'A'.repeat(64)}`, `/blobs/md5:${'0'.repeat(32)}`, '/blobs/uploads/'],
    ...['/manifests/%00', '/manifests/latest%00.html', '/manifests/%', '/manifests/%zz', '/manifests//latest'],
  ].map(path => `/v2/app${path}`)
  const outside = [
    ...['/', '/V2/', '/v2x/', '/v1/_ping', '/favicon.ico', '/v2/_catalog/', '/v2/_other', '/v2/index.json', '/v2//'],
    ...['/v2/APP/manifests/latest', '/v2/manifests/latest', '/v2//app/manifests/latest', '//v2/app/manifests/latest'],
    ...['/v2/../.registrish/secret', '/v2/..%2f.registrish%2fsecret', '/v2/app/manifests/../blobs/', '/v2/./'],
    ...['/nginx/registry.conf', '/nginx/', '/nginx/links/', '/apache/', '/caddy/', '/v2/%2e%2e/%2egit/config'],
  ]
  for (const path of [...malformed, ...outside]) yield { kind: 'malformed', path }
  for (const path of hidden) yield { kind: 'hidden', path }
}

function* writes({ text }: ServingTree): Generator<Question> {
  const paths = [
    '/v2/',
    '/v2/app/manifests/latest',
    `/v2/app/blobs/${text.digest}`,
    '/v2/app/blobs/uploads/',
    '/v2/app/tags/list',
  ]
  for (const path of [...paths, '/v2/new/manifests/1', '/v2/app/manifests/-x', '/', '/elsewhere']) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      yield { kind: 'write', path, method, asked: 'without a body' }
      if (method !== 'TRACE') yield { kind: 'write', path, method, asked: 'with a body', body: 'x'.repeat(1000) }
    }
  }
}
