import { asDigest, type Digest, digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { type Graph, mediaTypeOf, referrerEntry, withAllReferrers } from './made-images.ts'

/* What a registry answers from: repositories in memory, read by the paths of the distribution spec. */

/** One request as a registry sees it. */
export interface RegistryRequest {
  readonly method: string
  /** Path without query, decoded. */
  readonly path: string
  /** Path and query as they were sent. */
  readonly target: string
  readonly query: URLSearchParams
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** How many requests of the same method and path came before. */
  readonly earlier: number
}

/** What it answers; a content-length is added unless there is one. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  /** How the connection fails after some bytes of the body: it ends as if all were well, is reset, or falls silent. */
  readonly breaks?: { readonly how: 'ends' | 'resets' | 'stalls'; readonly after: number }
  /** Milliseconds to wait after each 64 KiB of the body. Default: none. */
  readonly pause?: number
}

/** Repositories in memory. */
export interface RegistryContent {
  /** Adds a graph with all that refers to it, and points a tag at its root. */
  put(repository: string, tag: string, graph: Graph): void
  answer(request: RegistryRequest): Answer
}

/** How a registry answers. */
export interface ContentOptions {
  /** Whether it lacks the referrers API. Default false. */
  readonly noReferrers?: boolean
  /** Tags and referrers on one page at most. Default: all. */
  readonly pageSize?: number
}

/** Makes an empty {@link RegistryContent}. */
export function createRegistryContent(options: ContentOptions = {}): RegistryContent {
  const repositories = new Map<string, Repository>()
  return {
    put(name, tag, graph) {
      const repository = repositories.get(name) ?? { tags: new Map(), manifests: new Map(), blobs: new Map() }
      repositories.set(name, repository)
      for (const { root, manifests, blobs } of withAllReferrers(graph)) {
        for (const [digest, bytes] of blobs) repository.blobs.set(digest, bytes)
        for (const [digest, bytes] of manifests) {
          const mediaType = digest === root.digest ? root.mediaType : mediaTypeOf(bytes)
          for (const name of [digest, digestOf(bytes)]) repository.manifests.set(name, { bytes, mediaType })
        }
      }
      repository.tags.set(tag, graph.root.digest)
    },
    answer(request) {
      if (request.path === '/v2/') return json(200, {})
      const match = /^\/v2\/(?<name>.+)\/(?<kind>manifests|blobs|referrers|tags)\/(?<reference>[^/]+)$/.exec(
        request.path,
      )
      const { name = '', kind = '', reference = '' } = match?.groups ?? {}
      const repository = repositories.get(name)
      if (repository === undefined) return apiError(404, 'NAME_UNKNOWN', 'repository name not known to registry')
      if (kind === 'manifests') return manifestAnswer(repository, reference)
      if (kind === 'blobs') return blobAnswer(repository, reference, request.headers['range'])
      if (kind === 'tags') return tagsAnswer(name, repository, request, options.pageSize)
      return options.noReferrers === true
        ? { status: 404, headers: { 'content-type': 'text/plain' }, body: bytesOf('404 page not found\n') }
        : referrersAnswer(repository, request, options.pageSize)
    },
  }
}

/** An error answer of the distribution API. */
export function apiError(status: number, code: string, message: string): Answer {
  return json(status, { errors: [{ code, message }] })
}

/** An answer whose body is JSON. */
export function json(status: number, value: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: bytesOf(JSON.stringify(value)) }
}

interface Repository {
  readonly tags: Map<string, Digest>
  readonly manifests: Map<string, { readonly bytes: Uint8Array; readonly mediaType: string }>
  readonly blobs: Map<string, Uint8Array>
}

function manifestAnswer({ tags, manifests }: Repository, reference: string): Answer {
  const digest = asDigest(reference) ?? tags.get(reference)
  const manifest = manifests.get(digest ?? '')
  if (digest === undefined || manifest === undefined) return apiError(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
  const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': digest }
  return { status: 200, headers, body: manifest.bytes }
}

function blobAnswer({ blobs }: Repository, digest: string, range: string | undefined): Answer {
  const bytes = blobs.get(digest)
  if (bytes === undefined) return apiError(404, 'BLOB_UNKNOWN', 'blob unknown to registry')
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
  }
  const start = /^bytes=(\d+)-$/.exec(range ?? '')?.[1]
  if (start === undefined) return { status: 200, headers, body: bytes }
  if (Number(start) >= bytes.length) {
    return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` }, body: bytesOf('') }
  }
  const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, body: bytes.subarray(Number(start)) }
}

function tagsAnswer(name: string, { tags }: Repository, { query, path }: RegistryRequest, pageSize = Infinity): Answer {
  const last = query.get('last')
  const rest = [...tags.keys()].sort().filter(tag => last === null || tag > last)
  const size = Math.min(pageSize, Number(query.get('n') ?? Infinity))
  const page = rest.slice(0, size)
  const answer = json(200, { name, tags: page })
  const next = `${path}?n=${size}&last=${page.at(-1)}`
  return page.length === rest.length ? answer : withLink(answer, next)
}

function referrersAnswer({ manifests }: Repository, { path, query }: RegistryRequest, pageSize = Infinity): Answer {
  const subject = path.slice(path.lastIndexOf('/') + 1)
  const entries = [...new Map([...manifests.values()].map(manifest => [digestOf(manifest.bytes), manifest]))]
    .filter(([, { bytes }]) => subjectOf(bytes) === subject)
    .map(([digest, { bytes, mediaType }]) =>
      referrerEntry({
        root: { mediaType, digest, size: bytes.length },
        manifests: new Map([[digest, bytes]]),
        blobs: new Map(),
      }),
    )
  const start = Number(query.get('start') ?? 0)
  const page = entries.slice(start, start + pageSize)
  const answer = json(200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: page })
  const typed = { ...answer, headers: { 'content-type': OCI_INDEX } }
  const end = start + page.length
  return end === entries.length ? typed : withLink(typed, `${path}?start=${end}`)
}

function subjectOf(manifest: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(manifest)
  if (!text.includes('"subject"')) return undefined
  return (JSON.parse(text) as { readonly subject?: { readonly digest: string } }).subject?.digest
}

function withLink(answer: Answer, target: string): Answer {
  return { ...answer, headers: { ...answer.headers, link: `<${target}>; rel="next"` } }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
