import { expect, test } from 'vitest'
import { serveTree } from './serve-support.ts'

const TAGS = ['1', '10', '2', 'B', 'a', 'c']

async function serveTags(): ReturnType<typeof serveTree> {
  return serveTree(tree => {
    tree.image('some/app', { tags: [...TAGS].reverse(), note: 'app' })
    for (const name of ['a', 'b', 'b/c', 'd']) tree.image(name, { tags: ['latest'], note: name })
  })
}

test.for([
  ['', TAGS, undefined],
  ['?n=2', ['1', '10'], '?n=2&last=10'],
  ['?n=2&last=10', ['2', 'B'], '?n=2&last=B'],
  ['?n=2&last=B', ['a', 'c'], undefined],
  ['?n=6', TAGS, undefined],
  ['?n=1000', TAGS, undefined],
  ['?n=0', [], undefined],
  ['?n=0&last=1', [], undefined],
  ['?last=2', ['B', 'a', 'c'], undefined],
  ['?last=3', ['B', 'a', 'c'], undefined],
  ['?last=c&n=5', [], undefined],
  ['?last=', TAGS, undefined],
  ['?n=1&ns=docker.io', ['1'], '?n=1&last=1'],
] as const)('tags/list%s', async ([query, tags, next]) => {
  const { send } = await serveTags()
  const path = `/v2/some/app/tags/list${query}`
  const answer = await send({ path })
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body.toString())).toEqual({ name: 'some/app', tags })
  expect(answer.header('link')).toBe(next === undefined ? undefined : `</v2/some/app/tags/list${next}>; rel="next"`)
  const head = await send({ method: 'HEAD', path })
  expect({ ...head.headers, date: [] }).toEqual({ ...answer.headers, date: [] })
})

test('following Link from page to page gives every repository once', async () => {
  const { get } = await serveTags()
  const seen: string[] = []
  let path: string | undefined = '/v2/_catalog?n=2'
  while (path !== undefined) {
    const answer = await get(path)
    seen.push(...JSON.parse(answer.body.toString()).repositories)
    path = /^<(.*)>; rel="next"$/.exec(answer.header('link') ?? '')?.[1]
  }
  expect(seen).toEqual(['a', 'b', 'b/c', 'd', 'some/app'])
})

test.for(['n=-1', 'n=x', 'n=', 'n=1.5', 'n=1e3', `n=${'9'.repeat(40)}`])('?%s is 400', async query => {
  const { get } = await serveTags()
  for (const path of ['/v2/some/app/tags/list', '/v2/_catalog']) {
    const answer = await get(`${path}?${query}`)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body.toString()).errors[0].code).toBe('PAGINATION_NUMBER_INVALID')
  }
})

test('n and last mean nothing elsewhere', async () => {
  const { get } = await serveTags()
  expect((await get('/v2/some/app/manifests/a?n=x')).status).toBe(200)
})

test('an empty tree has an empty catalogue', async () => {
  const { get } = await serveTree(tree => tree.write('v2/.keep', Buffer.alloc(0)))
  expect((await get('/v2/_catalog')).body.toString()).toBe('{"repositories":[]}')
  expect((await get('/v2/')).status).toBe(200)
})

test('referrers of one artifact type are filtered, and the answer says so', async () => {
  const [signature, sbom] = ['application/vnd.example.signature', 'application/vnd.example.sbom+json']
  const { get, tree } = await serveTree(made => {
    const subject = made.image('app', { tags: ['latest'], note: 'app' })
    for (const type of [signature, sbom]) made.refer('app', subject, type)
  })
  const subject = tree.referrers[0]?.subject
  const list = async (query: string): Promise<readonly [unknown, string | undefined]> => {
    const answer = await get(`/v2/app/referrers/${subject}${query}`)
    expect(answer.status).toBe(200)
    expect(answer.header('content-type')).toBe('application/vnd.oci.image.index.v1+json')
    const { manifests } = JSON.parse(answer.body.toString()) as { manifests: { artifactType: string }[] }
    return [manifests.map(({ artifactType }) => artifactType).sort(), answer.header('oci-filters-applied')]
  }
  expect(await list('')).toEqual([[sbom, signature], undefined])
  expect(await list('?artifactType=')).toEqual([[sbom, signature], undefined])
  expect(await list(`?artifactType=${encodeURIComponent(sbom)}`)).toEqual([[sbom], 'artifactType'])
  expect(await list('?artifactType=a/b')).toEqual([[], 'artifactType'])
  expect(await list(`?artifactType=a/b&artifactType=${signature}`)).toEqual([[signature], 'artifactType'])
})

test('referrers of a repository that is not there are an empty index', async () => {
  const { get } = await serveTree()
  const answer = await get(`/v2/nobody/referrers/sha256:${'0'.repeat(64)}`)
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body.toString()).manifests).toEqual([])
})
