import type { Route } from '../tree/route.ts'

/** Where everything of Netlify's stands: its rules are files of the published folder, which Netlify reads and does not serve. */
export const netlifyPaths: Readonly<Record<'site' | 'headers' | 'redirects', string>> = {
  site: 'netlify/site',
  headers: 'netlify/site/_headers',
  redirects: 'netlify/site/_redirects',
}

/** Paths on the site of what it serves besides the files of the routes. */
export const netlifyPages: Readonly<Record<'version' | 'noReferrers' | 'notFound', string>> = {
  version: '/v2/index.json',
  noReferrers: '/referrers.json',
  notFound: '/404.html',
}

/** The folder of all blobs on the site. A placeholder of a rule is a whole segment of a path, so a blob bears the name that its digest has in addresses. */
export const POOL: string = '/pool'

/** Where the file of a route stands on the site: at its own path, but for blobs, each of which is there once. */
export function sitePath({ kind, digest, path }: Route): string {
  if (kind === 'version') return netlifyPages.version
  if (kind !== 'blob') return path
  if (digest === undefined) throw new TypeError(`a blob without a digest: ${path}`)
  return `${POOL}/${digest}`
}
