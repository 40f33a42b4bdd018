import { formatApiError } from '../oci/api-error.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { Route, RouteFamily, RouteKind } from '../tree/route.ts'
import type { EmittedLink, LinkFarm, TextFile } from './emitter.ts'
import { fallbackFiles, manifestOf } from './route-parts.ts'

/** Where Apache's links stand, below the web root. */
export const LINKS = '/apache/links'

/** Root-relative path of the answer to what would write. */
export const READ_ONLY = 'apache/links/:/405'

/** Root-relative path of nothing, which stands for all that is unknown. */
export const ABSENT = 'apache/links/:/nothing'

/** Root-relative path of the answer where the tree has no file for a path of that kind: no repository is called so. */
export function fallbackPath(kind: RouteKind): string {
  return `${apacheFarm.folderOf('')}/${kind}`
}

/**
 * `app:/<type>:<subtype>/<digest>` is the manifest itself: where it stands says its media type, and a digest has no extension that mod_mime could take for anything.
 * `app:/latest` is a small file that says which of them the tag names, since Apache cannot tell where a symbolic link leads; so is `app:/<digest>` for other than the four usual types.
 */
export const apacheFarm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *files(families: readonly RouteFamily[]): Generator<TextFile> {
    yield { type: 'text', path: READ_ONLY, text: formatApiError('UNSUPPORTED') }
    yield* fallbackFiles(families, apacheFarm.folderOf(''))
  },
  *links(route: Route): Generator<EmittedLink> {
    const manifest = manifestOf(route)
    if (manifest === undefined) return
    const { kind, repository, reference, digest, type, mediaType, file } = manifest
    const folder = apacheFarm.folderOf(repository)
    yield { type: 'link', path: `${folder}/${type}/${digest}`, to: file, digest }
    if (kind === 'tag' || !isManifestType(mediaType))
      yield { type: 'text', path: `${folder}/${reference}`, text: `${type}/${digest}\n` }
  },
}
