import type { Route } from '../tree/route.ts'
import type { SiteFile } from './emitter.ts'

/** The body of a route as a file of a site, at a root-relative path: a link to the tree's file where it is one. */
export function routeFile({ body, digest, path: asked }: Route, path: string): SiteFile {
  if ('bytes' in body) return { path, bytes: body.bytes }
  if (digest === undefined) throw new TypeError(`no digest says what the file of ${asked} must be`)
  return { path, to: body.file, digest }
}
