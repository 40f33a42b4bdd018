import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import { pagesPaths } from './cloudflare-pages-paths.ts'
import type { PagesSurvey } from './cloudflare-pages-survey.ts'
import { referenceOf } from './route-parts.ts'

/** Rules with placeholders (Cloudflare Pages, "Redirects"). */
const MOST_DYNAMIC = 100

/** The lines of `_redirects`, of which Pages follows the first that matches; those for one path stand first, as it asks. */
export function redirectLines({ referrers }: Pick<PagesSurvey, 'referrers'>): readonly string[] {
  const others = [...rewrites('blobs', pagesPaths.blob), ...manifestRewrites()]
  const exact = referrers.map(route => {
    const { repository = '' } = route
    const digest = referenceOf(route) as Digest
    const [algorithm, hex] = [algorithmOf(digest), hexOf(digest)]
    // A colon and a letter begin a placeholder: a "*" after the colon, which stands for nothing, keeps them apart.
    return rewrite(`/v2/${repository}/referrers/${algorithm}:*${hex}`, pagesPaths.referrers(repository, algorithm, hex))
  })
  const lists = [...exact, ...rewrites('referrers', () => pagesPaths.noReferrers)]
  const version = ['/v2', '/v2/'].map(path => rewrite(path, pagesPaths.version))
  if (others.length + lists.length <= MOST_DYNAMIC) return [...version, ...others, ...lists]
  return [...version, ...others, ...rewrites('referrers', (...place) => pagesPaths.referrers(':splat', ...place))]
}

/** Whether a digest that nothing refers to has an empty list: else it is 404, and clients ask for the fallback tag. */
export function hasEmptyList({ referrers }: Pick<PagesSurvey, 'referrers'>): boolean {
  return redirectLines({ referrers }).some(line => line.includes(pagesPaths.noReferrers))
}

function manifestRewrites(): readonly string[] {
  return [
    ...rewrites('manifests', (...place) => pagesPaths.manifest(':splat', ...place)),
    rewrite('/v2/*/manifests/:tag', pagesPaths.tag(':splat', ':tag')),
  ]
}

function rewrites(folder: string, place: (algorithm: string, hex: string) => string): readonly string[] {
  return ['sha256', 'sha512'].map(algorithm => rewrite(`/v2/*/${folder}/${algorithm}::hex`, place(algorithm, ':hex')))
}

function rewrite(from: string, to: string): string {
  return `${from} ${to} 200`
}
