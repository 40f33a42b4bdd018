import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest } from '../oci/manifest.ts'
import { isManifestType, isMediaType, MANIFEST_TYPES } from '../oci/media-types.ts'
import { parseRepositoryName, parseTag } from '../oci/name.ts'
import type { CallOptions, Content } from '../oci/source.ts'
import { contentTypeOf, lengthOf, readApiErrors, statusError } from './answer.ts'
import type { Connection } from './connection.ts'
import { suggestTags } from './tags.ts'

/** A registry and the manifests that were read of it but not yet opened. */
export interface ManifestContext {
  readonly connection: Connection
  /** By repository and digest; see {@link resolveManifest}. */
  readonly held: Map<string, FetchedManifest>
}

/** A manifest as a registry sent it. */
export interface FetchedManifest {
  readonly bytes: Uint8Array
  /** Its Content-Type; where there was none, what the bytes say. */
  readonly mediaType: string
  /** As the registry names it, else sha256; always that of `bytes`. */
  readonly digest: Digest
}

/** A manifest's place: a tag or digest of a repository. */
interface Place {
  readonly repository: string
  readonly reference: string
}

/** All four types, lest registries rewrite what they send (facts of distribution's manifest handler). */
const ACCEPT = MANIFEST_TYPES.join(', ')

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

/** Reads a manifest by GET and checks its bytes against every digest that names it. */
export async function fetchManifest(
  connection: Connection,
  place: Place,
  options: CallOptions,
): Promise<FetchedManifest> {
  return connection.exchange({
    ...requestFor(connection, place, options),
    read: async response =>
      response.status === 200
        ? readManifest(connection, response, place)
        : Promise.reject(await failure(connection, response, place)),
  })
}

function requestFor(
  connection: Connection,
  place: Place,
  { signal }: CallOptions,
): { what: string; repository: string; path: string; headers: { accept: string }; signal: AbortSignal | undefined } {
  const { repository, reference } = place
  const path = `/v2/${repository}/manifests/${reference}`
  return { what: nameOf(connection, place), repository, path, headers: { accept: ACCEPT }, signal }
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

async function readManifest(connection: Connection, response: HttpResponse, place: Place): Promise<FetchedManifest> {
  const name = nameOf(connection, place)
  const encoding = response.header('content-encoding') ?? 'identity'
  if (encoding !== 'identity') {
    await response.discard()
    throw new RegistrishError(
      'bad-answer',
      `${response.url.host} sends ${name} with Content-Encoding ${encoding}, which it was asked not to`,
      {
        side: 'source',
        hint: 'manifests must be served as they are: switch compression off there',
      },
    )
  }
  const bytes = await readLimited(response, place)
  const stated = asDigest(response.header('docker-content-digest'))
  const wanted = asDigest(place.reference)
  for (const expected of new Set([stated, wanted])) {
    const actual = expected === undefined ? undefined : digestOf(bytes, algorithmOf(expected))
    if (actual !== expected) {
      throw mismatch(`${name}: what ${response.url.host} sends is not ${expected}, but ${actual}`)
    }
  }
  const mediaType = contentTypeOf(response)
  return {
    bytes,
    mediaType: isMediaType(mediaType) ? mediaType : parseManifest(bytes).mediaType,
    digest: wanted ?? stated ?? digestOf(bytes),
  }
}

async function readLimited(response: HttpResponse, place: Place): Promise<Uint8Array> {
  try {
    if ((lengthOf(response) ?? 0) <= LARGEST_MANIFEST) return await response.bytes(LARGEST_MANIFEST)
  } catch (error) {
    if (isRegistrishError(error, 'bad-answer')) throw tooLarge(place)
    throw error
  }
  await response.discard()
  throw tooLarge(place)
}

/** A manifest that is served as one kind where its parent says another is refused, even where its bytes hash right. Types that say nothing are let pass. */
function refuseContradiction({ mediaType }: FetchedManifest, descriptor: Descriptor, name: string): void {
  if (!isManifestType(mediaType) || mediaType === descriptor.mediaType || !isMediaType(descriptor.mediaType)) return
  if (MEANINGLESS.has(descriptor.mediaType)) return
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

async function failure(connection: Connection, response: HttpResponse, place: Place): Promise<RegistrishError> {
  const { repository, reference } = place
  const name = `${connection.registry}/${repository}`
  if (response.status !== 404) return statusError(connection, response, { what: nameOf(connection, place), repository })
  const { codes, text } = await readApiErrors(response)
  const said = text === '' ? '' : ` (${text})`
  if (codes.includes('NAME_UNKNOWN')) {
    return new RegistrishError('not-found', `${connection.registry} has no repository called ${repository}${said}`, {
      side: 'source',
      hint: 'check the spelling of the name',
    })
  }
  if (asDigest(reference) !== undefined) {
    return new RegistrishError('not-found', `${name} has no manifest ${reference}${said}`, { side: 'source' })
  }
  return new RegistrishError('not-found', `${name} has no tag "${reference}"${said}`, {
    side: 'source',
    hint: await suggestTags(connection, repository, reference),
  })
}

function hold(held: Map<string, FetchedManifest>, repository: string, manifest: FetchedManifest): void {
  held.set(keyOf(repository, manifest.digest), manifest)
  const [oldest] = held.keys()
  if (held.size > MOST_HELD && oldest !== undefined) held.delete(oldest)
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`
}

function nameOf({ registry }: Connection, { repository, reference }: Place): string {
  return `${registry}/${repository}${asDigest(reference) === undefined ? ':' : '@'}${reference}`
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}

function tooLarge({ repository, reference }: Place): RegistrishError {
  return new RegistrishError(
    'manifest-invalid',
    `the manifest ${reference} of ${repository} is larger than ${LARGEST_MANIFEST} bytes, more than clients take`,
    {
      side: 'source',
    },
  )
}

function mismatch(message: string): RegistrishError {
  return new RegistrishError('digest-mismatch', message, {
    side: 'source',
    hint: 'the registry is damaged, or something on the way changes its answers; nothing of it was kept',
  })
}
