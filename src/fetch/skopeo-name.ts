import { isRegistrishError, RegistrishError } from '../errors.ts'
import { parseTransport, type SkopeoTransport } from '../layout/transport.ts'
import { asDigest, quote } from '../oci/digest.ts'
import { parseTag } from '../oci/name.ts'
import { parseReference, type Reference } from '../oci/reference.ts'

/** An image as skopeo is asked for it (containers-transports(5)). */
export interface SkopeoName {
  /** With its transport: `docker://docker.io/library/alpine`, `dir:/tmp/image`. Without tag and digest where {@link named} says so. */
  readonly image: string
  readonly transport: string
  /** Whether tags and digests may be put behind `image`; a transport of files names one image as it stands. */
  readonly named: boolean
  /** The registry and the repository, where the transport has names. */
  readonly reference?: Reference
}

/** Transports whose images have names, and what stands between the transport's colon and the name. */
const NAMED: ReadonlySet<string> = new Set<SkopeoTransport>(['docker', 'docker-daemon', 'containers-storage'])

/**
 * Parses what `--via skopeo` is asked for: any transport of skopeo, or an image name, which is `docker://`.
 * `reference` has the tag and the digest of the text, if any.
 * @throws RegistrishError `usage` or `name-invalid`.
 */
export function parseSkopeoName(text: string): SkopeoName {
  const name = parseTransport(text)
  if (name.kind === 'registry') return withName('docker', '//', name.text)
  const { transport, rest } = name
  if (transport === 'ocidir') return { image: `oci:${rest}`, transport: 'oci', named: false }
  if (!NAMED.has(transport)) return { image: text, transport, named: false }
  const [store, image] = splitStore(transport, rest)
  // An image id, of an engine (`sha256:…`) or of a store (`@…`), is no name: it stands for one image.
  if (/^(?:sha256:|@)/.test(image)) return { image: text, transport, named: false }
  return withName(transport, transport === 'docker' ? '//' : store, image)
}

/**
 * The image that a tag or digest stands for, as an argument of skopeo's.
 * @throws RegistrishError `name-invalid` for a text that is neither.
 */
export function skopeoArgument({ image, named }: SkopeoName, reference: string): string {
  const digest = asDigest(reference)
  if (!named) return image
  return digest === undefined ? `${image}:${parseTag(reference)}` : `${image}@${digest}`
}

/** Splits `[driver@/root+/run]name`, the way a storage is named, into its two parts. */
function splitStore(transport: SkopeoTransport | string, rest: string): readonly [store: string, image: string] {
  if (transport !== 'containers-storage' || !rest.startsWith('[')) return ['', rest]
  const end = rest.indexOf(']')
  if (end > 0) return [rest.slice(0, end + 1), rest.slice(end + 1)]
  throw new RegistrishError('usage', `the storage in ${quote(rest)} has no "]"`, {
    hint: 'write containers-storage:[driver@/graph/root+/run/root]NAME[:TAG]',
  })
}

function withName(transport: string, before: string, text: string): SkopeoName {
  try {
    const reference = parseReference(text)
    const image = `${transport}:${before}${reference.registry}/${reference.repository}`
    return { image, transport, named: true, reference }
  } catch (error) {
    if (!isRegistrishError(error, 'name-invalid') || transport === 'docker') throw error
    throw new RegistrishError(error.code, `${transport}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    })
  }
}
