import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { type Graph, makeRaw, makeSchema1 } from '../support/made-images.ts'
import { expectFetched, expectRefused, photograph, type Refusal } from './support/hostile.ts'

/* What a manifest may say that is not so: digests that are paths, sizes that lie, names that are commands, JSON that is a trap. */

const blob = new TextEncoder().encode('a layer of sixteen')
const good = { mediaType: 'a/b', digest: digestOf(blob), size: blob.length }
const PUSH_AGAIN = /pushed again/

/** A manifest that a registry serves under an ordinary type, whatever is in it. */
function manifest(body: unknown, type: string = OCI_MANIFEST): Graph {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  return makeRaw(type, text, [blob])
}

async function refuse(graph: Graph, refusal: Refusal): Promise<void> {
  const registry = await startRegistry({ evil: { latest: graph } })
  await expectRefused({ image: `${registry.host}/evil` }, refusal)
}

const invalid: Refusal = { code: 'manifest-invalid', hint: PUSH_AGAIN }

const DIGESTS: readonly unknown[] = [
  '../../../../etc/passwd',
  'sha256:../../../../etc/passwd',
  `sha256:${'0'.repeat(64)}/../../tags`,
  `sha256:${'0'.repeat(61)}/..`,
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'0'.repeat(63)}`,
  `sha256:${'0'.repeat(65)}`,
  `sha512:${'0'.repeat(64)}`,
  `sha256:${'0'.repeat(64)}\n`,
  `sha256:${'0'.repeat(64)}\0`,
  ` sha256:${'0'.repeat(64)}`,
  `SHA256:${'0'.repeat(64)}`,
  `md5:${'0'.repeat(32)}`,
  `sha256:${'０'.repeat(64)}`,
  '\u001b]0;owned\u0007',
  'x'.repeat(100_000),
  '',
  'latest',
  '__proto__',
  7,
  null,
  ['sha256:'],
  { toString: 'no' },
]

const SIZES: readonly unknown[] = [-1, -0.5, 1.5, 1e308, 2 ** 53, '18', null, true, [18], { valueOf: 18 }]

const PLACES: Readonly<Record<string, (descriptor: object) => unknown>> = {
  config: descriptor => ({ schemaVersion: 2, config: descriptor, layers: [] }),
  layers: descriptor => ({ schemaVersion: 2, layers: [good, descriptor] }),
  blobs: descriptor => ({ schemaVersion: 2, blobs: [descriptor] }),
  manifests: descriptor => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [descriptor] }),
  subject: descriptor => ({ schemaVersion: 2, layers: [good], subject: descriptor }),
}

describe.each(Object.entries(PLACES))('in %s', (place, bodyOf) => {
  const type = place === 'manifests' ? OCI_INDEX : OCI_MANIFEST
  test.each(DIGESTS.map(digest => [String(JSON.stringify(digest)).slice(0, 50), digest]))(
    'the digest %s is refused',
    async (_, digest) => refuse(manifest(bodyOf({ ...good, digest }), type), { ...invalid, message: /digest/ }),
  )

  test.each(SIZES.map(size => [JSON.stringify(size), size]))('the size %s is refused', async (_, size) =>
    refuse(manifest(bodyOf({ ...good, size }), type), { ...invalid, message: /size/ }),
  )

  test.each([undefined, null, 7, ['a/b'], {}])('the media type %j is refused', async mediaType =>
    refuse(manifest(bodyOf({ ...good, mediaType }), type), { ...invalid, message: /mediaType/ }),
  )

  test.each([null, 'text', 7, [], [[]]])('the descriptor %j is refused, or is none', async descriptor => {
    const graph = manifest(bodyOf(descriptor as unknown as object), type)
    if (place !== 'config' && place !== 'subject') return refuse(graph, invalid)
    const registry = await startRegistry({ evil: { latest: graph } })
    await expectFetched({ image: `${registry.host}/evil` })
  })
})

describe('a size that is a number and a lie', () => {
  test.each([0, 1, blob.length - 1, blob.length + 1, Number.MAX_SAFE_INTEGER])('a layer of %d bytes', async size =>
    refuse(manifest({ layers: [{ ...good, size }] }), { code: 'size-mismatch', hint: /nothing of it was kept/ }),
  )

  test.each<[number, ErrorCode, RegExp]>([
    [0, 'size-mismatch', /nothing of it was kept/],
    [7, 'size-mismatch', /nothing of it was kept/],
    [4_000_000, 'size-mismatch', /nothing of it was kept/],
    [5_000_000, 'manifest-invalid', /split/],
    [Number.MAX_SAFE_INTEGER, 'manifest-invalid', /split/],
  ])('a child of %d bytes', async (size, code, hint) => {
    const child = manifest({ layers: [good] })
    const index = manifest({ manifests: [{ ...child.root, size }] }, OCI_INDEX)
    await refuse({ ...index, manifests: new Map([...index.manifests, ...child.manifests]) }, { code, hint })
  })
})

describe('a media type that would reach a header or a host’s configuration', () => {
  test.each([
    'text/html\r\nX-Evil: 1',
    'a/b";evil',
    "a/b'",
    'a/b;charset=utf-8',
    'a/b c',
    'a/$(reboot)',
    'a/`reboot`',
    'a/b{}',
    'a/b\\',
    'a/b#',
    '../etc/passwd',
    '/etc',
    'a/../b/c',
    'a/b\0',
    'a/\u202eb',
    'а/b', // a Cyrillic letter
    `a/${'b'.repeat(300)}`,
    '\u001b[2J/b',
  ])('%j', async mediaType => refuse(manifest({ mediaType, layers: [good] }), { ...invalid, message: /mediaType/ }))

  test.each([7, null, ['a/b'], {}, true])('%j', async mediaType =>
    refuse(manifest({ mediaType, layers: [good] }), { ...invalid, message: /mediaType/ }),
  )
})

const TEXTS: Readonly<Record<string, string | Uint8Array>> = {
  'an empty body': '',
  'white space': ' \n',
  null: 'null',
  'a number': '1',
  'a text': '"manifest"',
  'a list': '[]',
  'a list of manifests': JSON.stringify([{ layers: [good] }]),
  'an empty object': '{}',
  'an object with a prototype': JSON.stringify({ schemaVersion: 2 }).replace('}', ',"__proto__":{"layers":[]}}'),
  'an object with a constructor': '{"constructor":{"layers":[]},"toString":{"manifests":[]}}',
  '100,000 lists in one another': '['.repeat(100_000),
  '100,000 lists in one another that are closed': `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  '100,000 objects in one another': '{"layers":'.repeat(100_000),
  'a byte order mark': `\ufeff${JSON.stringify({ layers: [good] })}`,
  'UTF-16': Buffer.from(JSON.stringify({ layers: [good] }), 'utf16le'),
  'bytes that are no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xc0, 0x22, 0x7d]),
  'an overlong encoding': Buffer.concat([
    Buffer.from('{"layers":[],"a":"'),
    Buffer.from([0xc0, 0xaf]),
    Buffer.from('"}'),
  ]),
  'something behind its end': `${JSON.stringify({ layers: [good] })}{}`,
  'a zero byte behind its end': `${JSON.stringify({ layers: [good] })}\0`,
  'a comment': `{"layers":[]/**/}`,
  'a number that is none': `{"layers":[],"size":NaN}`,
  'a list that is a text': '{"layers":"sha256"}',
  'a list that is an object': '{"manifests":{"0":{},"length":1}}',
  'both kinds at once': '{"manifests":[],"layers":[]}',
  'both kinds at once, one of them null': '{"manifests":null,"config":null}',
  'annotations that are no texts': JSON.stringify({ layers: [good], annotations: { a: { b: 'c' } } }),
  'annotations that are a list': JSON.stringify({ layers: [good], annotations: ['a'] }),
  'a page of HTML': '<!doctype html><script>alert(1)</script>',
}

