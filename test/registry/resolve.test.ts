import { describe, expect, test } from 'vitest'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { LARGEST_MANIFEST } from '../../src/oci/manifest.ts'
import { MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { makeImage, makeMultiPlatform, makeRaw, rootBytes } from '../support/made-images.ts'
import { fails, first, neverAnswers, only, sendsHeaders, wrongBytes } from '../support/registry-faults.ts'
import { failureOf, openRegistry, read } from './registry-support.ts'

describe('a tag is resolved', () => {
  test('by one HEAD that accepts the four types', async () => {
    const image = await makeMultiPlatform()
    const { registry, source } = await openRegistry({ latest: image })
    expect(await source.resolve('app', 'latest')).toEqual(image.root)
    expect(registry.lines()).toEqual(['HEAD /v2/app/manifests/latest 200'])
    expect(registry.log[0]?.headers['accept']?.split(', ')).toEqual(MANIFEST_TYPES)
  })

  test('with its Content-Type in lower case and without parameters', async () => {
    const image = await makeImage()
    const hook = sendsHeaders({ 'content-type': 'Application/vnd.oci.image.manifest.v1+JSON ; charset=utf-8' })
    const { source } = await openRegistry({ latest: image }, { registry: { hook } })
    expect(await source.resolve('app', 'latest')).toEqual(image.root)
  })

  const poor: Readonly<Record<string, Parameters<typeof only>[1]>> = {
    'lacks the digest': sendsHeaders({ 'docker-content-digest': undefined }),
    'has a digest that is none': sendsHeaders({ 'docker-content-digest': 'md5:0' }),
    'lacks the length': sendsHeaders({ 'transfer-encoding': 'chunked' }),
    'lacks the type': sendsHeaders({ 'content-type': undefined }),
    'is not allowed': fails(405),
    'is not understood': fails(501),
    'is forbidden': fails(403),
    'finds nothing': fails(404),
  }
  test.each(Object.entries(poor))('by GET where HEAD %s; its bytes need no second request', async (_, hook) => {
    const image = await makeImage()
    const { registry, source } = await openRegistry({ latest: image }, { registry: { hook: only(/^HEAD/, hook) } })
    expect(await source.resolve('app', 'latest')).toEqual(image.root)
    expect(await read(await source.open('app', image.root, { kind: 'manifest' }))).toEqual(
      Buffer.from(rootBytes(image)),
    )
    expect(registry.log.map(({ method }) => method)).toEqual(['HEAD', 'GET'])
    await source.open('app', image.root, { kind: 'manifest' })
    expect(registry.log).toHaveLength(3)
  })

  test('by its bytes where a server sends no digest, no length, no type at all', async () => {
    const image = await makeImage({ noMediaType: true })
    const hook = sendsHeaders({
      'docker-content-digest': undefined,
      'content-type': undefined,
      'transfer-encoding': 'chunked',
    })
    const { source } = await openRegistry({ latest: image }, { registry: { hook } })
    expect(await source.resolve('app', 'latest')).toEqual({ ...image.root, mediaType: OCI_MANIFEST })
  })

  test('to the digest that the registry names, sha512 too', async () => {
    const image = await makeImage()
    const digest = digestOf(rootBytes(image), 'sha512')
    const hook = sendsHeaders({ 'docker-content-digest': digest })
    for (const hooks of [[], [only(/^HEAD/, fails(405))]]) {
      const { source } = await openRegistry({ latest: image }, { registry: { hook, hooks } })
      expect(await source.resolve('app', 'latest')).toEqual({ ...image.root, digest })
    }
  })
})

describe('a digest is resolved', () => {
  test('by HEAD, also where the answer names none', async () => {
    const image = await makeImage()
    const hook = sendsHeaders({ 'docker-content-digest': undefined })
    const { registry, source } = await openRegistry({ latest: image }, { registry: { hook } })
    expect(await source.resolve('app', image.root.digest)).toEqual(image.root)
    expect(registry.log).toHaveLength(1)
  })

  test('by sha512 where the answer names sha256', async () => {
    const image = await makeImage()
    const digest = digestOf(rootBytes(image), 'sha512')
    const graph = { ...image, manifests: new Map([...image.manifests, [digest, rootBytes(image)]]) }
    const hook = sendsHeaders({ 'docker-content-digest': image.root.digest })
    const { source } = await openRegistry({ latest: graph }, { registry: { hook } })
    expect(await source.resolve('app', digest)).toEqual({ ...image.root, digest })
  })

  test('never to another', async () => {
    const image = await makeImage()
    const hook = sendsHeaders({ 'docker-content-digest': digestOf('other') })
    const { source } = await openRegistry({ latest: image }, { registry: { hook } })
    expect(await failureOf(source.resolve('app', image.root.digest))).toMatchObject({
      code: 'digest-mismatch',
      side: 'source',
    })
  })
})

describe('what is not there', () => {
  test('is named as a missing tag, with those that look like it', async () => {
    const image = await makeImage()
    const images = Object.fromEntries(['1.0', '1.1', '2.0', 'latest'].map(tag => [tag, image]))
    const { registry, source } = await openRegistry(images)
    const error = await failureOf(source.resolve('app', '1.2'))
    expect(error).toMatchObject({
      code: 'not-found',
      side: 'source',
      message: `${registry.host}/app has no tag "1.2"`,
      hint: 'it has 1.0, 1.1, 2.0, latest',
    })
  })

  test('is named as a missing tag also where the tags cannot be listed', async () => {
    const { source } = await openRegistry(
      { latest: await makeImage() },
      { registry: { hook: only(/tags/, fails(401)) } },
    )
    const error = await failureOf(source.resolve('app', '1.2'))
    expect(error.hint).toBe('check the spelling of the name and the tag')
  })

  test('is named as a missing repository', async () => {
    const { registry, source } = await openRegistry({})
    expect(await failureOf(source.resolve('no/such', 'latest'))).toMatchObject({
      code: 'not-found',
      message: `${registry.host} has no repository called no/such`,
    })
  })

  test('is named as a missing repository also where only the list of tags says so', async () => {
    const hook = only(/manifests/, fails(404, {}, 'MANIFEST_UNKNOWN'))
    const { registry, source } = await openRegistry({}, { registry: { hook } })
    expect(await failureOf(source.resolve('no/such', 'latest'))).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(`${registry.host} has no repository called no/such`),
      hint: 'check the spelling of the name',
    })
  })

  test('is named as a missing manifest', async () => {
    const { registry, source } = await openRegistry({ latest: await makeImage() })
    const digest = digestOf('absent')
    expect(await failureOf(source.resolve('app', digest))).toMatchObject({
      code: 'not-found',
      message: `${registry.host}/app has no manifest ${digest}`,
    })
  })

  test('is told with what the registry says of it', async () => {
    const hook = only(/manifests/, () => ({
      status: 404,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ errors: [{ code: 'GONE', message: 'moved\u001b[31m to\nother.example' }] })),
    }))
    const { registry, source } = await openRegistry({ latest: await makeImage() }, { registry: { hook } })
    const error = await failureOf(source.resolve('app', 'latest'))
    expect(error.message).toBe(`${registry.host}/app has no tag "latest" (moved [31m to other.example)`)
  })

  test.each([
    ['../app', 'latest'],
    ['app', '../latest'],
    ['app?x=1', 'latest'],
    ['app', 'sha256:123'],
    ['App', 'latest'],
  ])('is not asked for where it is no name: %s:%s', async (repository, reference) => {
    const { registry, source } = await openRegistry({ latest: await makeImage() })
    expect(await failureOf(source.resolve(repository, reference))).toMatchObject({ code: 'name-invalid' })
    expect(registry.log).toEqual([])
  })
})

