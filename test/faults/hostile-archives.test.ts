import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { makeImage, makeRaw } from '../support/made-images.ts'
import { packTar, type TarEntry } from '../support/tar.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import { layoutFiles, writeFiles, writeLayout } from '../support/write-images.ts'
import { expectFetched, expectRefused, photograph, type Refusal } from './support/hostile.ts'

/* What a layout on disk and an archive may hold that is not so: names that lead out, links, documents that are traps. */

const blob = Buffer.from('a layer')
const good = { mediaType: 'a/b', digest: digestOf(blob), size: blob.length }

/** A layout of one good image, with other files in place of its own. */
async function makeLayout(changes: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await makeTemporaryFolder()
  await writeLayout(folder, { latest: await makeImage({ seed: 'evil' }) })
  await writeFiles(folder, new Map(Object.entries(changes).map(([path, bytes]) => [path, Buffer.from(bytes)])))
  return folder
}

async function makeArchive(entries: readonly TarEntry[]): Promise<string> {
  const path = join(await makeTemporaryFolder(), 'evil.tar')
  await writeFile(path, await packTar(entries))
  return path
}

function index(entry: object): string {
  return JSON.stringify({ schemaVersion: 2, manifests: [entry] })
}

const broken: Refusal = { code: 'manifest-invalid', hint: undefined, message: /index\.json/ }

describe('index.json of a layout', () => {
  test.each([
    '../../../etc/passwd',
    'sha256:../../index.json',
    `sha256:${'0'.repeat(61)}/..`,
    '',
    7,
    null,
    'sha256:..\0',
  ])('with the digest %j is refused', async digest => {
    const layout = await makeLayout({ 'index.json': index({ mediaType: OCI_MANIFEST, digest, size: 7 }) })
    await expectRefused({ image: `oci:${layout}` }, broken)
  })

  test.each([
    '[]',
    'null',
    '{"manifests":{}}',
    '{"manifests":[null]}',
    '',
    '['.repeat(500),
    '\ufeff{}x',
    '{"manifests":[[]]}',
  ])('that is %j is refused', async text => {
    await expectRefused({ image: `oci:${await makeLayout({ 'index.json': text })}` }, broken)
  })

  test('that lies about the size of an image is refused', async () => {
    const { root } = await makeImage({ seed: 'evil' })
    for (const size of [0, root.size - 1, root.size + 1, 4_000_000]) {
      const layout = await makeLayout({ 'index.json': index({ ...root, size }) })
      await expectRefused({ image: `oci:${layout}` }, { code: 'size-mismatch', hint: /nothing of it was kept/ })
    }
    const layout = await makeLayout({ 'index.json': index({ ...root, size: 5_000_000 }) })
    await expectRefused({ image: `oci:${layout}` }, { code: 'manifest-invalid', hint: /split/ })
  })

  test.each([
    '../../evil',
    '..',
    '/etc/passwd',
    'a/../../b:latest',
    'evil\nlatest',
    '\u001b[2J',
    'manifests/blobs:x',
    '__proto__',
    'x'.repeat(5000),
  ])('with the name %j puts nothing anywhere else', async name => {
    const { root } = await makeImage({ seed: 'evil' })
    const annotations = { 'org.opencontainers.image.ref.name': name, 'io.containerd.image.name': name }
    const layout = await makeLayout({ 'index.json': index({ ...root, annotations }) })
    const tree = await expectFetched({ image: `oci:${layout}` })
    const paths = [...(await photograph(tree)).keys()].filter(path => !path.startsWith('.registrish'))
    for (const path of paths) expect(path).toMatch(/^(?:$|v2(?:$|\/(?:_catalog|index\.json|app|honest)(?:$|\/)))/)
    await expectRefused({ image: `oci:${layout}:wanted` }, { code: 'not-found', hint: /^it has: / })
  })

  test.each(['manifests/app:latest', 'a/blobs/b:1', 'localhost/tags/list:1'])(
    'with the reserved name %j is refused unless it gets another',
    async name => {
      const { root } = await makeImage({ seed: 'evil' })
      const annotations = { 'org.opencontainers.image.ref.name': name }
      const layout = await makeLayout({ 'index.json': index({ ...root, annotations }) })
      await expectRefused({ image: `oci:${layout}`, options: {} }, { code: 'name-invalid', side: 'target', hint: /./ })
    },
  )
})

