import { RegistrishError } from '../errors.ts'
import { quote } from '../oci/digest.ts'

/** Ways of naming an OCI layout or archive that are read without any tool; `ocidir://` is regclient's spelling of `oci:`. */
export type LayoutTransport = 'oci' | 'ocidir' | 'oci-archive' | 'docker-archive'

/** Other transports of containers-transports(5), which skopeo reads. */
export type SkopeoTransport = 'docker' | 'docker-daemon' | 'containers-storage' | 'dir' | 'ostree' | 'sif' | 'tarball'

/** What kind of place a source argument names. `rest` is what follows the transport's colon (for `docker` and `ocidir` its `://`). */
export type SourceName =
  | { readonly kind: 'layout'; readonly transport: LayoutTransport; readonly rest: string }
  | { readonly kind: 'skopeo'; readonly transport: SkopeoTransport; readonly rest: string }
  | { readonly kind: 'registry'; readonly text: string }

const LAYOUTS: Readonly<Record<string, LayoutTransport>> = {
  oci: 'oci',
  ocidir: 'ocidir',
  'oci-archive': 'oci-archive',
  'docker-archive': 'docker-archive',
}

const SKOPEO: Readonly<Record<string, SkopeoTransport>> = {
  docker: 'docker',
  'docker-daemon': 'docker-daemon',
  'containers-storage': 'containers-storage',
  dir: 'dir',
  ostree: 'ostree',
  sif: 'sif',
  tarball: 'tarball',
}

/**
 * Tells layouts and archives from skopeo's other transports and from image names in a registry. A word that is a transport always is one:
 * an image that bears such a name is written with its registry, `docker.io/library/oci:latest`.
 * @throws RegistrishError `usage` where a transport is followed by nothing, or a scheme is not known.
 */
export function parseTransport(text: string): SourceName {
  const word = transportWord(text)
  const transport = Object.hasOwn(LAYOUTS, word) ? LAYOUTS[word] : undefined
  const other = Object.hasOwn(SKOPEO, word) ? SKOPEO[word] : undefined
  if (transport !== undefined) return { kind: 'layout', transport, rest: restOf(text, word) }
  if (other !== undefined) return { kind: 'skopeo', transport: other, rest: restOf(text, word) }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]
  if (scheme === undefined) return { kind: 'registry', text }
  throw new RegistrishError('usage', `no way is known to read ${quote(text)}`, {
    hint:
      scheme === 'http' || scheme === 'https'
        ? 'write the image without its scheme, host/name:tag, and --plain-http for a registry without TLS'
        : 'write an image name, docker://NAME, oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE',
  })
}

/** What stands before the first colon. `docker:24` is an image: the words that want `//` are none without. */
function transportWord(text: string): string {
  const word = text.slice(0, Math.max(0, text.indexOf(':')))
  return WITH_SLASHES.has(word) && !text.startsWith(`${word}://`) ? '' : word
}

const WITH_SLASHES = new Set(['docker', 'ocidir'])

function restOf(text: string, word: string): string {
  const head = `${word}:${WITH_SLASHES.has(word) ? '//' : ''}`
  const rest = text.slice(head.length)
  if (rest !== '') return rest
  throw new RegistrishError('usage', `${quote(text)} names no image`, {
    hint: `write ${head}${EXAMPLES[word] ?? 'NAME'}`,
  })
}

const EXAMPLES: Readonly<Record<string, string>> = {
  oci: 'DIR[:TAG]',
  ocidir: 'DIR[:TAG]',
  'oci-archive': 'FILE[:TAG]',
  'docker-archive': 'FILE[:NAME:TAG]',
  dir: 'DIR',
  docker: 'NAME[:TAG]',
}
