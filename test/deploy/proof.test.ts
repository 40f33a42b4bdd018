import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { proveImages } from '../../src/deploy/proof.ts'
import { MOST_FAILURES, type ProofReport } from '../../src/deploy/proof-report.ts'
import { parsePublicHost } from '../../src/deploy/public-host.ts'
import type { PlannedObject } from '../../src/deploy/report.ts'
import { isRegistrishError } from '../../src/errors.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { ProgressEvent } from '../../src/progress.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { blobPath } from '../../src/tree/layout.ts'
import { type Graph, makeImage, makeIndex, makeMultiPlatform } from '../support/made-images.ts'
import { makeForeignLayer } from '../support/made-layers.ts'
import type { Answer } from '../support/registry-content.ts'
import { breaksAfter, fails, first, only, sendsHeaders, tokenAuth, wrongBytes } from '../support/registry-faults.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { writeTree } from '../support/write-images.ts'

/* A tree, and a test registry that stands for the host that its store is served at. */

describe('images are fetched back', () => {
  test('by tag and by digest, with all that belongs to them, each once', async () => {
    const image = await makeMultiPlatform()
    const { report, registry, events } = await prove({ images: { latest: image, '1.0': image } })
    const [one, two] = [...image.manifests.keys()].filter(digest => digest !== image.root.digest)
    const blobs = [...image.blobs.keys()]
    expect(report).toEqual({
      ...{ origin: `http://${registry.host}`, images: 2, manifests: 3 },
      ...{ blobsRead: blobs.length, bytesRead: bytesOf(image), blobsSeen: 0, warnings: [], failures: [] },
    })
    expect([...registry.lines()].sort()).toEqual(
      [
        'GET /v2/ 200',
        `GET /v2/app/manifests/${NOTHING} 404`,
        ...['latest', '1.0', image.root.digest, one, two].map(name => `GET /v2/app/manifests/${name} 200`),
        ...blobs.flatMap(digest => ['HEAD', 'GET'].map(method => `${method} /v2/app/blobs/${digest} 200`)),
      ].sort(),
    )
    expect(events.filter(({ type }) => type === 'blob-done')).toHaveLength(blobs.length)
    const bytes = events.map(event => (event.type === 'blob-bytes' ? event.bytes : 0))
    expect(bytes.reduce((sum, value) => sum + value, 0)).toBe(bytesOf(image))
  })

  test('blobs that were not written now are only asked for their size', async () => {
    const image = await makeImage({ layers: 2 })
    const [written = ''] = image.blobs.keys()
    const objects: readonly PlannedObject[] = [
      { key: blobPath('app', written as Digest), action: 'copy', change: 'new', size: 1 },
      { key: 'v2/app/manifests/latest', action: 'send', change: 'new', size: 1 },
    ]
    const { report, registry } = await prove({ images: { latest: image }, objects })
    expect(report).toMatchObject({ blobsRead: 1, blobsSeen: 2, failures: [] })
    expect(registry.lines().filter(line => line.startsWith('GET /v2/app/blobs/'))).toHaveLength(1)
  })

  test('without what the tree lacks itself: platforms that were not fetched, foreign layers', async () => {
    const foreign = await makeForeignLayer('https://layers.example/1')
    const windows = await makeImage({ platform: 'windows/amd64', layers: [foreign] })
    const linux = await makeImage({ seed: 'linux' })
    const { report } = await prove({ images: { latest: makeIndex([linux, windows]) }, absent: [linux] })
    expect(report).toMatchObject({ manifests: 2, failures: [] })
  })

  test('with credentials where the host wants some', async () => {
    const { report, registry } = await prove({ hooks: [tokenAuth()] })
    expect(report.failures).toEqual([])
    expect(registry.lines()).toContain('GET /v2/ 401')
  })

  test('through broken connections', async () => {
    const image = await makeImage()
    const { report } = await prove({
      images: { latest: image },
      hooks: [only(/blobs/, first(1, breaksAfter(10, 'resets')))],
    })
    expect(report).toMatchObject({ blobsRead: image.blobs.size, bytesRead: bytesOf(image), failures: [] })
  })

  test('not where they are deleted', async () => {
    const { report } = await prove({ images: {}, deleted: 'old' })
    expect(report).toMatchObject({ images: 0, manifests: 0, failures: [] })
  })
})

