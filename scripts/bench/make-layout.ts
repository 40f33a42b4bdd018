import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

/** Makes an OCI image layout of some small images, each with a config and a layer of its own, tagged `new-0`, `new-1`… */
export function makeLayout(folder: string, images: number): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const put = (mediaType: string, text: string): object => {
    const digest = digestOf(text)
    writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), text)
    return { mediaType, digest, size: text.length }
  }
  const manifests = Array.from({ length: images }, (_, index) => ({
    ...putImage(index, put),
    annotations: { 'org.opencontainers.image.ref.name': `new-${index}` },
  }))
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
}

function putImage(index: number, put: (mediaType: string, text: string) => object): object {
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, author: String(index) }
  const image = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: put('application/vnd.oci.image.config.v1+json', JSON.stringify(config)),
    layers: [put('application/vnd.oci.image.layer.v1.tar', `layer ${index}`)],
  }
  return put(OCI_MANIFEST, JSON.stringify(image))
}
