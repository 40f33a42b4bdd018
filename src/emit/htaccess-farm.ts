import { formatApiError } from '../oci/api-error.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { Route, RouteFamily, RouteKind } from '../tree/route.ts'
import { section } from './apache-text.ts'
import type { EmittedLink, LinkFarm, TextFile } from './emitter.ts'
import { formatListRules } from './htaccess-list.ts'
import { KIND } from './htaccess-text.ts'
import { fallbackFiles, manifestOf, type RoutedManifest } from './route-parts.ts'

/** Where the links stand, below the web root. */
export const LINKS = '/htaccess/links'

/** The folder that holds what the list of tags is cut by: no tag has a colon. */
export const LIST = 'list:'

/** The answer to what would write, below the web root. */
export const READ_ONLY: string = `${LINKS}/:/405`

/** The answer where the tree has no file for a path of that kind, below the web root. */
export function fallbackPath(kind: RouteKind): string {
  return `${LINKS}/:/${kind}`
}

/**
 * `app:/<type>:<subtype>/<digest>` is the manifest itself. No rule of a .htaccess may read a file or ask where a link leads; but Apache reads each .htaccess on the
 * way to a path, so `app:/latest/.htaccess` says which manifest the tag names (so does `app:/<digest>/.htaccess` for other than the four usual types), and `app:/list:/.htaccess` knows the tags.
 */
export const htaccessFarm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *files(families: readonly RouteFamily[]): Generator<TextFile> {
    yield { type: 'text', path: READ_ONLY.slice(1), text: formatApiError('UNSUPPORTED') }
    yield* fallbackFiles(families, htaccessFarm.folderOf(''))
  },
  *links(route: Route): Generator<EmittedLink> {
    const manifest = manifestOf(route)
    if (manifest !== undefined) yield* manifestLinks(manifest)
    else if (route.kind === 'tags' && route.repository !== undefined && 'bytes' in route.body) {
      const folder = htaccessFarm.folderOf(route.repository)
      const text = formatRules(formatListRules(route.mediaType, route.body.bytes))
      yield { type: 'text', path: `${folder}/${LIST}/.htaccess`, text }
    }
  },
}

function* manifestLinks(manifest: RoutedManifest): Generator<EmittedLink> {
  const { kind, repository, reference, digest, type, mediaType, file } = manifest
  const folder = htaccessFarm.folderOf(repository)
  const named = `${folder}/${type}/${digest}`
  yield { type: 'link', path: named, to: file, digest }
  if (kind === 'tag' || !isManifestType(mediaType))
    yield { type: 'text', path: `${folder}/${reference}/.htaccess`, text: formatEntry(`/${named}`) }
}

/** Only who came here by a rule is sent on; for anybody else the rules of the root hold, which know nothing of it. */
function formatEntry(target: string): string {
  return formatRules([
    `RewriteCond %{ENV:REDIRECT_${KIND}} "^(tag|manifest)\\z"`,
    `RewriteRule ^ ${target} [L,E=${KIND}:%1]`,
  ])
}

function formatRules(lines: readonly string[]): string {
  return section('IfModule', 'mod_rewrite.c', ['RewriteEngine On', 'RewriteOptions AllowNoSlash Inherit', ...lines])
}
