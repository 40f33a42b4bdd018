import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, asDigest, type Digest } from '../oci/digest.ts'
import { LARGEST_MANIFEST } from '../oci/manifest.ts'
import { isMediaType } from '../oci/media-types.ts'
import { parseRepositoryName, parseTag } from '../oci/name.ts'
import type { CallOptions, Content } from '../oci/source.ts'
import { contentTypeOf, lengthOf } from './answer.ts'
import type { Connection } from './connection.ts'
import {
  type FetchedManifest,
  fetchManifest,
  mismatch,
  nameOf,
  type Place,
  requestFor,
  tooLarge,
} from './fetch-manifest.ts'

/** A registry and the manifests that were read of it but not yet opened. */
export interface ManifestContext {
  readonly connection: Connection
  /** By repository and digest; see {@link resolveManifest}. */
  readonly held: Map<string, FetchedManifest>
}

/** Most manifests that wait to be opened. */
const MOST_HELD = 64

/**
 * What a tag or digest stands for, by HEAD; where that does not say enough, by GET, whose bytes are then kept for the `open` that follows.
 * @throws RegistrishError `not-found`, `unauthorized`, `digest-mismatch`, `manifest-invalid`, and what the connection throws.
 */
export async function resolveManifest(
  context: ManifestContext,
  place: Place,
  options: CallOptions,
): Promise<Descriptor> {
  const { repository, reference } = place
  parseRepositoryName(repository)
  const wanted = asDigest(reference)
  if (wanted === undefined) parseTag(reference)
  const known = await context.connection.exchange({
    ...requestFor(context.connection, place, options),
    method: 'HEAD',
    async read(response) {
      await response.discard()
      return response.status === 200 ? describeByHeaders(response, wanted, place) : undefined
    },
  })
  if (known !== undefined) return known
  const manifest = await fetchManifest(context.connection, place, options)
  hold(context.held, repository, manifest)
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.bytes.length }
}

/** Opens a manifest by its digest; from what {@link resolveManifest} has kept, where it has. It is read whole before, so that a broken connection is mended here. */
export async function openManifest(
  context: ManifestContext,
  repository: string,
  { descriptor, signal }: { readonly descriptor: Descriptor; readonly signal?: AbortSignal | undefined },
): Promise<Content> {
  const { digest } = descriptor
  const key = keyOf(repository, digest)
  const held = context.held.get(key)
  context.held.delete(key)
  const place = { repository: parseRepositoryName(repository), reference: digest }
  const options = signal === undefined ? {} : { signal }
  const manifest = held ?? (await fetchManifest(context.connection, place, options))
  refuseContradiction(manifest, descriptor, nameOf(context.connection, place))
  return { offset: 0, body: once(manifest.bytes) }
}

/** The descriptor that headers give; undefined where they do not say enough. */
function describeByHeaders(response: HttpResponse, wanted: Digest | undefined, place: Place): Descriptor | undefined {
  const size = lengthOf(response)
  const mediaType = contentTypeOf(response)
  const stated = asDigest(response.header('docker-content-digest'))
  if (wanted !== undefined && stated !== undefined) refuseOther(stated, wanted, place)
  const digest = wanted ?? stated
  if (digest === undefined || size === undefined || !isMediaType(mediaType)) return undefined
  if (size > LARGEST_MANIFEST) throw tooLarge(place)
  return { mediaType, digest, size }
}

/** A manifest that is served as one kind where its parent says another is refused, even where its bytes hash right. Types that say nothing are let pass. */
function refuseContradiction({ mediaType }: FetchedManifest, descriptor: Descriptor, name: string): void {
  if (mediaType === descriptor.mediaType || !isMediaType(descriptor.mediaType)) return
  if (MEANINGLESS.has(mediaType) || MEANINGLESS.has(descriptor.mediaType)) return
  throw new RegistrishError(
    'manifest-invalid',
    `${name} is served as ${mediaType}, but was announced as ${descriptor.mediaType}`,
    {
      side: 'source',
      hint: 'a client would refuse it; the image has to be pushed again, or the registry mended',
    },
  )
}

/** Content types of plain file servers, which resolve hands on. */
const MEANINGLESS = new Set(['application/octet-stream', 'binary/octet-stream', 'application/json', 'text/plain'])

function refuseOther(stated: Digest, wanted: Digest, { repository }: Place): void {
  if (algorithmOf(stated) === algorithmOf(wanted) && stated !== wanted) {
    throw mismatch(`asked for ${wanted} of ${repository}, the registry answers with ${stated}`)
  }
}

function hold(held: Map<string, FetchedManifest>, repository: string, manifest: FetchedManifest): void {
  held.set(keyOf(repository, manifest.digest), manifest)
  const [oldest] = held.keys()
  if (held.size > MOST_HELD && oldest !== undefined) held.delete(oldest)
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
