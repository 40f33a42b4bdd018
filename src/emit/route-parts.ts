import type { Digest } from '../oci/digest.ts'
import type { Route, RouteFamily, RouteKind } from '../tree/route.ts'
import type { TextFile } from './emitter.ts'
import { typeFolder } from './type-folder.ts'

/** A family of the route table, which always has one of each kind. */
export function familyOf(families: readonly RouteFamily[], kind: RouteKind): RouteFamily {
  const family = families.find(entry => entry.kind === kind)
  if (family === undefined) throw new TypeError(`the route table has no family ${kind}`)
  return family
}

/** What the path of a manifest, a blob or a list of referrers ends with: a tag or a digest. */
export function referenceOf({ path }: Pick<Route, 'path'>): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A manifest, and the reference that a route gives it. */
export interface RoutedManifest {
  readonly kind: 'tag' | 'manifest'
  readonly repository: string
  /** The tag or digest of the path. */
  readonly reference: string
  readonly digest: Digest
  /** See {@link typeFolder}. */
  readonly type: string
  readonly mediaType: string
  /** Root-relative path. */
  readonly file: string
}

/** What a farm links for a route: undefined for all but manifests, by tag and by digest. */
export function manifestOf({ kind, repository, body, mediaType, digest, path }: Route): RoutedManifest | undefined {
  if (kind !== 'tag' && kind !== 'manifest') return undefined
  if (repository === undefined || digest === undefined || !('file' in body)) return undefined
  const reference = referenceOf({ path })
  return { kind, repository, reference, digest, type: typeFolder(mediaType), mediaType, file: body.file }
}

/** The bodies of families that have one where the tree has no file, as files named by their kind in a folder (root-relative). */
export function* fallbackFiles(families: readonly RouteFamily[], folder: string): Generator<TextFile> {
  for (const { kind, fallback } of families) {
    if (fallback === undefined) continue
    yield { type: 'text', path: `${folder}/${kind}`, text: new TextDecoder().decode(fallback) }
  }
}

/** A header and the kinds of answers that bear it with this value, which may hold `{digest}` and `{mediaType}`. */
interface SharedHeader {
  readonly name: string
  readonly value: string
  readonly kinds: readonly RouteKind[]
}

/** Every header of the families once for each of its values, with all kinds that have it so. */
export function sharedHeaders(families: readonly RouteFamily[]): readonly SharedHeader[] {
  const found = new Map<string, SharedHeader & { readonly kinds: RouteKind[] }>()
  for (const { kind, headers } of families) {
    for (const [name, value] of Object.entries(headers)) {
      const known = found.get(`${name}: ${value}`)
      if (known === undefined) found.set(`${name}: ${value}`, { name, value, kinds: [kind] })
      else known.kinds.push(kind)
    }
  }
  return [...found.values()]
}
