import { RegistrishError, throwIfAborted } from '../errors.ts'
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import type { RouteTable } from '../tree/route.ts'

/** A host that chooses the type of a file by itself: nothing can be emitted for it, and the reason is said. */
export interface HostWithoutHeaders {
  readonly name: string
  readonly title: string
  /** How it says what a manifest is, as the end of a sentence. */
  readonly sends: string
  /** How what publishes to it publishes elsewhere. */
  readonly instead: string
}

/** The hosts that are asked for most though no client can pull from them. */
export const WITHOUT_HEADERS: readonly HostWithoutHeaders[] = [
  {
    name: 'github-pages',
    title: 'GitHub Pages',
    sends: 'application/octet-stream, or what the end of a tag looks like',
    instead: 'the same workflow of GitHub Actions can publish there, without a registry such as ghcr.io',
  },
  {
    name: 'gitlab-pages',
    title: 'GitLab Pages',
    sends: 'text/plain, or what the end of a tag looks like',
    instead: 'the same job of GitLab CI can publish there',
  },
  {
    name: 'surge',
    title: 'Surge',
    sends: 'whatever the end of a tag looks like',
    instead: 'the same job can publish there',
  },
]

/**
 * Explains why a tree cannot be published to a host without headers, with what would come of it.
 * @throws RegistrishError `unsupported`, always.
 */
export async function refuseWithoutHeaders(
  { title, sends, instead }: HostWithoutHeaders,
  table: RouteTable,
  { signal }: CallOptions = {},
): Promise<never> {
  const { manifests, tags, single } = await countManifests(table, signal)
  const byCrane =
    single === 0
      ? 'neither would crane'
      : `crane ${single} that ${single === 1 ? 'names' : 'name'} an image for one platform, with a warning`
  throw new RegistrishError(
    'unsupported',
    `${title} cannot be told the Content-Type of a file, which clients go by: it would send ${manifests === 1 ? 'its one manifest' : `all ${manifests} manifests`} as ${sends}. docker, podman, skopeo, containerd, oras and helm would pull none of the tags (${tags}); ${byCrane}`,
    {
      hint: `choose a host that can be told, for example --host cloudflare-pages or --host netlify: ${instead} (docs/hosts/without-headers.md)`,
      side: 'target',
    },
  )
}

interface Counts {
  readonly manifests: number
  readonly tags: number
  /** Tags that name a manifest and no index: what one client guesses where the type is wrong. */
  readonly single: number
}

async function countManifests(table: RouteTable, signal: AbortSignal | undefined): Promise<Counts> {
  let [manifests, tags, single] = [0, 0, 0]
  for await (const { kind, mediaType } of table.routes({ blobs: false })) {
    throwIfAborted(signal)
    if (kind === 'manifest') manifests++
    if (kind !== 'tag') continue
    tags++
    if (mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST) single++
  }
  return { manifests, tags, single }
}
