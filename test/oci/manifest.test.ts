import { describe, expect, it } from 'vitest'
import { RegistrishError } from '../../src/errors.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest, references, referrerDescriptor } from '../../src/oci/manifest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

const blob = { mediaType: 'application/octet-stream', digest: digestOf('x'), size: 1 }

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

function codeOf(value: unknown): string {
  try {
    parseManifest(bytesOf(value))
  } catch (error) {
    if (error instanceof RegistrishError) return error.code
    throw error
  }
  return 'no error'
}

describe('a digest that is no text', () => {
  it.each([{ toString: 1, valueOf: 1 }, 7, null, ['sha256:']])('makes a manifest invalid: %j', digest => {
    expect(codeOf({ layers: [{ ...blob, digest }] })).toBe('manifest-invalid')
  })
})

describe('a manifest', () => {
  it.each([
    [{ mediaType: DOCKER_MANIFEST, config: blob, layers: [blob] }, DOCKER_MANIFEST, 2],
    [{ mediaType: DOCKER_LIST, manifests: [blob] }, DOCKER_LIST, 1],
    [{ config: blob, layers: [] }, OCI_MANIFEST, 1],
    [{ manifests: [] }, OCI_INDEX, 0],
    [
      { mediaType: 'application/vnd.example.thing.v1+json', layers: [blob] },
      'application/vnd.example.thing.v1+json',
      1,
    ],
    [
      { mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [blob] },
      'application/vnd.oci.artifact.manifest.v1+json',
      1,
    ],
  ])('has a media type that follows from its bytes: %j', (body, mediaType, count) => {
    const manifest = parseManifest(bytesOf({ schemaVersion: 2, ...body }))
    expect(manifest.mediaType).toBe(mediaType)
    expect([...references(manifest)]).toHaveLength(count)
  })

  it.each([
    ['not json', 'manifest-invalid'],
    ['[]', 'manifest-invalid'],
    [{ schemaVersion: 2 }, 'manifest-invalid'],
    [{ manifests: [], layers: [] }, 'manifest-invalid'],
    [{ manifests: [], config: blob }, 'manifest-invalid'],
    [{ mediaType: OCI_INDEX, layers: [] }, 'manifest-invalid'],
    [{ mediaType: OCI_MANIFEST, manifests: [] }, 'manifest-invalid'],
    [{ mediaType: 'x y\r\nSet-Cookie: a', layers: [] }, 'manifest-invalid'],
    [{ layers: {} }, 'manifest-invalid'],
    [{ layers: [{ ...blob, digest: 'sha256:../../etc' }] }, 'manifest-invalid'],
    [{ layers: [{ ...blob, size: -1 }] }, 'manifest-invalid'],
    [{ layers: [{ ...blob, size: 1.5 }] }, 'manifest-invalid'],
    [{ layers: [{ ...blob, size: '1' }] }, 'manifest-invalid'],
    [{ layers: [], annotations: { a: 1 } }, 'manifest-invalid'],
    [{ schemaVersion: 1, fsLayers: [] }, 'unsupported'],
    [{ mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws', layers: [] }, 'unsupported'],
    [`{"layers":[],"x":"${'a'.repeat(LARGEST_MANIFEST)}"}`, 'manifest-invalid'],
  ])('is refused when it is %.80j', (body, code) => {
    expect(codeOf(body)).toBe(code)
  })

  it('states itself in a referrers list with its artifact type, else its config type', () => {
    const withType = parseManifest(bytesOf({ artifactType: 'a/b', config: blob, layers: [], annotations: { k: 'v' } }))
    const digest = digestOf('m')
    expect(referrerDescriptor(withType, digest, 7)).toEqual({
      mediaType: OCI_MANIFEST,
      digest,
      size: 7,
      artifactType: 'a/b',
      annotations: { k: 'v' },
    })
    const without = parseManifest(bytesOf({ config: blob, layers: [] }))
    expect(referrerDescriptor(without, digest, 7).artifactType).toBe(blob.mediaType)
    const index = parseManifest(bytesOf({ manifests: [] }))
    expect(referrerDescriptor(index, digest, 7).artifactType).toBeUndefined()
  })
})
