import { manifestTypes, type RepositoryWriter, repositoryWriter, type WrittenDescriptor } from './registry-writer.ts'

/** An artifact that refers to a manifest by its `subject`. */
export interface StoredReferrer {
  readonly repository: string
  /** The digest of the manifest that it refers to. */
  readonly subject: string
  readonly digest: string
  readonly artifactType: string
}

/** The artifact types used. */
export const artifactTypes = {
  signature: 'application/vnd.example.signature.v1',
  sbom: 'application/spdx+json',
} as const

/**
 * Pushes what belongs to `signed`, whose tags `amd64` and `arm64` are there: `latest`, an OCI index of both and of an
 * attestation as BuildKit writes it; artifacts that refer to the index, to its amd64 child and to another artifact; for
 * each subject the fallback tag `sha256-<hex>` (OCI 1.1 "referrers tag schema"), as clients write it where a registry
 * has no referrers API; and the index's tags `sha256-<hex>.sig` and `.att`, as cosign names them.
 */
export async function pushSigned(url: string): Promise<readonly StoredReferrer[]> {
  const writer = repositoryWriter(url, 'signed')
  const amd64 = (await writer.getManifest('amd64')).descriptor
  const arm64 = (await writer.getManifest('arm64')).descriptor
  const attestation = await putAttestation(writer, amd64)
  const index = await putIndex(writer, { amd64, arm64, attestation })
  const signature = await putReferrer(writer, {
    subject: index,
    artifactType: artifactTypes.signature,
    text: 'signed: index',
  })
  const sbom = await putReferrer(writer, {
    subject: index,
    artifactType: artifactTypes.sbom,
    text: '{"spdxVersion":"SPDX-2.3"}',
  })
  const childSbom = await putReferrer(writer, {
    subject: amd64,
    artifactType: artifactTypes.sbom,
    text: '{"name":"amd64"}',
  })
  const sbomSignature = await putReferrer(writer, {
    subject: sbom,
    artifactType: artifactTypes.signature,
    text: 'signed: sbom',
  })
  await putFallbackTag(writer, index, [signature, sbom])
  await putFallbackTag(writer, amd64, [childSbom])
  await putFallbackTag(writer, sbom, [sbomSignature])
  await putCosignImage(writer, {
    tag: `${fallbackTag(index)}.sig`,
    layerType: 'application/vnd.dev.cosign.simplesigning.v1+json',
  })
  await putCosignImage(writer, { tag: `${fallbackTag(index)}.att`, layerType: 'application/vnd.dsse.envelope.v1+json' })
  return [signature, sbom, childSbom, sbomSignature].map(({ subject, digest, artifactType }) => {
    return { repository: 'signed', subject: subject.digest, digest, artifactType }
  })
}

interface AnnotatedDescriptor extends WrittenDescriptor {
  readonly annotations: Readonly<Record<string, string>>
}

interface Referrer extends WrittenDescriptor {
  readonly artifactType: string
  readonly subject: WrittenDescriptor
}

async function putReferrer(
  writer: RepositoryWriter,
  options: { readonly subject: WrittenDescriptor; readonly artifactType: string; readonly text: string },
): Promise<Referrer> {
  const { subject, artifactType, text } = options
  const config = await writer.putBlob('{}', 'application/vnd.oci.empty.v1+json')
  const layers = [await writer.putBlob(text, artifactType)]
  const manifest = { schemaVersion: 2, mediaType: manifestTypes.ociManifest, artifactType, config, layers, subject }
  return { ...(await writer.putManifest(manifest, { mediaType: manifestTypes.ociManifest })), artifactType, subject }
}

async function putFallbackTag(
  writer: RepositoryWriter,
  subject: WrittenDescriptor,
  referrers: readonly Referrer[],
): Promise<void> {
  const manifests = referrers.map(({ subject: _, ...descriptor }) => descriptor)
  const index = { schemaVersion: 2, mediaType: manifestTypes.ociIndex, manifests }
  await writer.putManifest(index, { mediaType: manifestTypes.ociIndex, tag: fallbackTag(subject) })
}

function fallbackTag({ digest }: WrittenDescriptor): string {
  return digest.replace(':', '-')
}

async function putCosignImage(
  writer: RepositoryWriter,
  { tag, layerType }: { readonly tag: string; readonly layerType: string },
): Promise<void> {
  const config = await writer.putBlob(emptyImageConfig, 'application/vnd.oci.image.config.v1+json')
  const payload = await writer.putBlob(`{"critical":{"type":"${layerType}"}}`, layerType)
  const layers = [{ ...payload, annotations: { 'dev.cosignproject.cosign/signature': 'bm90IGEgcmVhbCBvbmU=' } }]
  const manifest = { schemaVersion: 2, mediaType: manifestTypes.ociManifest, config, layers }
  await writer.putManifest(manifest, { mediaType: manifestTypes.ociManifest, tag })
}

async function putAttestation(writer: RepositoryWriter, of: WrittenDescriptor): Promise<AnnotatedDescriptor> {
  const config = await writer.putBlob(emptyImageConfig, 'application/vnd.oci.image.config.v1+json')
  const statement = await writer.putBlob(
    '{"_type":"https://in-toto.io/Statement/v0.1"}',
    'application/vnd.in-toto+json',
  )
  const layers = [{ ...statement, annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v0.2' } }]
  const manifest = { schemaVersion: 2, mediaType: manifestTypes.ociManifest, config, layers }
  const descriptor = await writer.putManifest(manifest, { mediaType: manifestTypes.ociManifest })
  const annotations = {
    'vnd.docker.reference.digest': of.digest,
    'vnd.docker.reference.type': 'attestation-manifest',
  }
  return { ...descriptor, annotations }
}

async function putIndex(
  writer: RepositoryWriter,
  children: {
    readonly amd64: WrittenDescriptor
    readonly arm64: WrittenDescriptor
    readonly attestation: WrittenDescriptor
  },
): Promise<WrittenDescriptor> {
  const manifests = [
    { ...children.amd64, platform: { architecture: 'amd64', os: 'linux' } },
    { ...children.arm64, platform: { architecture: 'arm64', os: 'linux' } },
    { ...children.attestation, platform: { architecture: 'unknown', os: 'unknown' } },
  ]
  const index = { schemaVersion: 2, mediaType: manifestTypes.ociIndex, manifests }
  return writer.putManifest(index, { mediaType: manifestTypes.ociIndex, tag: 'latest' })
}

const emptyImageConfig = JSON.stringify({
  architecture: 'unknown',
  os: 'unknown',
  config: {},
  rootfs: { type: 'layers', diff_ids: [] },
})
