import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { LayoutSource } from '../../src/layout/layout-source.ts'
import { openOciArchive } from '../../src/layout/oci-archive.ts'
import { sourceContract } from '../contract/source.ts'
import { makeImage, makeIndex, makeMultiPlatform } from '../support/made-images.ts'
import { packTar } from '../support/tar.ts'
import { packLayout } from '../support/write-images.ts'
import { closing, failure, readGraph, temporaryFile } from './layout-support.ts'

sourceContract('an OCI archive', async images => ({
  source: await openOciArchive(await temporaryFile('images.tar', await packLayout(images))),
  repository: 'any',
}))

test('a nested index is read from an archive, plain and compressed', async () => {
  const image = makeIndex([await makeMultiPlatform(), await makeImage({ platform: 'linux/s390x' })])
  const bytes = await packLayout({ latest: image })
  for (const packed of [bytes, gzipSync(bytes)]) {
    const source = await archive(packed)
    const read = await readGraph(source, await source.resolve('any', 'latest'))
    expect(new Set(read)).toEqual(new Set([...image.manifests.keys(), ...image.blobs.keys()]))
  }
})

test('what docker save wrote in former times is refused with the word that reads it', async () => {
  const bytes = await packTar([{ name: 'manifest.json', content: '[]' }])
  const error = await failure(archive(bytes))
  expect(error).toMatchObject({ code: 'not-found', hint: expect.stringContaining('docker-archive:') })
})

test('a blob that is a link out of the archive is refused', async () => {
  const image = await makeImage()
  const bytes = await packTar([
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: [image.root] }) },
    { name: `blobs/${image.root.digest.replace(':', '/')}`, type: 'symlink', linkname: '../../../../etc/passwd' },
  ])
  const source = await archive(bytes)
  expect((await failure(source.open('any', image.root, { kind: 'manifest' }))).code).toBe('unsupported')
})

async function archive(bytes: Uint8Array): Promise<LayoutSource> {
  return closing(await openOciArchive(await temporaryFile('images.tar', bytes)))
}
