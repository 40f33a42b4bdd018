import { formatApiError } from '../oci/api-error.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { Route, RouteFamily, RouteKind } from '../tree/route.ts'
import type { EmittedLink, LinkFarm, TextFile } from './emitter.ts'
import { referenceOf } from './route-parts.ts'
import { typeFolder } from './type-folder.ts'

/** Where Apache's links stand, below the web root. */
export const LINKS = '/apache/links'

/** Root-relative path of the answer to what would write. */
export const READ_ONLY = 'apache/links/:/405'

/** Root-relative path of nothing, which stands for all that is unknown. */
export const ABSENT: string = 'apache/links/:/nothing'

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
    for (const { kind, fallback } of families) {
      if (fallback === undefined) continue
      yield { type: 'text', path: fallbackPath(kind), text: new TextDecoder().decode(fallback) }
    }
  },
  *links({ kind, repository, body, mediaType, digest, path }: Route): Generator<EmittedLink> {
    if (kind !== 'tag' && kind !== 'manifest') return
    if (repository === undefined || digest === undefined || !('file' in body)) return
    const folder = apacheFarm.folderOf(repository)
    const named = `${typeFolder(mediaType)}/${digest}`
    yield { type: 'link', path: `${folder}/${named}`, to: body.file, digest }
    if (kind === 'tag' || !isManifestType(mediaType))
      yield { type: 'text', path: `${folder}/${referenceOf({ path })}`, text: `${named}\n` }
  },
}