describe('what clients could not pull is told with its URL and a way out', () => {
  test('a store that is not public, with one request', async () => {
    const { report, registry } = await prove({ hooks: [s3Error(403, 'AccessDenied')] })
    expect(texts(report)).toEqual([`${registry.host}/v2/: 403 Forbidden (AccessDenied), not 200`])
    expect(report.failures[0]?.hint).toContain('registrish setup --s3 test says what the bucket needs')
    expect(registry.lines()).toHaveLength(1)
  })

  test('no answer to the version check', async () => {
    const { report, registry } = await prove({ hooks: [only(/ \/v2\/$/, s3Error(404, 'NoSuchKey'))] })
    expect(texts(report)).toEqual([`${registry.host}/v2/: 404 Not Found (NoSuchKey), not 200`])
  })

  const root = async (): Promise<readonly [Graph, string]> => {
    const image = await makeImage()
    return [image, `/v2/app/manifests/${image.root.digest}`]
  }

  test.each<readonly [string, Hook, RegExp, string]>([
    ['an error page', page, /: a web page \(HTML\), not a manifest$/, 'does --url lead to the root of this store?'],
    [
      'a guessed type',
      sendsHeaders({ 'content-type': 'binary/octet-stream' }),
      /: Content-Type is binary\/octet-stream, not application\/vnd\.oci\.image\.manifest\.v1\+json$/,
      '--check-headers',
    ],
    [
      'a type with a charset',
      sendsHeaders({ 'content-type': 'application/vnd.oci.image.manifest.v1+json; charset=utf-8' }),
      /: Content-Type is application\/vnd\.oci\.image\.manifest\.v1\+json; charset=utf-8, not /,
      'have it pass headers on',
    ],
    ['no type', sendsHeaders({ 'content-type': '' }), /: Content-Type is missing, not /, '--check-headers'],
    ['compression', sendsHeaders({ 'content-encoding': 'gzip' }), /: Content-Encoding is gzip, /, 'compression off'],
    ['other bytes', wrongBytes, /: .* not sha256:[0-9a-f]{64}$/, 'purge that URL'],
    ['nothing', s3Error(404, 'NoSuchKey'), /: 404 Not Found \(NoSuchKey\), not 200$/, 'purge that URL'],
    [
      'another digest in its header',
      sendsHeaders({ 'docker-content-digest': `sha256:${'0'.repeat(64)}` }),
      /: Docker-Content-Digest is sha256:0+, not sha256:[0-9a-f]{64}$/,
      'name the digest of the answer',
    ],
  ])('%s in place of a manifest', async (_, hook, text, hint) => {
    const [image, path] = await root()
    const { report, registry } = await prove({
      images: { latest: image },
      hooks: [only(new RegExp(` ${path}$`), hook)],
    })
    expect(report.failures).toHaveLength(1)
    expect(report.failures[0]).toMatchObject({ url: `http://${registry.host}${path}` })
    expect(texts(report)[0]).toMatch(text)
    expect(report.failures[0]?.hint).toContain(hint)
    expect(report.warnings).toEqual([])
  })

  test('a wrong type by tag alone, where a host guesses it by the name', async () => {
    const hook = only(/manifests\/x\.js$/, sendsHeaders({ 'content-type': 'text/javascript' }))
    const { report } = await prove({ images: { 'x.js': await makeImage() }, hooks: [hook] })
    expect(texts(report)[0]).toContain(
      '/v2/app/manifests/x.js: Content-Type is text/javascript, not application/vnd.oci',
    )
  })

  test.each<readonly [string, Hook, string]>([
    ['forbidden', s3Error(403, 'AccessDenied'), '403 Forbidden, not 200'],
    ['too short', sendsHeaders({ 'content-length': '3' }), '3 bytes instead of'],
  ])('a blob that is %s', async (_, hook, text) => {
    const { report } = await prove({ hooks: [only(/blobs/, hook)] })
    expect(report.failures).toHaveLength(2)
    expect(texts(report)[0]).toContain(text)
  })

  test('a blob of other bytes', async () => {
    const { report } = await prove({ hooks: [only(/blobs/, onGet(wrongBytes))] })
    expect(report).toMatchObject({ blobsRead: 0, blobsSeen: 0 })
    expect(texts(report)[0]).toMatch(/bytes of sha256:[0-9a-f]{64}, not sha256:[0-9a-f]{64}$/)
  })

  test('a child of an index', async () => {
    const image = await makeMultiPlatform()
    const [child] = [...image.manifests.keys()].filter(digest => digest !== image.root.digest)
    const hook = only(new RegExp(`${child}$`), fails(404))
    const { report, registry } = await prove({ images: { latest: image }, hooks: [hook] })
    expect(texts(report)).toEqual([`${registry.host}/v2/app/manifests/${child}: 404 Not Found, not 200`])
  })

  test('not without end', async () => {
    const tags = Array.from({ length: 100 }, (_, index) => `t${index}`)
    const images = await Promise.all(tags.map(async tag => [tag, await makeImage({ seed: tag })] as const))
    const { report, registry } = await prove({
      images: Object.fromEntries(images),
      hooks: [only(/sha256/, fails(404))],
      jobs: 4,
    })
    expect(report.failures.length).toBeGreaterThanOrEqual(MOST_FAILURES)
    expect(registry.log.length).toBeLessThan(40)
  })

  test('a host that is not there', async () => {
    const registry = await startTestRegistry()
    await registry.close()
    const error: unknown = await prove({ url: `http://${registry.host}` }).catch((cause: unknown) => cause)
    expect(isRegistrishError(error, 'unreachable')).toBe(true)
  })
})

