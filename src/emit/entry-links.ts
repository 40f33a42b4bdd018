import { isManifestType } from '../oci/media-types.ts'
import type { Route } from '../tree/route.ts'
import type { EmittedLink } from './emitter.ts'
import { manifestOf } from './route-parts.ts'

/**
 * The links of a route for a server that can read a small file: `<folder>/<type>:<subtype>/<digest>` is the manifest itself, so that where it stands says its media type;
 * `<folder>/latest` is a small file that says which of them the tag names, and so is `<folder>/<digest>` for other than the four usual types.
 */
export function* entryLinks(folder: string, route: Route): Generator<EmittedLink> {
  const manifest = manifestOf(route)
  if (manifest === undefined) return
  const { kind, reference, digest, type, mediaType, file } = manifest
  yield { type: 'link', path: `${folder}/${type}/${digest}`, to: file, digest }
  if (kind === 'tag' || !isManifestType(mediaType))
    yield { type: 'text', path: `${folder}/${reference}`, text: `${type}/${digest}\n` }
}
