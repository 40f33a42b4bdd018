import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { Route } from '../tree/route.ts'
import { referenceOf } from './route-parts.ts'

/** Where everything of Vercel's stands: its Build Output API, version 3, in the folder of a project. */
export const vercelPaths: Readonly<Record<'config' | 'marker' | 'site', string>> = {
  config: 'vercel/.vercel/output/config.json',
  marker: 'vercel/.gitignore',
  site: 'vercel/.vercel/output/static',
}

/** Paths on the site of what it serves besides the files of the routes. */
export const vercelPages: Readonly<Record<'version' | 'noReferrers' | 'notFound' | 'notAllowed', string>> = {
  version: '/version.json',
  noReferrers: '/referrers.json',
  notFound: '/404.json',
  notAllowed: '/405.json',
}

/**
 * Where the file of a route stands on the site. No digest and no tag is the name of a file, so that nobody has to take a colon, and nothing is guessed from how a
 * tag ends: the routes lead to these paths. `manifests` and `referrers` are no part of a repository's name, so that no file stands where another's folder is.
 */
export function sitePath(route: Route): string {
  const { kind, repository, digest, path } = route
  switch (kind) {
    case 'version':
      return vercelPages.version
    case 'catalog':
    case 'tags':
      return path
    case 'tag':
      return `/tags/${repository}/manifests/${referenceOf(route)}/manifest`
    case 'blob':
      if (digest === undefined) throw new TypeError(`a blob without a digest: ${path}`)
      return `/blobs/${algorithmOf(digest)}/${hexOf(digest)}`
    case 'manifest':
    case 'referrers':
      return `/digests/${repository}/${kind === 'manifest' ? 'manifests' : kind}/${referenceOf(route).replace(':', '/')}`
  }
}