describe('what will pass, or concerns some, is a warning', () => {
  test('a tag that a cache still has as it was', async () => {
    const old = await makeImage({ seed: 'old' })
    const image = await makeImage()
    const hook: Hook = async (request, next) =>
      next({ ...request, path: request.path.replace('/latest', `/${old.root.digest}`) })
    const { report, registry } = await prove({ images: { latest: image, old }, hooks: [only(/latest$/, hook)] })
    expect(report.failures).toEqual([])
    expect(report.warnings).toEqual([
      {
        url: `http://${registry.host}/v2/app/manifests/latest`,
        text: `still ${old.root.digest}, not ${image.root.digest}`,
        hint: 'a cache in between keeps it (purge that URL there, or wait), or another deploy has moved the tag since',
      },
    ])
  })

  test('a new tag of which a cache still knows that it was not there', async () => {
    const { report } = await prove({ hooks: [only(/latest$/, fails(404))] })
    expect(report.failures).toEqual([])
    expect(report.warnings).toHaveLength(1)
    expect(report.warnings[0]?.text).toBe('still 404 Not Found, though its image is there by digest')
  })

  test('403 for what is not there', async () => {
    const { report } = await prove({ hooks: [only(new RegExp(NOTHING), s3Error(403, 'AccessDenied'))] })
    expect(report.failures).toEqual([])
    expect(report.warnings.map(({ text }) => text)).toEqual([
      '403, not 404, for what is not there: clients that look for signatures or referrers fail',
    ])
  })
})

/** The digest that is asked for to see what is said of what is not there. */
const NOTHING = digestOf('no such manifest')

interface Setting {
  readonly images?: Readonly<Record<string, Graph>>
  readonly hooks?: readonly Hook[]
  readonly objects?: readonly PlannedObject[]
  /** Images that are taken out of the tree. */
  readonly absent?: readonly Graph[]
  readonly deleted?: string
  readonly url?: string
  readonly jobs?: number
}

async function prove(
  setting: Setting,
): Promise<{ report: ProofReport; registry: TestRegistry; events: readonly ProgressEvent[] }> {
  const { images = { latest: await makeImage() }, absent = [], deleted } = setting
  const registry = await startTestRegistry({ repositories: { app: images }, hooks: setting.hooks ?? [] })
  onTestFinished(() => registry.close())
  const root = await makeTemporaryFolder()
  await writeTree(root, 'app', images)
  for (const { root: gone } of absent) await rm(join(root, 'v2/app/manifests', gone.digest))
  const blobs = Object.values(images).flatMap(image => [...image.blobs.keys()])
  const events: ProgressEvent[] = []
  const report = await proveImages(openTree(root), {
    host: parsePublicHost(setting.url ?? registry.host),
    tags: [
      ...Object.entries(images).map(
        ([tag, image]) => ({ repository: 'app', tag, change: 'new', digest: image.root.digest }) as const,
      ),
      ...(deleted === undefined ? [] : [{ repository: 'app', tag: deleted, change: 'deleted' } as const]),
    ],
    objects:
      setting.objects ??
      blobs.map(digest => ({ key: blobPath('app', digest), action: 'send', change: 'new', size: 1 }) as const),
    setup: 'registrish setup --s3 test',
    ...(setting.jobs === undefined ? {} : { jobs: setting.jobs }),
    env: {},
    home: '/nowhere',
    sleep: async () => {},
    onProgress: event => void events.push(event),
  })
  return { report, registry, events }
}

function texts({ failures }: ProofReport): readonly string[] {
  return failures.map(({ url, text }) => `${url.replace('http://', '')}: ${text}`)
}

function bytesOf({ blobs }: Graph): number {
  return [...blobs.values()].reduce((sum, bytes) => sum + bytes.length, 0)
}

const page: Hook = () => ({
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: new TextEncoder().encode('<!doctype html><title>Sign in</title>'),
})

/** As S3 says it. */
function s3Error(status: number, code: string): Hook {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>-</Message></Error>`
  return (): Answer => ({
    status,
    headers: { 'content-type': 'application/xml' },
    body: new TextEncoder().encode(body),
  })
}

function onGet(hook: Hook): Hook {
  return async (request, next) => (request.method === 'GET' ? hook(request, next) : next(request))
}
