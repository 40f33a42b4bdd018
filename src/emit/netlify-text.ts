import { algorithmOf } from '../oci/digest.ts'
import { netlifyPaths, PUBLIC } from '../tree/layout.ts'
import type { Route } from '../tree/route.ts'

/** Rule paths of what Netlify serves besides the registry. */
export const NOT_FOUND: string = servedPath(netlifyPaths.notFound)
export const NO_REFERRERS: string = servedPath(netlifyPaths.noReferrers)

/** Where a file of the tree stands on the site, whose top is the published folder. */
export function servedPath(path: string): string {
  return path.slice(PUBLIC.length)
}

/** A request path of the registry as the rule for `/v2/*` rewrites it. */
export function rewritten(path: string): string {
  return servedPath(path.slice(1))
}

/**
 * The line of `_redirects` that a route needs for itself: a list of referrers, and a manifest that has no file of its digest's name; undefined for all others.
 * By its sha512 a manifest is there only where a file bears that name.
 */
export function formatRedirect({ kind, path, body, digest }: Route): string | undefined {
  if (kind === 'referrers') return `${path} ${rewritten(path)} 200\n`
  if (kind !== 'manifest' || digest === undefined || !('file' in body)) return undefined
  if (algorithmOf(digest) === 'sha512' || `/${body.file}` === path) return undefined
  return `${path} ${servedPath(body.file)} 200\n`
}

/** Placeholders for a repository name of so many components: `:a/:b`. Each matches one component. */
export function namePlaceholders(depth: number): string {
  return Array.from({ length: depth }, (_, index) => `:name${index + 1}`).join('/')
}

/** Of how many components a repository name is made. */
export function depthOf(repository: string): number {
  return repository.split('/').length
}

/** Numbers in order, each once. */
export function ascending(numbers: Iterable<number>): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b)
}
