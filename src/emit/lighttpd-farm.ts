import type { LinkFarm } from './emitter.ts'
import { entryLinks } from './entry-links.ts'

/** Where lighttpd's links stand, below the web root. */
export const LINKS = '/lighttpd/links'

/** {@link entryLinks} in a folder `app:`: the script sees where a file stands, and reads what a tag names. */
export const lighttpdFarm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  links: route => entryLinks(lighttpdFarm.folderOf(route.repository ?? ''), route),
}
