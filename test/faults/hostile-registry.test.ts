import { describe, expect, onTestFinished, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { makeImage, makeRaw } from '../support/made-images.ts'
import { type Answer, apiError, json } from '../support/registry-content.ts'
import { only, redirects, sendsHeaders } from '../support/registry-faults.ts'
import { type Hook, startTestRegistry, type TestRegistry } from '../support/test-registry.ts'
import { expectFetched, expectRefused, type Refusal } from './support/hostile.ts'

/* What a registry may answer beside manifests: lists without end, links and redirects that lead elsewhere, errors that are commands. */

const KEPT = /nothing of it was kept/
const MANIFESTS = /\/manifests\//

/** A registry of one good image, `evil:latest`, that answers as the hook says. */
async function evil(hook: Hook): Promise<TestRegistry> {
  return startRegistry({ evil: { latest: await makeImage({ seed: 'evil' }) } }, { hook })
}

async function refuse(hook: Hook, refusal: Refusal): Promise<TestRegistry> {
  const registry = await evil(hook)
  await expectRefused({ image: `${registry.host}/evil` }, refusal)
  return registry
}

describe('a manifest of 100 MB is refused and not read', () => {
  const large = new Uint8Array(100_000_000).fill(0x20)
  const tooLarge: Refusal = { code: 'manifest-invalid', hint: /./, message: /larger than 4194304 bytes/ }
  const isLarge = (headers: Answer['headers']): Hook =>
    only(MANIFESTS, () => ({ status: 200, headers: { 'content-type': OCI_MANIFEST, ...headers }, body: large }))

  test.each<[string, Answer['headers']]>([
    ['that says so', {}],
    ['that says so, and its digest', { 'docker-content-digest': digestOf('large') }],
    ['that does not say so', { 'transfer-encoding': 'chunked' }],
    [
      'that says nothing but its digest',
      { 'transfer-encoding': 'chunked', 'docker-content-digest': digestOf('large') },
    ],
  ])('%s', async (_, headers) => {
    const registry = await refuse(isLarge(headers), tooLarge)
    const sent = registry.log.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(sent).toBeLessThan(20_000_000)
  })

  test('that HEAD says is small', async () => {
    const small = only(/^HEAD .*\/manifests\//, () => ({
      status: 200,
      headers: { 'content-type': OCI_MANIFEST, 'docker-content-digest': digestOf('large'), 'content-length': '700' },
      body: new Uint8Array(),
    }))
    const registry = await startRegistry({ evil: {} }, { hooks: [small, isLarge({ 'transfer-encoding': 'chunked' })] })
    await expectRefused({ image: `${registry.host}/evil` }, tooLarge)
    expect(registry.log.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(20_000_000)
  })

  test('that a tag list is, too', async () => {
    const registry = await evil(only(/\/tags\/list/, () => ({ status: 200, headers: {}, body: large })))
    const options = { as: 'app', force: true, allTags: true }
    await expectRefused({ image: `${registry.host}/evil`, options }, { code: 'bad-answer', hint: /./ })
    expect(registry.log.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(60_000_000)
  })
})

describe('headers of a manifest', () => {
  test.each(['../../x', `sha256:${'A'.repeat(64)}`, 'md5:0', '"', ''])('the digest %j says nothing', async digest => {
    const registry = await evil(only(MANIFESTS, sendsHeaders({ 'docker-content-digest': digest })))
    await expectFetched({ image: `${registry.host}/evil` })
  })

  test('the digest of something else is refused', async () => {
    await refuse(only(/^GET .*\/manifests\//, sendsHeaders({ 'docker-content-digest': digestOf('else') })), {
      code: 'digest-mismatch',
      hint: KEPT,
    })
  })

  test.each(['7', '99999'])('the length %s, which HEAD says, is refused', async length => {
    await refuse(only(/^HEAD .*\/manifests\//, sendsHeaders({ 'content-length': length })), {
      code: 'size-mismatch',
      hint: KEPT,
    })
  })

  test.each(['text/html', 'a/b', '"', 'a/b";evil', '../x', 'x'.repeat(300)])(
    'the type %j is never believed',
    async type => {
      const registry = await evil(only(MANIFESTS, sendsHeaders({ 'content-type': type })))
      const attempt = { image: `${registry.host}/evil` }
      // Of what is no media type the bytes decide; another type than theirs is a contradiction.
      if (type === 'text/html' || type === 'a/b')
        await expectRefused(attempt, { code: 'manifest-invalid', hint: /pushed again/ })
      else await expectFetched(attempt)
    },
  )
})

describe('a redirect', () => {
  test.each([
    'file:///etc/passwd',
    'ftp://127.0.0.1/x',
    'javascript:alert(1)',
    'data:application/json,{}',
    'http://',
    'http://[::1',
    '',
    'unix:/var/run/docker.sock',
  ])('to %j is refused', async location => {
    await refuse(
      only(
        /\/blobs\//,
        redirects(() => location),
      ),
      { code: 'bad-answer', hint: /./ },
    )
  })

  test('to a path that leads up reaches the registry only, and names no file', async () => {
    const registry = await evil(
      only(
        /\/blobs\//,
        redirects(() => '/../../../../etc/passwd'),
      ),
    )
    await expectRefused({ image: `${registry.host}/evil` }, { code: 'not-found', hint: /pushed again/ })
    expect(registry.lines()).toContain('GET /etc/passwd 404')
  })
})

describe('the text of an error', () => {
  const words = '\u001b[31m\u001b]0;owned\u0007two\r\nlines\u0000\u202egnitrever\u2028\u009b2J\u200b'
  const body = { code: words, message: `${words}${'x'.repeat(100_000)}`, detail: { [words]: words } }

  test.each([400, 404, 405, 410, 418])('of status %d comes as one line', async status => {
    await refuse(
      only(MANIFESTS, () => json(status, { errors: [body, body, null, 7] })),
      {
        code: status === 404 ? 'not-found' : 'bad-answer',
        hint: /./,
      },
    )
  })

  test('in plain text comes as one line', async () => {
    const text = Buffer.from(words.repeat(10_000))
    const hook: Hook = only(MANIFESTS, () => ({ status: 400, headers: { 'content-type': 'text/plain' }, body: text }))
    await refuse(hook, { code: 'bad-answer', hint: /./ })
  })

  test.each([
    '[]',
    'null',
    '{"errors":{}}',
    '{"errors":[[]]}',
    '{"errors":[{"code":{},"message":[]}]}',
    '{"errors":[{"code":{"toString":1},"message":{"toString":1}}]}',
    '['.repeat(500),
  ])('that is %j says nothing and harms nobody', async text => {
    const headers = { 'content-type': 'application/json' }
    await refuse(
      only(MANIFESTS, () => ({ status: 400, headers, body: Buffer.from(text) })),
      {
        code: 'bad-answer',
        hint: /is it a registry/,
      },
    )
  })
})

test('a token server’s answer that would be a header of its own is refused', async () => {
  const registry = await startTestRegistry({
    hook: ({ path, headers }) =>
      path === '/token'
        ? json(200, { token: 'a\r\nX-Evil: 1' })
        : {
            ...apiError(401, 'UNAUTHORIZED', ''),
            headers: { 'www-authenticate': `Bearer realm="http://${headers['host']}/token"` },
          },
  })
  onTestFinished(() => registry.close())
  await expectRefused({ image: `${registry.host}/evil` }, { code: 'bad-answer', hint: /./, message: /sent no token/ })
})

test('an image whose blobs are of one digest and many sizes is refused', async () => {
  const blob = Buffer.from('blob')
  const layers = [1, 2, 3, 4, 5].map(size => ({ mediaType: 'a/b', digest: digestOf(blob), size }))
  const registry = await startRegistry({ evil: { latest: makeRaw(OCI_MANIFEST, JSON.stringify({ layers }), [blob]) } })
  await expectRefused({ image: `${registry.host}/evil` }, { code: 'size-mismatch', hint: KEPT })
})