describe('a manifest is refused', () => {
  test('whose bytes are not those of the digest asked for', async () => {
    const image = await makeImage()
    const hook = only(/^GET/, wrongBytes)
    for (const hooks of [[], [sendsHeaders({ 'docker-content-digest': undefined })]]) {
      const { source } = await openRegistry({ latest: image }, { registry: { hook, hooks } })
      const { descriptor } = { descriptor: await source.resolve('app', image.root.digest) }
      expect(await failureOf(source.open('app', descriptor, { kind: 'manifest' }))).toMatchObject({
        code: 'digest-mismatch',
        side: 'source',
      })
    }
  })

  test('whose digest header is not that of its bytes, be they right', async () => {
    const image = await makeImage()
    const other: Digest = digestOf('other')
    const hook = only(/^GET/, sendsHeaders({ 'docker-content-digest': other }))
    const { source } = await openRegistry({ latest: image }, { registry: { hook, hooks: [only(/^HEAD/, fails(405))] } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'digest-mismatch' })
    expect(await failureOf(source.open('app', image.root, { kind: 'manifest' }))).toMatchObject({
      code: 'digest-mismatch',
    })
  })

  test('that is served as another kind than its parent says', async () => {
    const image = await makeImage()
    const hook = sendsHeaders({ 'content-type': OCI_INDEX })
    const { source } = await openRegistry({ latest: image }, { registry: { hook } })
    const error = await failureOf(source.open('app', image.root, { kind: 'manifest' }))
    expect(error).toMatchObject({ code: 'manifest-invalid', side: 'source' })
    expect(error.message).toContain(`is served as ${OCI_INDEX}, but was announced as ${OCI_MANIFEST}`)
  })

  test.each(['text/plain', 'application/octet-stream', 'application/json; charset=utf-8'])(
    'not for the type %s, which says nothing',
    async type => {
      const image = await makeImage()
      const { source } = await openRegistry(
        { latest: image },
        { registry: { hook: sendsHeaders({ 'content-type': type }) } },
      )
      expect(await read(await source.open('app', image.root, { kind: 'manifest' }))).toEqual(
        Buffer.from(rootBytes(image)),
      )
    },
  )

  test('that is compressed against the request', async () => {
    const hook = sendsHeaders({ 'content-encoding': 'gzip', 'docker-content-digest': undefined })
    const { source } = await openRegistry({ latest: await makeImage() }, { registry: { hook } })
    expect(await failureOf(source.resolve('app', 'latest'))).toMatchObject({ code: 'bad-answer', side: 'source' })
  })

  test('that is larger than clients take, whether its length is told or not', async () => {
    const big = makeRaw(OCI_MANIFEST, `{"mediaType":"${OCI_MANIFEST}"${' '.repeat(LARGEST_MANIFEST)}}`)
    for (const hook of [sendsHeaders({}), sendsHeaders({ 'transfer-encoding': 'chunked' })]) {
      const { registry, source } = await openRegistry({ latest: big }, { registry: { hook } })
      const open = async (): Promise<unknown> => source.open('app', big.root, { kind: 'manifest' })
      for (const ask of [async () => source.resolve('app', 'latest'), open]) {
        expect(await failureOf(ask())).toMatchObject({ code: 'manifest-invalid', side: 'source' })
      }
      expect(registry.log.every(({ status }) => status === 200)).toBe(true)
    }
  })
})

test('a broken connection is mended here, since manifests are small', async () => {
  const image = await makeImage()
  const broken = only(
    /^GET/,
    first(2, async (request, next) => ({ ...(await next(request)), breaks: { how: 'resets', after: 9 } })),
  )
  const { registry, source, pauses } = await openRegistry({ latest: image }, { registry: { hook: broken } })
  const content = await source.open('app', image.root, { kind: 'manifest' })
  expect(await read(content)).toEqual(Buffer.from(rootBytes(image)))
  expect([registry.log.length, pauses.length]).toEqual([3, 2])
})

test('a silent registry is a timeout, tried again', async () => {
  const image = await makeImage()
  const hook = first(1, neverAnswers)
  const { registry, source, events } = await openRegistry(
    { latest: image },
    { registry: { hook }, source: { stallTimeout: 500 } },
  )
  expect(await source.resolve('app', 'latest')).toEqual(image.root)
  expect(events).toMatchObject([
    { type: 'retry', what: `${registry.host}/app:latest`, reason: `${registry.host} did not answer for 0.5 s` },
  ])
})
