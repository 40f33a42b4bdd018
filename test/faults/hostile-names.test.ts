import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { startRegistry } from '../fetch/fetch-support.ts'
import { makeImage } from '../support/made-images.ts'
import { expectFetched, expectRefused, photograph } from './support/hostile.ts'

/* Names on the command line that would lead elsewhere: refused before anything is asked for. */

const REPOSITORIES: readonly string[] = [
  '..',
  '../evil',
  '../../etc',
  'a/../b',
  'a//b',
  '/a',
  'a/',
  'a/.',
  'A',
  'a b',
  'a\\b',
  'a%2f..%2fb',
  'a\nb',
  'a\0b',
  '\u001b[2J',
  'a\u202eb',
  'аpp', // a Cyrillic letter
  'a'.repeat(256),
  `a/${'b'.repeat(300)}`,
  '_catalog',
  '.registrish',
  'manifests',
  'a/blobs',
  'tags/list',
  'referrers',
  'index.json',
  '-rf',
  '$(reboot)',
]

const TAGS: readonly string[] = [
  '..',
  '../x',
  'a/b',
  '.hidden',
  '-rf',
  'a\nb',
  'a\0b',
  '\u001b[2J',
  'ａ',
  'x'.repeat(129),
  'x'.repeat(100_000),
  '',
  'a b',
  '$(reboot)',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'0'.repeat(63)}`,
  `sha512:${'0'.repeat(64)}`,
  `md5:${'0'.repeat(32)}`,
  'sha256:../../../etc/passwd',
]

const short = (text: string): readonly [string, string] => [JSON.stringify(text).slice(0, 40), text]

describe('a name that would lead elsewhere', () => {
  test.each(REPOSITORIES.map(short))('%s is no name in the tree', async (_, as) => {
    const registry = await startRegistry({ app: { latest: await makeImage() } })
    const isTaken = /^(?:manifests|a\/blobs|tags\/list|referrers|index\.json)$/.test(as)
    const refusal = { code: 'name-invalid', side: isTaken ? 'target' : undefined, hint: /./ } as const
    await expectRefused({ image: `${registry.host}/app`, options: { as } }, refusal)
    expect(registry.log).toEqual([])
  })

  test.each(TAGS.map(short))('%s is no tag', async (_, tag) => {
    const registry = await startRegistry({ app: { latest: await makeImage() } })
    const refusal = { code: 'name-invalid', side: undefined, hint: /./ } as const
    await expectRefused({ image: `${registry.host}/app`, tags: [tag] }, refusal)
    expect(registry.log).toEqual([])
  })

  test.each(
    ['../evil', 'a/../b', 'A/B', 'a//b', 'a:..', 'a:a/b', `a@sha256:${'0'.repeat(63)}`, 'a@..', 'a@', 'a:'].map(short),
  )('%s is no image of a registry', async (_, path) => {
    const registry = await startRegistry({ app: { latest: await makeImage() } })
    const refusal = { code: 'name-invalid', side: undefined, hint: /./ } as const
    await expectRefused({ image: `${registry.host}/${path}` }, refusal)
    expect(registry.log).toEqual([])
  })

  test.each(
    [
      'host name/app',
      'ho\nst:5000/app',
      '127.0.0.1:99999999/app',
      'user@host.example/app',
      '\u001b.example/app',
      'a..b/app',
      '../../app',
    ].map(short),
  )('%s names no registry', async (_, image) => {
    await expectRefused({ image }, { code: 'name-invalid', side: undefined, hint: /./ })
  })
})

test.each(['con', 'nul', 'a'.repeat(255), `${'a/'.repeat(100)}a`, 'constructor', '__proto__'.replaceAll('_', '0')])(
  'a repository called %s is an ordinary one',
  async name => {
    const registry = await startRegistry({ app: { latest: await makeImage() } })
    const root = await expectFetched({ image: `${registry.host}/app`, options: { as: name } })
    expect([...(await photograph(`${root}/v2/${name}/manifests`)).keys()]).toContain('latest')
  },
)

test('tags that differ by their case are two, where the disk tells them apart', async () => {
  const [lower, upper] = [await makeImage({ seed: 'lower' }), await makeImage({ seed: 'upper' })]
  const registry = await startRegistry({ app: { rc1: lower, RC1: upper } })
  const root = await expectFetched({ image: `${registry.host}/app`, tags: ['rc1', 'RC1'] })
  const photo = await photograph(`${root}/v2/app/manifests`)
  expect(photo.get('rc1')).toBe(photo.get(lower.root.digest))
  expect(photo.get('RC1')).toBe(photo.get(upper.root.digest))
})

test('a digest that the registry answers with another image is refused', async () => {
  const [image, other] = [await makeImage(), await makeImage({ seed: 'other' })]
  const registry = await startRegistry(
    { app: { latest: image, other } },
    {
      hook: (request, next) =>
        next({ ...request, path: request.path.replace(/\/manifests\/sha256:.*/, '/manifests/other') }),
    },
  )
  const refusal = { code: 'digest-mismatch', hint: /nothing of it was kept/ } as const
  await expectRefused({ image: `${registry.host}/app@${image.root.digest}` }, refusal)
  await expectRefused({ image: `${registry.host}/app@${digestOf('absent')}` }, refusal)
})
