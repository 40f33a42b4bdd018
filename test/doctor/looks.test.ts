import { describe, expect, onTestFinished, test } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import type { DoctorReport } from '../../src/doctor/report.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { type Graph, makeImage, makeIndex, rootBytes } from '../support/made-images.ts'
import { makeBigLayer } from '../support/made-layers.ts'
import { fails, only, redirects, sendsHeaders } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { there } from '../support/wrong-hooks.ts'

/* How far doctor looks, beyond the mistakes that clients are measured with. */

const RIGHT: Hook = (request, next) => next(request)

describe('blobs', () => {
  test('are looked for by GET where HEAD is refused', async () => {
    const image = await makeImage({ layers: 3 })
    const [layer = ''] = [...image.blobs.keys()].slice(-1)
    const host = await start(image, refusesHeadOfBlobs)
    expect(faultsOf(await examineRegistry(`${host.host}/app:latest`))).toEqual(['head'])
    const lacking = await start(image, (request, next) =>
      request.path.endsWith(layer) ? fails(404)(request, next) : refusesHeadOfBlobs(request, next),
    )
    expect(faultsOf(await examineRegistry(`${lacking.host}/app:latest`))).toContain('blob-bytes')
  })

  test('are not asked for where a layer is to be got elsewhere', async () => {
    const made = await makeImage({ layers: 2 })
    const [, , foreign = ''] = made.blobs.keys()
    const body = JSON.parse(new TextDecoder().decode(rootBytes(made))) as { layers: { digest: string }[] }
    const layers = body.layers.map(layer =>
      layer.digest === foreign ? { ...layer, urls: ['https://layers.example.com/'] } : layer,
    )
    const bytes = new TextEncoder().encode(JSON.stringify({ ...body, layers }))
    const root = { ...made.root, digest: digestOf(bytes), size: bytes.length }
    const image = { ...made, root, manifests: new Map([[root.digest, bytes]]) }
    const registry = await start(image, only(new RegExp(foreign), fails(404)))
    expect(faultsOf(await examineRegistry(`${registry.host}/app:latest`))).toEqual([])
  })

  test('of the size of a stated length that is wrong on HEAD alone are there', async () => {
    const image = await makeImage({ layers: 3 })
    const registry = await start(image, only(/^HEAD .*\/blobs\//, there(sendsHeaders({ 'content-length': '7' }))))
    expect(faultsOf(await examineRegistry(`${registry.host}/app:latest`))).toEqual(['length'])
  })

  test('that are zstd, and so labelled, are unpacked by containerd', async () => {
    const image = await makeImage({ layers: 1 })
    const zstd = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...Buffer.alloc(40)])
    const body = JSON.parse(new TextDecoder().decode(rootBytes(image))) as { layers: object[] }
    const layer = { ...body.layers[0], digest: digestOf(zstd), size: zstd.length }
    const bytes = new TextEncoder().encode(JSON.stringify({ ...body, layers: [layer] }))
    const root = { ...image.root, digest: digestOf(bytes), size: bytes.length }
    const made = {
      root,
      manifests: new Map([[root.digest, bytes]]),
      blobs: new Map([...image.blobs, [layer.digest, zstd]]),
    }
    const labels = only(new RegExp(layer.digest), there(sendsHeaders({ 'content-encoding': 'zstd' })))
    const registry = await start(made, labels)
    const { checks } = await examineRegistry(`${registry.host}/app:latest`)
    expect(checks.find(({ check }) => check === 'encoding')).toMatchObject({
      text: expect.stringContaining('which is what it is'),
      clients: { containerd: { verdict: 'fails', why: expect.stringContaining('2.0') } },
    })
  })
})

