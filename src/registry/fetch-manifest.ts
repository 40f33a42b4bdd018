import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import { algorithmOf, asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest } from '../oci/manifest.ts'
import { isMediaType, MANIFEST_TYPES } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import { contentTypeOf, lengthOf, readApiErrors, statusError } from './answer.ts'
import type { Connection } from './connection.ts'
import { suggestTags } from './tags.ts'

/** A manifest as a registry sent it. */
export interface FetchedManifest {
  readonly bytes: Uint8Array
  /** Its Content-Type; where there was none, what the bytes say. */
  readonly mediaType: string
  /** As the registry names it, else sha256; always that of `bytes`. */
  readonly digest: Digest
}

/** A manifest's place: a tag or digest of a repository. */
export interface Place {
  readonly repository: string
  readonly reference: string
}

/** All four types, lest registries rewrite what they send (facts of distribution's manifest handler). */
const ACCEPT = MANIFEST_TYPES.join(', ')

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

/** What HEAD and GET of a manifest have in common. */
export function requestFor(
  connection: Connection,
  place: Place,
  { signal }: CallOptions,
): { what: string; repository: string; path: string; headers: { accept: string }; signal: AbortSignal | undefined } {
  const { repository, reference } = place
  const path = `/v2/${repository}/manifests/${reference}`
  return { what: nameOf(connection, place), repository, path, headers: { accept: ACCEPT }, signal }
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

/** A manifest's place for messages: `docker.io/library/alpine:3`. */
export function nameOf({ registry }: Connection, { repository, reference }: Place): string {
  return `${registry}/${repository}${asDigest(reference) === undefined ? ':' : '@'}${reference}`
}

/** The error for a manifest that is larger than any client takes. */
export function tooLarge({ repository, reference }: Place): RegistrishError {
  return new RegistrishError(
    'manifest-invalid',
    `the manifest ${reference} of ${repository} is larger than ${LARGEST_MANIFEST} bytes, more than clients take`,
    {
      side: 'source',
    },
  )
}

/** The error for bytes or headers that are not those of a digest. */
export function mismatch(message: string): RegistrishError {
  return new RegistrishError('digest-mismatch', message, {
    side: 'source',
    hint: 'the registry is damaged, or something on the way changes its answers; nothing of it was kept',
  })
}
