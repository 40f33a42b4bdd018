import { RegistrishError } from '../errors.ts'
import { type Descriptor, isRecord, parseAnnotations, parseDescriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { isIndexType, isManifestType, isMediaType, isSchema1Type, OCI_INDEX, OCI_MANIFEST } from './media-types.ts'

/** Largest manifest that is taken, in bytes: what containers/image and containerd take at most (4 MiB; distribution spec, "Pushing Manifests"). */
export const LARGEST_MANIFEST: number = 4 * 1024 * 1024

interface Common {
  /** The Content-Type it is served with: a function of its bytes (its `mediaType`, else by shape). */
  readonly mediaType: string
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: Descriptor
}

/** An image index or Docker manifest list: a manifest of manifests. */
export interface IndexManifest extends Common {
  readonly kind: 'index'
  readonly manifests: readonly Descriptor[]
}

/** An image manifest or artifact: a manifest of blobs. */
export interface ImageManifest extends Common {
  readonly kind: 'image'
  readonly config?: Descriptor
  /** `layers`, or the `blobs` of the withdrawn OCI artifact manifest. */
  readonly layers: readonly Descriptor[]
}

export type Manifest = IndexManifest | ImageManifest

/**
 * Parses a manifest of any kind from its exact bytes.
 * Shape decides the kind; a body with both `manifests` and `layers`, `config` or `blobs` is refused (OCI image spec security advisory GHSA-77vh-xpmg-72qh).
 * @throws RegistrishError `manifest-invalid`, or `unsupported` for Docker schema 1.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const body = parseJson(bytes)
  refuseSchema1(body)
  const isIndex = 'manifests' in body
  const blobs = ['config', 'layers', 'blobs'].filter(key => key in body)
  if (isIndex && blobs.length > 0) throw invalid(`it has both "manifests" and "${blobs.join('", "')}"`)
  if (!isIndex && blobs.length === 0) throw invalid('it has neither "manifests" nor "layers"')
  const mediaType = mediaTypeOf(body, isIndex)
  const annotations = parseAnnotations(body['annotations'], 'manifest')
  const common: Common = {
    mediaType,
    ...(typeof body['artifactType'] === 'string' && body['artifactType'] !== ''
      ? { artifactType: body['artifactType'] }
      : {}),
    ...(annotations === undefined ? {} : { annotations }),
    ...(isRecord(body['subject']) ? { subject: parseDescriptor(body['subject'], 'subject') } : {}),
  }
  if (isIndex) return { ...common, kind: 'index', manifests: parseList(body, 'manifests') }
  return {
    ...common,
    kind: 'image',
    ...(isRecord(body['config']) ? { config: parseDescriptor(body['config'], 'config') } : {}),
    layers: [...parseList(body, 'layers'), ...parseList(body, 'blobs')],
  }
}

/** Every descriptor that a manifest points to except its subject, in order: children, or config and layers. */
export function* references(manifest: Manifest): Generator<Descriptor> {
  if (manifest.kind === 'index') {
    yield* manifest.manifests
    return
  }
  if (manifest.config !== undefined) yield manifest.config
  yield* manifest.layers
}

/** The digest that a buildx attestation in an index is about (BuildKit attestation-storage.md), or undefined for an ordinary child. */
export function attestedDigest(child: Descriptor): string | undefined {
  return child.annotations?.['vnd.docker.reference.digest']
}

/** The descriptor of a manifest as a referrers list states it (distribution spec, "Listing Referrers"): with its artifact type (else its config's media type) and annotations. */
export function referrerDescriptor(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const config = manifest.kind === 'image' ? manifest.config?.mediaType : undefined
  const artifactType = manifest.artifactType ?? config
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  }
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length > LARGEST_MANIFEST)
    throw invalid(`it has ${bytes.length} bytes; clients take ${LARGEST_MANIFEST} at most`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw new RegistrishError('manifest-invalid', 'the manifest is not JSON', { cause })
  }
  if (!isRecord(value)) throw invalid('it is not a JSON object')
  return value
}

function refuseSchema1(body: Record<string, unknown>): void {
  const { mediaType } = body as { mediaType?: unknown }
  if (body['schemaVersion'] !== 1 && !(typeof mediaType === 'string' && isSchema1Type(mediaType))) return
  throw new RegistrishError('unsupported', 'this is a Docker schema 1 manifest, a format that engines no longer pull', {
    hint: 'push the image again with a current engine, or convert it: skopeo copy --format v2s2 docker://OLD docker://NEW',
    side: 'source',
  })
}

function mediaTypeOf(body: Record<string, unknown>, isIndex: boolean): string {
  const declared = body['mediaType']
  if (declared === undefined || declared === '') return isIndex ? OCI_INDEX : OCI_MANIFEST
  if (!isMediaType(declared)) throw invalid('its "mediaType" is not a media type')
  if (isManifestType(declared) && isIndexType(declared) !== isIndex) {
    throw invalid(
      `its "mediaType" says ${declared}, but its shape is that of ${isIndex ? 'an index' : 'an image manifest'}`,
    )
  }
  return declared
}

function parseList(body: Record<string, unknown>, key: string): readonly Descriptor[] {
  const list = body[key]
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw invalid(`"${key}" is not a list`)
  return list.map((item, position) => parseDescriptor(item, `${key}[${position}]`))
}

function invalid(reason: string): RegistrishError {
  return new RegistrishError('manifest-invalid', `the manifest is invalid: ${reason}`)
}
