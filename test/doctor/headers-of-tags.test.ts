import { describe, expect, test } from 'vitest'
import type { Answer } from '../../src/doctor/answer.ts'
import { digestHeader } from '../../src/doctor/checks/digest-header.ts'
import { head } from '../../src/doctor/checks/head.ts'
import type { BlobSeen, ImageSeen, ManifestSeen, Observations } from '../../src/doctor/observations.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'

const ACTUAL = digestOf('an index')
const OTHER = digestOf('another')
const BYTES = new TextEncoder().encode('an index')
const RIGHT = answer({ 'content-type': OCI_INDEX, 'docker-content-digest': ACTUAL })
const GUESSED = answer({ 'content-type': 'text/plain', 'docker-content-digest': ACTUAL })

describe('HEAD', () => {
  test('is right where GET alone has a wrong type: that is told by another check', () => {
    expect(head.judge(seen({ get: GUESSED })).outcome).toBe('passed')
    expect(head.judge(seen({ get: GUESSED, head: GUESSED })).outcome).toBe('passed')
  })

  test('is wrong where it has another type than GET and the manifest', () => {
    expect(head.judge(seen({ head: GUESSED }))).toMatchObject({
      outcome: 'failed',
      needed: `Content-Type: ${OCI_INDEX}`,
    })
  })

  test('may give a blob any type', () => {
    const blob = { get: RIGHT, head: GUESSED } as BlobSeen
    expect(head.judge(seen({}, { blob })).outcome).toBe('passed')
  })
})

describe('Docker-Content-Digest', () => {
  test('of a HEAD that is not answered names nothing', () => {
    const page = { ...answer({ 'docker-content-digest': OTHER }), status: 404 }
    expect(digestHeader.judge(seen({ head: page })).outcome).toBe('passed')
  })

  test('of another digest is wrong', () => {
    const stale = answer({ 'content-type': OCI_INDEX, 'docker-content-digest': OTHER })
    expect(digestHeader.judge(seen({ head: stale }))).toMatchObject({
      outcome: 'failed',
      seen: `Docker-Content-Digest: ${OTHER}`,
    })
  })
})

/** An index that is right by tag and by digest, but for what is changed by tag or beside it. */
function seen(tag: Partial<ManifestSeen>, image: Partial<ImageSeen> = {}): Observations {
  const manifest: ManifestSeen = {
    reference: 'latest',
    get: RIGHT,
    head: RIGHT,
    packed: RIGHT,
    manifest: { kind: 'index', mediaType: OCI_INDEX, manifests: [] },
    actual: ACTUAL,
  }
  return {
    origin: new URL('https://registry.example.com'),
    image: {
      repository: 'app',
      tag: { ...manifest, ...tag },
      digest: { ...manifest, reference: ACTUAL },
      blobs: [],
      dotted: [],
      absent: [],
      namespaced: RIGHT,
      missing: { tag: RIGHT, digest: RIGHT, blob: RIGHT },
      tagsList: RIGHT,
      write: RIGHT,
      ...image,
    },
  }
}

function answer(headers: Answer['headers']): Answer {
  const request = 'GET https://registry.example.com/v2/app/manifests/latest'
  return { request, status: 200, headers, bytes: BYTES, whole: true, hops: [] }
}
