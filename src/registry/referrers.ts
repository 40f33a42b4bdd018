import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { parseRepositoryName } from '../oci/name.ts'
import { fallbackTag } from '../oci/referrers.ts'
import type { CallOptions } from '../oci/source.ts'
import { contentTypeOf, statusError } from './answer.ts'
import type { Connection } from './connection.ts'
import { fetchManifest } from './fetch-manifest.ts'
import { readPages } from './pages.ts'

/** Statuses by which registries without the referrers API answer it; the spec names 404. */
const NO_API = new Set([400, 403, 404, 405, 406, 501])

/**
 * What refers to a manifest, by the referrers API in all its pages; where the registry has none, by the fallback tag (distribution spec, "Listing Referrers").
 * @throws RegistrishError `manifest-invalid` for a list that is none, and what the connection throws.
 */
export async function listReferrers(
  connection: Connection,
  repository: string,
  { digest, signal }: CallOptions & { readonly digest: Digest },
): Promise<readonly Descriptor[]> {
  const what = `what refers to ${digest} in ${connection.registry}/${repository}`
  const listed = await readPages(connection, {
    repository: parseRepositoryName(repository),
    path: `/v2/${repository}/referrers/${digest}`,
    what,
    accept: OCI_INDEX,
    most: MOST_REFERRERS,
    signal,
    async read(response) {
      if (await hasNoApi(response)) return undefined
      if (response.status !== 200) throw await statusError(connection, response, { what, repository })
      return entriesOf(await response.bytes(LARGEST_MANIFEST), what)
    },
  })
  const entries =
    listed ?? (await readFallback(connection, repository, { digest, ...(signal === undefined ? {} : { signal }) }))
  return [...new Map(entries.map(entry => [entry.digest, entry])).values()]
}

/** A page of HTML with status 200 is no referrers list either: the type must be that of an OCI index. */
async function hasNoApi(response: HttpResponse): Promise<boolean> {
  const isAbsent = response.status === 200 ? contentTypeOf(response) !== OCI_INDEX : NO_API.has(response.status)
  if (isAbsent) await response.discard()
  return isAbsent
}

async function readFallback(
  connection: Connection,
  repository: string,
  { digest, signal }: CallOptions & { readonly digest: Digest },
): Promise<readonly Descriptor[]> {
  const place = { repository, reference: fallbackTag(digest) }
  try {
    const { bytes } = await fetchManifest(connection, place, signal === undefined ? {} : { signal })
    return entriesOf(bytes, `what refers to ${digest} in ${connection.registry}/${repository}`)
  } catch (error) {
    if (isRegistrishError(error, 'not-found')) return []
    throw error
  }
}

/** A tag of that name that is no index is someone's own and says nothing of referrers. */
function entriesOf(bytes: Uint8Array, what: string): readonly Descriptor[] {
  try {
    const manifest = parseManifest(bytes)
    return manifest.kind === 'index' ? manifest.manifests : []
  } catch (error) {
    if (!isRegistrishError(error)) throw error
    throw new RegistrishError(error.code, `the list of ${what} cannot be read: ${error.message}`, {
      side: 'source',
      cause: error,
      hint: 'the registry is to be mended; without --referrers the image can be fetched',
    })
  }
}

/** Most referrers of one manifest that are read. */
const MOST_REFERRERS = 100_000
