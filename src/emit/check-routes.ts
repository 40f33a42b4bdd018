import { asDigest, quote } from '../oci/digest.ts'
import { isMediaType } from '../oci/media-types.ts'
import { isRepositoryName, isReserved, isTag } from '../oci/name.ts'
import type { Route, RouteTable } from '../tree/route.ts'
import type { EmitProblem } from './emitter.ts'
import { referenceOf } from './route-parts.ts'

/**
 * Checks again, before anything of it reaches a path or a configuration, that every name in a table follows its grammar (design §4, "untrusted
 * input"): the tree has checked them already, and a second lock costs little.
 */
export async function* checkRoutes(table: RouteTable): AsyncGenerator<EmitProblem> {
  for await (const route of table.routes()) {
    const wrong = wrongPart(route)
    if (wrong !== undefined) {
      yield {
        level: 'refuse',
        code: 'name-invalid',
        text: `${quote(route.path)} cannot be put into a host's files: ${wrong}`,
        hint: 'remove it from the tree',
      }
    }
  }
}

/** What breaks its grammar in a route, as a phrase; undefined where nothing does. */
function wrongPart({ path, repository, mediaType, digest, kind }: Route): string | undefined {
  if (!isMediaType(mediaType)) return `${quote(mediaType)} is not a media type`
  if (digest !== undefined && asDigest(digest) === undefined) return `${quote(digest)} is not a digest`
  if (repository === undefined) return undefined
  if (!isRepositoryName(repository) || repository.split('/').some(isReserved))
    return `${quote(repository)} is not the name of a repository`
  const reference = referenceOf({ path })
  if (kind === 'tag' && !isTag(reference)) return `${quote(reference)} is not a tag`
  if ((kind === 'manifest' || kind === 'blob' || kind === 'referrers') && asDigest(reference) === undefined)
    return `${quote(reference)} is not a digest`
  return undefined
}
