import { type Algorithm, algorithmOf, type Digest, hexOf } from '../oci/digest.ts'
import type { Route, RouteTable } from '../tree/route.ts'
import { pagesPaths, servedAt } from './cloudflare-pages-paths.ts'
import type { TypedManifest } from './cloudflare-pages-types.ts'
import { referenceOf } from './route-parts.ts'

/** A file that is too large, under the first name that it was met by. */
export interface LargeFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
}

/** What of a table decides which rules Cloudflare Pages needs, and whether it takes the site. */
export interface PagesSurvey {
  readonly tags: readonly TypedManifest[]
  /** By digest, `reference` without the algorithm. */
  readonly digests: ReadonlyMap<Algorithm, readonly TypedManifest[]>
  /** Algorithms that name blobs. */
  readonly blobs: ReadonlySet<Algorithm>
  /** The lists of referrers. */
  readonly referrers: readonly Route[]
  /** The files of the site, those aside that are the same for every table. */
  readonly files: ReadonlySet<string>
  /** Files of more bytes than asked for, by what they are on the site. */
  readonly large: ReadonlyMap<string, LargeFile>
  /** Repositories that the host's tool would leave out. */
  readonly left: ReadonlySet<string>
}

/** A folder that wrangler leaves out wherever it stands. */
const LEFT_OUT = 'node_modules'

/** Takes the routes of a table one by one; `survey` is right when it has had them all. */
interface PagesSurveyor {
  readonly survey: PagesSurvey
  add(route: Route): void
}

/** Reads a table. */
export async function surveyPages(table: RouteTable): Promise<PagesSurvey> {
  const { survey, add } = createPagesSurveyor()
  for await (const route of table.routes()) add(route)
  return survey
}

/** Starts a survey. `largest` is what a file may have at most, in bytes; by default anything. */
export function createPagesSurveyor(largest: number = Number.POSITIVE_INFINITY): PagesSurveyor {
  const tags: TypedManifest[] = []
  const digests = new Map<Algorithm, TypedManifest[]>()
  const blobs = new Set<Algorithm>()
  const referrers: Route[] = []
  const files = new Set<string>()
  const large = new Map<string, LargeFile>()
  const left = new Set<string>()
  const survey = { tags, digests, blobs, referrers, files, large, left }
  const add = (route: Route): void => {
    const { kind, repository = '', mediaType, size, path } = route
    const reference = referenceOf(route)
    const place = servedAt(route)
    if (place !== pagesPaths.version) files.add(place)
    if (size > largest && !large.has(place)) large.set(place, { path, size })
    if (repository.split('/').includes(LEFT_OUT)) left.add(repository)
    if (kind === 'tag') tags.push({ repository, reference, mediaType })
    else if (kind === 'referrers') referrers.push(route)
    if (kind !== 'blob' && kind !== 'manifest') return
    const algorithm = algorithmOf(reference as Digest)
    if (kind === 'blob') blobs.add(algorithm)
    else {
      const known = digests.get(algorithm) ?? []
      if (known.push({ repository, reference: hexOf(reference as Digest), mediaType }) === 1)
        digests.set(algorithm, known)
    }
  }
  return { survey, add }
}
