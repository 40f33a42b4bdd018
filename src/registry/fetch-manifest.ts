import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import { algorithmOf, asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest } from '../oci/manifest.ts'
import { isMediaType, MANIFEST_TYPES } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import { contentTypeOf, encodedError, encodingOf, lengthOf, readApiErrors, statusError } from './answer.ts'
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
  const encoding = encodingOf(response)
  if (encoding !== undefined) {
    await response.discard()
    throw encodedError(response, encoding, name)
  }
  const bytes = await readLimited(response, place)
  if (isWebPage(response, bytes)) throw webPage(response, name)
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

/** A login page of a network or proxy comes with 200 for every address. A server that only guesses a wrong type by a tag's ending sends a manifest all the same. */
function isWebPage(response: HttpResponse, bytes: Uint8Array): boolean {
  if (!/^(?:text\/html|application\/xhtml\+xml)$/.test(contentTypeOf(response))) return false
  return /^\ufeff?\s*</.test(new TextDecoder().decode(bytes.subarray(0, 256)))
}

function webPage({ url }: HttpResponse, name: string): RegistrishError {
  return new RegistrishError('bad-answer', `${url.host} sends a web page (HTML) in place of ${name}`, {
    side: 'source',
    hint: 'does a login page of the network or a proxy stand in between, or is that no registry?',
  })
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
  if (codes.includes('NAME_UNKNOWN')) return noRepository(connection, repository, said)
  if (asDigest(reference) !== undefined) {
    return new RegistrishError('not-found', `${name} has no manifest ${reference}${said}`, {
      side: 'source',
      hint: 'check the digest; if it comes from the registry itself, a part of the image is lost there and has to be pushed again',
    })
  }
  // Registries that answer alike for a tag and a repository that are not there know the difference when they list tags.
  const hint = await suggestTags(connection, repository, reference)
  if (hint === undefined) return noRepository(connection, repository, said)
  return new RegistrishError('not-found', `${name} has no tag "${reference}"${said}`, { side: 'source', hint })
}

function noRepository({ registry }: Connection, repository: string, said: string): RegistrishError {
  return new RegistrishError('not-found', `${registry} has no repository called ${repository}${said}`, {
    side: 'source',
    hint: 'check the spelling of the name',
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
    { side: 'source', hint: 'an image of so many parts has to be split' },
  )
}

/** The error for bytes or headers that are not those of a digest. */
export function mismatch(message: string): RegistrishError {
  return new RegistrishError('digest-mismatch', message, {
    side: 'source',
    hint: 'the registry is damaged, or something on the way changes its answers; nothing of it was kept',
  })
}