describe('a layer that is too large to be read whole', () => {
  test.each([
    ['labelled as packed', { 'content-encoding': 'gzip' }, 'failed', 'which is what it is'],
    ['packed on the way', { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' }, 'caveat', 'on the fly'],
  ])('is looked at for its label: %s', async (_, headers, outcome, text) => {
    const image = await makeImage({ layers: [await makeBigLayer(9 * 1024 * 1024)] })
    const registry = await start(image, only(/^GET .*\/blobs\//, there(sendsHeaders(headers))))
    const { checks } = await examineRegistry(`${registry.host}/app:latest`)
    const told = checks.find(({ check }) => check === 'encoding')
    expect(told).toMatchObject({ outcome, text: expect.stringContaining(text) })
  })
})

describe('an index', () => {
  test.each([
    [2, 404],
    [7, 404],
    [8, 403],
    [30, 404],
  ])('of 30 of which only number %i is there, the others %i, is a caveat', async (number, status) => {
    const { index, children } = await makeWide()
    const other = children.filter((_, position) => position !== number - 1).map(({ root }) => root.digest)
    const registry = await start(index, only(new RegExp(other.join('|')), fails(status)))
    const { checks, clients } = await examineRegistry(`${registry.host}/app:latest`)
    expect(checks.find(({ check }) => check === 'manifest-bytes')?.outcome).toBe('caveat')
    expect(checks.find(({ check }) => check === 'blob-bytes')?.outcome).toBe('passed')
    expect(clients.filter(({ verdict }) => verdict === 'fails')).toEqual([])
  })

  test('of an index is looked into', async () => {
    const inner = makeIndex([await makeImage()])
    const registry = await start(makeIndex([inner]), RIGHT)
    const { checks } = await examineRegistry(`${registry.host}/app:latest`)
    expect(checks.find(({ check }) => check === 'blob-bytes')?.outcome).toBe('passed')
    const broken = await start(makeIndex([inner]), only(/\/blobs\//, fails(404)))
    expect(faultsOf(await examineRegistry(`${broken.host}/app:latest`))).toEqual(['manifest-bytes', 'blob-bytes'])
  })
})

describe('a digest of sha512', () => {
  test('is right where the header echoes it', async () => {
    const { image, digest } = await makeLong()
    const registry = await start(image, RIGHT)
    const report = await examineRegistry(`${registry.host}/app@${digest}`)
    expect(faultsOf(report)).toEqual([])
    expect(report.checks.find(({ check }) => check === 'digest-header')?.outcome).toBe('passed')
  })

  test('is compared with the bytes', async () => {
    const { image, digest } = await makeLong()
    const other = rootBytes(await makeImage({ seed: 'other' }))
    const registry = await start(image, only(new RegExp(digest), givesBytes(other)))
    const { checks } = await examineRegistry(`${registry.host}/app@${digest}`)
    expect(checks.find(({ check }) => check === 'manifest-bytes')?.outcome).toBe('failed')
  })

  test('in the header of a tag names the bytes', async () => {
    const { image, digest } = await makeLong()
    const registry = await start(image, only(/\/latest$/, sendsHeaders({ 'docker-content-digest': digest })))
    expect(faultsOf(await examineRegistry(`${registry.host}/app:latest`))).toEqual([])
  })
})

describe('what is told', () => {
  test('of a redirect is its path, without what signs it', async () => {
    const signed = redirects(({ path }) => `http://user:secret@localhost:9${path}?X-Signature=secret#secret`)
    const registry = await start(await makeImage(), only(/\/blobs\//, signed))
    const report = await examineRegistry(`${registry.host}/app:latest`)
    const told = report.checks.find(({ check }) => check === 'redirect')
    expect(told).toMatchObject({
      outcome: 'failed',
      seen: expect.stringMatching(/^http:\/\/localhost:9\/v2\/app\/blobs\//),
    })
    expect(JSON.stringify(report)).not.toContain('secret')
  })

  test('of an age that came twice is the first', async () => {
    const ages = (age: string): Hook => only(/\/latest$/, there(sendsHeaders({ age })))
    const young = await start(await makeImage(), ages('10, 12'))
    expect(faultsOf(await examineRegistry(`${young.host}/app:latest`))).toEqual([])
    const old = await start(await makeImage(), ages('90000, 3'))
    const { checks } = await examineRegistry(`${old.host}/app:latest`)
    expect(checks.find(({ check }) => check === 'tag-cache')?.text).toContain('1 day')
    const odd = await start(await makeImage(), ages('yesterday'))
    expect(faultsOf(await examineRegistry(`${odd.host}/app:latest`))).toEqual([])
  })

  test('of what was seen is short', async () => {
    const name = 'n'.repeat(3_000_000)
    const body = new TextEncoder().encode(JSON.stringify({ name, tags: ['latest'] }))
    const registry = await start(await makeImage(), only(/\/tags\/list$/, givesBytes(body)))
    const { checks } = await examineRegistry(`${registry.host}/app:latest`)
    const { seen = '' } = checks.find(({ check }) => check === 'tags-list') ?? {}
    expect(seen).toMatch(/^the name "nnn/)
    expect(seen.length).toBeLessThan(250)
  })
})

test('nothing is asked for that could begin an upload', async () => {
  const registry = await start(await makeImage(), RIGHT)
  await examineRegistry(`${registry.host}/app:latest`)
  const writes = registry.lines().filter(line => !/^(?:GET|HEAD) /.test(line))
  expect(writes).toEqual(['POST /v2/app/manifests/latest 405'])
})

async function makeWide(): Promise<{ readonly index: Graph; readonly children: readonly Graph[] }> {
  const platforms = Array.from({ length: 30 }, (_, number) => (number === 0 ? 'linux/amd64' : `linux/arm/v${number}`))
  const children = await Promise.all(platforms.map(async platform => makeImage({ platform })))
  return { index: makeIndex(children), children }
}

/** An image that is there by sha512 too. */
async function makeLong(): Promise<{ readonly image: Graph; readonly digest: string }> {
  const image = await makeImage()
  const bytes = rootBytes(image)
  const digest = digestOf(bytes, 'sha512')
  return { image: { ...image, manifests: new Map([...image.manifests, [digest, bytes]]) }, digest }
}

const refusesHeadOfBlobs: Hook = only(/^HEAD .*\/blobs\//, fails(405))

function givesBytes(body: Uint8Array): Hook {
  return async (request, next) => ({ ...(await next(request)), body })
}

/** The checks that did not pass. */
function faultsOf({ checks }: DoctorReport): readonly string[] {
  const faults = checks.filter(({ outcome }) => outcome === 'caveat' || outcome === 'failed')
  return faults.map(({ check }) => check).filter(check => check !== 'plain-http')
}

async function start(image: Graph, hook: Hook): Promise<TestRegistry> {
  const registry = await startTestRegistry({
    repositories: { app: { latest: image } },
    hooks: [hook],
    hook: answersRight(['app']),
  })
  onTestFinished(registry.close)
  return registry
}
