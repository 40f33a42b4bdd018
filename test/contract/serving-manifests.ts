import { describe, expect, test } from 'vitest'
import { expectWhole, GREEDY, lasting, type ServingContext } from './serving-expectations.ts'
import { HOSTILE_TAGS } from './serving-fixture.ts'
import { digestOf, type ServedManifest } from './tree-by-hand.ts'

/** Manifests by tag and digest: exact bytes and headers, conditional requests, odd spellings of the path. */
export function manifestContract(context: () => ServingContext): void {
  describe('manifests', () => {
    test.for([...HOSTILE_TAGS, 'latest', '1', 'nested', 'docker', 'both', 'alone'])(
      'tag %s is served whole',
      async tag => {
        const manifest = named(context(), tag)
        const answer = await expectWhole(context(), `/v2/app/manifests/${tag}`, {
          ...manifest,
          digest: digestOf(manifest.bytes),
          cache: 'short',
        })
        expect(answer.header('content-language')).toBeUndefined()
        expect(answer.header('content-location')).toBeUndefined()
      },
    )

    test('every manifest is served at every digest that names it, and the header echoes that digest', async () => {
      for (const manifest of context().tree.manifests) {
        for (const digest of manifest.digests) {
          await expectWhole(context(), `/v2/${manifest.repository}/manifests/${digest}`, {
            ...manifest,
            digest,
            cache: 'immutable',
          })
        }
      }
    })

    test('repositories with nested and odd names are served', async () => {
      for (const manifest of context().tree.manifests.filter(({ repository }) => repository !== 'app')) {
        for (const tag of manifest.tags)
          await expectWhole(context(), `/v2/${manifest.repository}/manifests/${tag}`, {
            ...manifest,
            digest: digestOf(manifest.bytes),
            cache: 'short',
          })
      }
    })

    test('a colon may come as %3A, and a query changes nothing', async () => {
      const manifest = named(context(), 'latest')
      const digest = digestOf(manifest.bytes)
      const escaped = digest.replace(':', '%3A')
      for (const path of [escaped, escaped.replace('%3A', '%3a'), `${digest}?ns=docker.io`])
        await expectWhole(context(), `/v2/app/manifests/${path}`, { ...manifest, digest, cache: 'immutable' })
      for (const query of ['?ns=docker.io', '?last=../../../../../../etc/hostname', '?n=1'])
        await expectWhole(context(), `/v2/app/manifests/latest${query}`, { ...manifest, digest, cache: 'short' })
    })

    test('the digest is the ETag: If-None-Match gives 304 with the same headers, whatever its form', async () => {
      const { send } = context()
      const digest = digestOf(named(context(), 'latest').bytes)
      for (const path of [
        '/v2/app/manifests/latest',
        `/v2/app/manifests/${digest}`,
        `/v2/app/blobs/${context().tree.text.digest}`,
      ]) {
        const whole = await send({ path })
        const etag = whole.header('etag') ?? ''
        for (const value of [etag, `W/${etag}`, `"x", ${etag}`, `${etag},"y"`, '*']) {
          for (const method of ['GET', 'HEAD']) {
            const answer = await send({ method, path, headers: { 'If-None-Match': value } })
            expect(answer.status, `${method} ${path} ${value}`).toBe(304)
            expect(answer.body.length).toBe(0)
            // A cache takes over what is said here: the right type, or none.
            expect([undefined, whole.header('content-type')]).toContain(answer.header('content-type'))
            for (const name of ['etag', 'docker-content-digest', 'cache-control'])
              expect(answer.header(name)).toBe(whole.header(name))
          }
        }
      }
    })

    test('another ETag, or a date, gives the whole answer', async () => {
      const { get } = context()
      const other = `"${digestOf(named(context(), 'rc1').bytes)}"`
      const later = new Date(Date.now() + 86_400_000).toUTCString()
      for (const headers of [
        { 'If-None-Match': other },
        { 'If-Modified-Since': later },
        { 'If-None-Match': other, 'If-Modified-Since': later },
      ]) {
        const answer = await get('/v2/app/manifests/RC1', headers)
        expect(answer.status, JSON.stringify(headers)).toBe(200)
        expect(answer.body.equals(named(context(), 'RC1').bytes)).toBe(true)
      }
    })

    test('If-None-Match does not make a missing manifest or blob exist', async () => {
      const digest = digestOf(Buffer.from('never made'))
      for (const path of [`/v2/app/manifests/${digest}`, `/v2/app/blobs/${digest}`]) {
        for (const value of [`"${digest}"`, '*'])
          expect((await context().get(path, { 'If-None-Match': value })).status, path).toBe(404)
      }
    })

    test('a range of a manifest is right or ignored', async () => {
      const manifest = named(context(), 'latest')
      const answer = await context().get('/v2/app/manifests/latest', { Range: 'bytes=0-9' })
      expect([200, 206]).toContain(answer.status)
      expect(answer.body.equals(answer.status === 206 ? manifest.bytes.subarray(0, 10) : manifest.bytes)).toBe(true)
      expect(answer.header('content-type')).toBe(manifest.mediaType)
    })

    test('what a client accepts changes nothing', async () => {
      const path = '/v2/app/manifests/latest'
      const plain = await context().get(path)
      for (const Accept of ['application/vnd.oci.image.manifest.v1+json', '*/*', 'text/html']) {
        const answer = await context().get(path, { ...GREEDY, Accept, 'Accept-Language': 'fr' })
        expect(lasting(answer)).toEqual(lasting(plain))
        expect(answer.body.equals(plain.body)).toBe(true)
      }
    })
  })
}

function named({ tree }: ServingContext, tag: string): ServedManifest {
  const manifest = tree.manifests.find(entry => entry.repository === 'app' && entry.tags.includes(tag))
  if (manifest === undefined) throw new Error(`the fixture has no tag ${tag}`)
  return manifest
}
