import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, asDigest } from '../oci/digest.ts'
import { parseRepositoryName } from '../oci/name.ts'
import type { Content } from '../oci/source.ts'
import { encodedError, encodingOf, lengthOf, statusError } from './answer.ts'
import type { Connection } from './connection.ts'

/** Which blob is wanted, from which byte on. */
export interface BlobRequest {
  readonly repository: string
  readonly descriptor: Descriptor
  readonly offset: number
  /** As of the same name in OpenOptions. */
  readonly reuse?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What an answer came to: bytes; or that it has to be asked for again, from the first byte or with a new redirect; or that it is not there. */
type Outcome = Content | 'whole' | 'expired' | 'missing'

/**
 * Opens a blob from a byte on (distribution spec, "Pulling blobs"; RFC 9110 §14 for ranges); a registry that does not skip is read from the first. A foreign layer that
 * the registry does not hold is `not-found` like any other: clients get it at its `urls`. Connections that break are the caller's business, who can resume.
 * @throws RegistrishError `not-found`, `size-mismatch`, `digest-mismatch`, and what the connection throws.
 */
export async function openBlob(connection: Connection, request: BlobRequest): Promise<Content> {
  const { repository, descriptor, reuse, signal } = request
  const what = `blob ${descriptor.digest} of ${connection.registry}/${repository}`
  let offset = request.offset
  let isRenewed = false
  for (;;) {
    const outcome: Outcome = await connection.exchange({
      what,
      repository: parseRepositoryName(repository),
      path: `/v2/${repository}/blobs/${descriptor.digest}`,
      headers: rangeFrom(offset),
      reuse,
      signal,
      onlyAnswers: true,
      async read(response, isElsewhere) {
        const read = await readAnswer(response, { descriptor, offset, what })
        if (read !== undefined) return read
        if (isElsewhere && EXPIRED.has(response.status) && !isRenewed) {
          await response.discard()
          return 'expired'
        }
        throw await statusError(connection, response, { what, repository })
      },
    })
    if (typeof outcome === 'object') return outcome
    if (outcome === 'missing') throw missing(what)
    if (outcome === 'whole') offset = 0
    if (outcome === 'expired') isRenewed = true
  }
}

/** Statuses of stores behind a registry for a signed address that has expired: S3 and Azure 403, Google 400. A new redirect has a new one. */
const EXPIRED = new Set([400, 401, 403])

interface Expected {
  readonly descriptor: Descriptor
  readonly offset: number
  readonly what: string
}

/** undefined for statuses that mean neither bytes nor their absence. */
async function readAnswer(response: HttpResponse, expected: Expected): Promise<Outcome | undefined> {
  const { status } = response
  if (status === 404) {
    await response.discard()
    return 'missing'
  }
  if (status !== 200 && status !== 206) {
    if (status !== 416 || expected.offset === 0) return undefined
    await response.discard()
    return 'whole'
  }
  try {
    refuseOther(response, expected)
    return await readBytes(response, expected)
  } catch (error) {
    await response.discard()
    throw error
  }
}

async function readBytes(response: HttpResponse, { descriptor, offset, what }: Expected): Promise<Content | 'whole'> {
  if (response.status === 200) {
    refuseCompressed(response, descriptor, what)
    checkSize(lengthOf(response), descriptor, { what, response })
    return { offset: 0, body: response.body }
  }
  const range = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/i.exec(response.header('content-range')?.trim() ?? '')
  if (offset > 0 && range !== null) {
    checkSize(range[2] === '*' ? undefined : Number(range[2]), descriptor, { what, response })
    if (Number(range[1]) === offset) return { offset, body: response.body }
  }
  if (offset === 0)
    throw new RegistrishError('bad-answer', `${response.url.host} sends only a part of ${what}`, {
      side: 'source',
      hint: 'it was asked for the whole: the registry, or what stands before it, has to be mended',
    })
  // A part that is not the one asked for, or several in one: the whole is understood by all.
  await response.discard()
  return 'whole'
}

/** Bytes that were compressed on the way are not the blob's. A store that says so of what it keeps, and sends just that, is believed: its length is right. */
function refuseCompressed(response: HttpResponse, { size }: Descriptor, what: string): void {
  const encoding = encodingOf(response)
  if (encoding !== undefined && lengthOf(response) !== size) throw encodedError(response, encoding, what)
}

function checkSize(
  size: number | undefined,
  descriptor: Descriptor,
  { what, response }: { readonly what: string; readonly response: HttpResponse },
): void {
  if (size === undefined || size === descriptor.size) return
  throw new RegistrishError(
    'size-mismatch',
    `${what} should have ${descriptor.size} bytes, but ${response.url.host} has ${size}`,
    {
      side: 'source',
      hint: 'the registry is damaged, or something on the way changes its answers; nothing of it was kept',
    },
  )
}

function refuseOther(response: HttpResponse, { descriptor: { digest }, what }: Expected): void {
  const stated = asDigest(response.header('docker-content-digest'))
  if (stated === undefined || stated === digest || algorithmOf(stated) !== algorithmOf(digest)) return
  throw new RegistrishError('digest-mismatch', `asked for ${what}, ${response.url.host} answers with ${stated}`, {
    side: 'source',
    hint: 'the registry is damaged, or something on the way changes its answers; nothing of it was kept',
  })
}

function rangeFrom(offset: number): Readonly<Record<string, string>> {
  return offset === 0 ? {} : { range: `bytes=${offset}-` }
}

function missing(what: string): RegistrishError {
  return new RegistrishError('not-found', `${what} is not there`, {
    side: 'source',
    hint: 'the registry has lost a part of the image: it has to be pushed again',
  })
}