describe('a layout whose files lead elsewhere', () => {
  test.each([
    ['a blob', `blobs/${good.digest.replace(':', '/')}`],
    ['the folder of blobs', 'blobs'],
    ['index.json', 'index.json'],
  ])('%s that is a link out of it is refused', async (_, path) => {
    const outside = await makeTemporaryFolder()
    const secret = makeRaw(OCI_MANIFEST, JSON.stringify({ layers: [good] }), [blob])
    const files = layoutFiles({ latest: secret })
    const folder = await makeTemporaryFolder()
    const inside = [...files].filter(([name]) => name !== path && !name.startsWith(`${path}/`))
    await writeFiles(folder, new Map(inside))
    await writeFiles(outside, files)
    await mkdir(join(folder, path, '..'), { recursive: true })
    await symlink(join(outside, path), join(folder, path))
    await expectRefused({ image: `oci:${folder}` }, { code: 'unsupported', hint: /cp -rL/ })
  })

  test('a blob that is a device, a folder or a pipe is refused', async () => {
    const image = makeRaw(OCI_MANIFEST, JSON.stringify({ layers: [good] }), [])
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { latest: image })
    const path = join(folder, `blobs/${good.digest.replace(':', '/')}`)
    await mkdir(path)
    await chmod(path, 0o755)
    await expectRefused({ image: `oci:${folder}` }, { code: 'unsupported', hint: undefined, message: /not a file/ })
  })

  test('a link that leads in a circle is refused', async () => {
    const image = makeRaw(OCI_MANIFEST, JSON.stringify({ layers: [good] }), [])
    const folder = await makeTemporaryFolder()
    await writeLayout(folder, { latest: image })
    const path = join(folder, `blobs/${good.digest.replace(':', '/')}`)
    await symlink(path, path)
    await expectRefused({ image: `oci:${folder}` }, { code: 'io', hint: undefined })
  })
})

describe('an archive', () => {
  /** The members of a good OCI layout and one more. */
  async function withMember(member: TarEntry): Promise<string> {
    const files = layoutFiles({ latest: await makeImage({ seed: 'evil' }) })
    return makeArchive([...[...files].map(([name, content]) => ({ name, content })), member])
  }

  test.each<TarEntry>([
    { name: '../../../../tmp/evil', content: 'evil' },
    { name: '/etc/evil', content: 'evil' },
    { name: 'blobs/../../evil', content: 'evil' },
    { name: '\u001b[2J', content: 'evil' },
    { name: '__proto__', content: 'evil' },
    { name: 'x'.repeat(3000), content: 'evil' },
    { name: 'blobs/sha256/../../../../evil', type: 'directory' },
    { name: 'evil', type: 'symlink', linkname: '/etc/passwd' },
    { name: 'evil', type: 'symlink', linkname: '../../../etc/passwd' },
    { name: 'evil', type: 'link', linkname: '../../../etc/passwd' },
  ])('with the member $name ($type) unpacks it nowhere', async member => {
    const tree = await expectFetched({ image: `oci-archive:${await withMember(member)}:latest` })
    expect([...(await photograph(tree)).keys()].filter(path => path.includes('evil'))).toEqual([])
  })

  test.each<[string, TarEntry]>([
    ['a link out', { name: 'index.json', type: 'symlink', linkname: '../../../etc/passwd' }],
    ['an absolute link', { name: 'index.json', type: 'symlink', linkname: '/etc/passwd' }],
    ['a hard link out', { name: 'index.json', type: 'link', linkname: '../../etc/passwd' }],
    ['a folder', { name: 'index.json', type: 'directory' }],
  ])('whose index.json is %s is refused', async (_, member) => {
    await expectRefused({ image: `oci-archive:${await withMember(member)}` }, { code: 'unsupported', hint: undefined })
  })

  test('whose index.json is a link to itself is refused', async () => {
    const archive = await withMember({ name: 'index.json', type: 'symlink', linkname: 'index.json' })
    await expectRefused({ image: `oci-archive:${archive}` }, { code: 'bad-answer', hint: undefined, message: /circle/ })
  })

  test.each(['', 'no archive', '\0'.repeat(512), '\u001f\u008b', 'x'.repeat(100_000).slice(0, 600)])(
    'that is %j is refused',
    async text => {
      const path = join(await makeTemporaryFolder(), 'evil.tar')
      await writeFile(path, Buffer.from(text, 'latin1'))
      for (const transport of ['oci-archive', 'docker-archive']) {
        await expectRefused(
          { image: `${transport}:${path}` },
          text.startsWith('\0') ? { code: 'not-found', hint: /./ } : { code: 'bad-answer', hint: /again/ },
        )
      }
    },
  )
})

