import { formatApiError } from '../oci/api-error.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import type { LinkFarm, TextFile } from './emitter.ts'
import { entryLinks } from './entry-links.ts'
import { fallbackFiles } from './route-parts.ts'

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
 * {@link entryLinks} in a folder `app:`: a digest has no extension that mod_mime could take for anything, and Apache cannot tell where a symbolic link leads.
 */
export const apacheFarm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *files(families: readonly RouteFamily[]): Generator<TextFile> {
    yield { type: 'text', path: READ_ONLY, text: formatApiError('UNSUPPORTED') }
    yield* fallbackFiles(families, apacheFarm.folderOf(''))
  },
  links: route => entryLinks(apacheFarm.folderOf(route.repository ?? ''), route),
}
