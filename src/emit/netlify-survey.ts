import type { Digest } from '../oci/digest.ts'
import type { Route, RouteFamily } from '../tree/route.ts'
import { formatManifests, isManifest, tagsAlike } from './netlify-headers.ts'
import { referenceOf } from './route-parts.ts'

/** Bytes; Netlify's terms reserve the right to refuse larger downloads. */
const LARGE = 10_000_000

/** What netlify-cli leaves out wherever it stands (26.2.0, its filter of files to deploy). */
const TOOLS_OWN = /^(?:_headers|_redirects|__MACOSX.*)$/

/** What matters to Netlify in a table, repository by repository. */
export interface Survey {
  readonly repositories: readonly RepositorySurvey[]
  /** How many blobs there are, each counted once. */
  readonly blobs: number
  /** Blobs and manifests that are large, by digest: bytes. */
  readonly large: ReadonlyMap<Digest, number>
  /** Tags that end like pages, as `repository:tag`. */
  readonly pages: readonly string[]
  /** Tags that its tool takes for files of its own and leaves out, as `repository:tag`. */
  readonly toolsOwn: readonly string[]
}

/** The figures of one repository. */
export interface RepositorySurvey {
  readonly repository: string
  /** Files by the folder they are in. */
  readonly files: Readonly<Record<'manifests' | 'referrers', number>>
  /** Rules of its manifests in `_headers`, and their bytes. */
  readonly rules: number
  readonly bytes: number
  /** Tags that differ only by case, with what they name. */
  readonly alike: readonly (readonly Route[])[]
}

/** Takes the routes of a table one by one, in its order, and says in the end what they amount to. */
export interface Surveyor {
  add(route: Route): void
  finish(): Survey
}

/** Starts a survey: besides digests of blobs, only the routes of one repository are kept at a time. */
export function createSurveyor(families: readonly RouteFamily[]): Surveyor {
  const repositories: RepositorySurvey[] = []
  const blobs = new Set<Digest>()
  const large = new Map<Digest, number>()
  const pages: string[] = []
  const toolsOwn: string[] = []
  let current: { readonly repository: string; readonly routes: Route[] } | undefined
  const close = (): void => {
    if (current !== undefined) repositories.push(describe(current.repository, current.routes, families))
    current = undefined
  }
  return {
    add(route) {
      const { repository, kind, path, digest, size } = route
      if (repository === undefined) return
      if (current?.repository !== repository) {
        close()
        current = { repository, routes: [] }
      }
      if (kind === 'blob' && digest !== undefined) blobs.add(digest)
      else current?.routes.push(route)
      if (size > LARGE && digest !== undefined) large.set(digest, size)
      if (kind === 'tag' && /\.html?$/i.test(path)) pages.push(`${repository}:${referenceOf(route)}`)
      if (kind === 'tag' && TOOLS_OWN.test(referenceOf(route))) toolsOwn.push(`${repository}:${referenceOf(route)}`)
    },
    finish() {
      close()
      return { repositories, blobs: blobs.size, large, pages, toolsOwn }
    },
  }
}

function describe(repository: string, routes: readonly Route[], families: readonly RouteFamily[]): RepositorySurvey {
  const manifests = routes.filter(isManifest)
  let rules = 0
  let bytes = 0
  for (const rule of formatManifests(manifests, families)) {
    rules += 1
    bytes += rule.length
  }
  return {
    repository,
    files: { manifests: manifests.length, referrers: routes.filter(({ kind }) => kind === 'referrers').length },
    rules,
    bytes,
    alike: tagsAlike(manifests),
  }
}