describe('a manifest that is', () => {
  test.each(Object.entries(TEXTS))('%s is refused', async (_, text) => refuse(manifest(text), invalid))

  test('an image, where the registry says that it is an index, is refused', async () =>
    refuse(manifest({ layers: [good] }, OCI_INDEX), { code: 'manifest-invalid', hint: PUSH_AGAIN }))

  test('Docker schema 1 is refused', async () =>
    refuse(await makeSchema1(), { code: 'unsupported', hint: /push the image again with a current engine/ }))

  test('of two keys of one name is what the last says, as for clients, and the first leads nowhere', async () => {
    const bad = { ...good, digest: 'sha256:../../../etc/passwd' }
    const registry = await startRegistry({
      evil: { latest: manifest(`{"layers":${JSON.stringify([bad])},"layers":${JSON.stringify([good])}}`) },
    })
    const root = await expectFetched({ image: `${registry.host}/evil` })
    expect([...(await photograph(`${root}/v2/app/blobs`)).keys()]).toContain(good.digest)
  })
})

const WORDS: readonly string[] = [
  '\u001b[31mred\u001b[0m',
  'two\nlines',
  'back\rover',
  'zero\0byte',
  '\u202egnitrever',
  '\u009b2J',
  'line\u2028separator',
  '"};evil{"',
  '../../../etc/passwd',
  '__proto__',
  'x'.repeat(5000),
]

describe('words that only people read', () => {
  test.each(WORDS.map(word => [word.slice(0, 20), word]))(
    '%j in every field of an image is kept as it is',
    async (_, word) => {
      const layer = { ...good, mediaType: word, artifactType: word, annotations: { [word]: word }, urls: [word] }
      const body = {
        mediaType: OCI_MANIFEST,
        artifactType: word,
        config: layer,
        layers: [layer],
        annotations: { [word]: word },
      }
      const graph = manifest(body)
      const registry = await startRegistry({ evil: { latest: graph } })
      const root = await expectFetched({ image: `${registry.host}/evil` })
      const names = [...(await photograph(`${root}/v2/app`)).keys()]
      for (const name of names) expect(name).toMatch(/^[a-z0-9:/_-]*$/)
      expect(names).toContain(`manifests/${graph.root.digest}`)
    },
  )

  test.each(WORDS.map(word => [word.slice(0, 20), word]))(
    '%j as a platform reaches no path and no terminal',
    async (_, word) => {
      const platform = { os: word, architecture: word, variant: word, 'os.version': word }
      const child = manifest({ layers: [good] })
      const index = manifest({ manifests: [{ ...child.root, platform }] }, OCI_INDEX)
      const whole = { ...index, manifests: new Map([...index.manifests, ...child.manifests]), blobs: child.blobs }
      const registry = await startRegistry({ evil: { latest: whole } })
      const options = { as: 'app', force: true, platforms: [{ os: 'linux', architecture: 'amd64' }] }
      await expectRefused({ image: `${registry.host}/evil`, options }, { code: 'not-found', hint: /^it has / })
      await expectFetched({ image: `${registry.host}/evil` })
    },
  )

  test.each(WORDS.map(word => [word.slice(0, 20), word]))(
    '%j as the type of a child that is another',
    async (_, word) => {
      const child = manifest({ layers: [good] })
      const index = manifest({ manifests: [{ ...child.root, mediaType: word }] }, OCI_INDEX)
      const whole = { ...index, manifests: new Map([...index.manifests, ...child.manifests]), blobs: child.blobs }
      await refuse(whole, { code: 'manifest-invalid', hint: /./ })
    },
  )
})
