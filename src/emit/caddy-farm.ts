import { isManifestType } from '../oci/media-types.ts'
import type { Route } from '../tree/route.ts'
import type { EmittedLink, LinkFarm } from './emitter.ts'
import { manifestOf } from './route-parts.ts'

/** Where Caddy's links stand, below the web root. */
export const LINKS = '/caddy/links'

/**
 * Caddy cannot tell where a symbolic link leads, nor read a small file, but it can list a folder: `app:/latest/` holds one hard link, `<type>:<subtype>:<digest>` of what
 * the tag names. `app:/<type>:<subtype>/<digest>` is the manifest itself. So it is for the four usual types; of any other, whose name may be too long to stand before
 * a digest, the manifest is `app:/:<digest>/<type>:<subtype>`, alone in its folder, and the tag's link is called `<digest>`.
 * A tag has no colon, and a media type does not begin with one, so nothing collides.
 */
export const caddyFarm: LinkFarm = {
  folder: LINKS.slice(1),
  folderOf: repository => `${LINKS.slice(1)}/${repository}:`,
  *links(route: Route): Generator<EmittedLink> {
    const manifest = manifestOf(route)
    if (manifest === undefined) return
    const { kind, repository, reference, digest, type, mediaType, file } = manifest
    const folder = caddyFarm.folderOf(repository)
    const usual = isManifestType(mediaType)
    const [named, entry] = usual ? [`${type}/${digest}`, `${type}:${digest}`] : [`:${digest}/${type}`, digest]
    yield { type: 'link', path: `${folder}/${named}`, to: file, digest }
    if (kind === 'tag') yield { type: 'link', path: `${folder}/${reference}/${entry}`, to: file, digest }
  },
}
