import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, type Digest, digestOf, quote } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest } from '../oci/manifest.ts'
import type { StoredManifest } from '../tree/tree.ts'
import type { CopyContext, CopyRequest } from './context.ts'

/** A manifest that was read and verified. */
export interface LoadedManifest {
  readonly bytes: Uint8Array
  readonly manifest: Manifest
  /** Whether the tree's repository has it. */
  readonly present: boolean
}

/** Which manifest is to be read, for whom. */
interface Loading {
  readonly request: CopyRequest
  readonly descriptor: Descriptor
}

/** Content types that say nothing about a manifest: what plain file servers send. */
const MEANINGLESS = new Set(['', 'application/octet-stream', 'application/json', 'text/plain', 'binary/octet-stream'])

const DAMAGED = 'the source is damaged or something on the way changes its answers; nothing of it was kept'

/**
 * Reads a manifest from the tree, else from the source, within the limit, and verifies it: digest, size, media type.
 * @throws RegistrishError `not-found`, `digest-mismatch`, `size-mismatch`, `manifest-invalid`, `unsupported` for schema 1, and what the source throws.
 */
export async function loadManifest(
  context: CopyContext,
  limit: <T>(action: () => Promise<T>) => Promise<T>,
  { request, descriptor }: Loading,
): Promise<LoadedManifest> {
  const present = await loadPresent(context, request, descriptor)
  if (present !== undefined) return present
  const { source, signal, totals } = context
  const { digest, size } = descriptor
  if (size > LARGEST_MANIFEST) throw tooLarge(digest)
  const bytes = await limit(async () => {
    const { body } = await source.open(request.repository, descriptor, { kind: 'manifest', signal })
    return readLimited(body, descriptor)
  })
  const found = digestOf(bytes, algorithmOf(digest))
  if (found !== digest) {
    throw new RegistrishError(
      'digest-mismatch',
      `${source.title} sent other bytes for manifest ${digest} of ${request.repository}: those of ${found}`,
      { side: 'source', hint: DAMAGED },
    )
  }
  const manifest = parseFrom(context, request, { bytes, digest })
  checkType(descriptor, manifest)
  totals.manifestsFetched += 1
  totals.bytesFetched += bytes.length
  return { bytes, manifest, present: false }
}

/** Reads a manifest from the tree; undefined where it is not there. A damaged one counts as absent and is replaced. A descriptor that says otherwise is refused as from a source. */
export async function loadPresent(
  context: CopyContext,
  request: CopyRequest,
  descriptor: Descriptor,
): Promise<LoadedManifest | undefined> {
  const stored = await readStored(context, request, descriptor.digest)
  if (stored === undefined) return undefined
  if (stored.bytes.length !== descriptor.size) throw wrongSize(descriptor, `it has ${stored.bytes.length}`)
  checkType(descriptor, stored.manifest)
  return { bytes: stored.bytes, manifest: stored.manifest, present: true }
}

async function readStored(
  context: CopyContext,
  request: CopyRequest,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  try {
    return await context.tree.manifest(request.target, digest, { mayBeOld: true })
  } catch (error) {
    if (isRegistrishError(error, 'digest-mismatch', 'manifest-invalid')) return undefined
    throw error
  }
}

async function readLimited(body: AsyncIterable<Uint8Array>, descriptor: Descriptor): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > descriptor.size) throw wrongSize(descriptor, 'the source sent more')
    chunks.push(chunk)
  }
  if (length < descriptor.size) throw wrongSize(descriptor, `the source sent ${length}`)
  return Buffer.concat(chunks, length)
}

function parseFrom(
  context: CopyContext,
  request: CopyRequest,
  { bytes, digest }: { readonly bytes: Uint8Array; readonly digest: Digest },
): Manifest {
  try {
    return parseManifest(bytes)
  } catch (error) {
    if (!isRegistrishError(error)) throw error
    throw new RegistrishError(error.code, `${context.source.title}/${request.repository}@${digest}: ${error.message}`, {
      side: 'source',
      cause: error,
      hint: error.hint ?? 'no client would pull it: the image has to be built and pushed again',
    })
  }
}

/** A manifest's type is a function of its bytes; a source that says otherwise is refused (design §4). */
function checkType({ mediaType, digest }: Descriptor, manifest: Manifest): void {
  if (mediaType === manifest.mediaType || MEANINGLESS.has(mediaType)) return
  throw new RegistrishError(
    'manifest-invalid',
    `the source says that ${digest} is ${quote(mediaType)}, but its bytes are ${manifest.mediaType}`,
    {
      side: 'source',
      hint: 'a client would refuse it; the image has to be pushed again, or the registry in between mended',
    },
  )
}

function wrongSize({ digest, size }: Descriptor, but: string): RegistrishError {
  return new RegistrishError('size-mismatch', `manifest ${digest} should have ${size} bytes, but ${but}`, {
    side: 'source',
    hint: DAMAGED,
  })
}

function tooLarge(digest: Digest): RegistrishError {
  return new RegistrishError(
    'manifest-invalid',
    `manifest ${digest} is larger than ${LARGEST_MANIFEST} bytes, more than clients take`,
    { side: 'source', hint: 'an image of so many parts has to be split' },
  )
}
