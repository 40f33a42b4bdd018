import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import type { Route } from '../tree/route.ts'
import { referenceOf } from './route-parts.ts'

/** Everything of Cloudflare Pages that is in a tree. */
export const PAGES_SITE = 'cloudflare-pages/site'

/**
 * Where the site's files stand, as Cloudflare names them. Rules rewrite every path of the registry to one of these but those of `tags/list` and the catalogue, so that no tag is a file's name: Pages answers with
 * `x.html` where `x` is asked for, with `404.html` for what is missing, and sends who asks for `index.html` elsewhere. No component of a repository's name begins with "_", so nothing stands where another thing does.
 */
export const pagesPaths = {
  version: '/version.json',
  noReferrers: '/referrers/none.json',
  blob: (algorithm: string, hex: string): string => `/blobs/${algorithm}/${hex}`,
  manifest: (repository: string, algorithm: string, hex: string): string =>
    `/manifests/of/${repository}/_/${algorithm}/${hex}`,
  tag: (repository: string, tag: string): string => `/manifests/of/${repository}/_/tags/${tag}.tag`,
  referrers: (repository: string, algorithm: string, hex: string): string =>
    `/referrers/of/${repository}/_/${algorithm}/${hex}`,
} as const

/** Where the site has the body of a route. */
export function servedAt(route: Route): string {
  const { kind, repository = '', path } = route
  const reference = referenceOf(route)
  if (kind === 'version') return pagesPaths.version
  if (kind === 'tag') return pagesPaths.tag(repository, reference)
  if (kind === 'tags' || kind === 'catalog') return path
  const [algorithm, hex] = [algorithmOf(reference as Digest), hexOf(reference as Digest)]
  if (kind === 'blob') return pagesPaths.blob(algorithm, hex)
  return kind === 'manifest'
    ? pagesPaths.manifest(repository, algorithm, hex)
    : pagesPaths.referrers(repository, algorithm, hex)
}