describe('manifest.json of a Docker archive', () => {
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [digestOf(blob)] },
  })

  async function archiveOf(image: unknown, more: readonly TarEntry[] = []): Promise<string> {
    const manifest = { name: 'manifest.json', content: JSON.stringify(image) }
    return makeArchive([
      { name: 'config.json', content: config },
      { name: 'layer.tar', content: blob },
      ...more,
      manifest,
    ])
  }

  const image = { Config: 'config.json', Layers: ['layer.tar'], RepoTags: ['evil:latest'] }

  test.each(['../../../../etc/passwd', '..', 'a/../../etc/passwd'])(
    'with the config or layer %j is refused',
    async path => {
      for (const changed of [{ Config: path }, { Layers: [path] }]) {
        const archive = await archiveOf([{ ...image, ...changed }])
        await expectRefused(
          { image: `docker-archive:${archive}` },
          { code: 'unsupported', hint: undefined, message: /leads out/ },
        )
      }
    },
  )

  test.each(['/etc/passwd', '__proto__', 'absent\u001b[2J', 'x'.repeat(3000)])(
    'with the config or layer %j, which it does not hold, is refused',
    async path => {
      for (const changed of [{ Config: path }, { Layers: [path] }]) {
        const archive = await archiveOf([{ ...image, ...changed }])
        await expectRefused({ image: `docker-archive:${archive}` }, { code: 'not-found', hint: /not whole/ })
      }
    },
  )

  test('with a layer that is a link out is refused', async () => {
    const link: TarEntry = { name: 'link.tar', type: 'symlink', linkname: '../../../etc/passwd' }
    const archive = await archiveOf([{ ...image, Layers: ['link.tar'] }], [link])
    await expectRefused({ image: `docker-archive:${archive}` }, { code: 'unsupported', hint: undefined })
  })

  test.each([
    7,
    null,
    'evil',
    {},
    [7],
    [null],
    [{}],
    [{ Config: 7 }],
    [{ ...image, Layers: 'layer.tar' }],
    [{ ...image, RepoTags: [7] }],
  ])('that is %j is refused', async body => {
    const archive = await archiveOf(body)
    await expectRefused({ image: `docker-archive:${archive}` }, { code: 'manifest-invalid', hint: undefined })
  })

  test.each([
    '../../evil:latest',
    'evil:../x',
    'evil:\u001b[2J',
    'EVIL:latest',
    'a\nb:c',
    '',
    ':',
    'x'.repeat(5000),
    'evil:x/y',
  ])('with the name %j puts nothing anywhere else', async name => {
    const archive = await archiveOf([{ ...image, RepoTags: [name] }])
    const tree = await expectFetched({ image: `docker-archive:${archive}` })
    const paths = [...(await photograph(tree)).keys()].filter(path => !path.startsWith('.registrish'))
    for (const path of paths) expect(path).toMatch(/^(?:$|v2(?:$|\/(?:_catalog|index\.json|app|honest)(?:$|\/)))/)
  })
})
