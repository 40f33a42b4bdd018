import { isRepositoryName } from '../oci/name.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import type { Found, RegistryContent } from './content.ts'
import { allowsRange, matchesNone } from './entity-tags.ts'
import { errorAnswer } from './error-answer.ts'
import { dispose, type Handler, type ServeRequest, type ServeResponse } from './handler.ts'
import { ofArtifactTypes, pageOf } from './pages.ts'
import { parseRange, partialContent } from './range.ts'
import { parseRequestTarget } from './request-path.ts'
import { createTreeContent } from './tree-content.ts'

/** What a registry answers from: a tree, or anything else that can say what stands at a path. */
export type RegistryOptions = { readonly tree: ReadonlyTree } | { readonly content: RegistryContent }

/**
 * The read-only registry: the distribution API's GET and HEAD below /v2, and 405 for all else there; what is not below /v2 is not its own.
 * Every answer says what the tree holds at that moment.
 */
export function createRegistry(options: RegistryOptions): Handler {
  const content = 'content' in options ? options.content : createTreeContent(options.tree)
  return request => {
    const { path, query } = parseRequestTarget(request.url)
    if (path === undefined) return answerUnreadable(request.url)
    if (path !== '/v2' && !path.startsWith('/v2/')) return undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') return errorAnswer(405, 'UNSUPPORTED', READ_ONLY)
    const found = content.find(path)
    if (found instanceof Promise) return found.then(known => answerFound({ content, request, path, query }, known))
    return answerFound({ content, request, path, query }, found)
  }
}

/** A path that cannot be decoded: 400 for escapes that are none, as every web server has it. */
function answerUnreadable(url: string): ServeResponse | undefined {
  if (!/^\/v2(?:\/|%|$)/i.test(url)) return undefined
  return /^[^?]*%(?![0-9a-f]{2})/i.test(url) ? errorAnswer(400, 'BAD_REQUEST') : errorAnswer(404, 'NAME_UNKNOWN')
}

/** The header of a 405 answer. */
export const READ_ONLY: Readonly<Record<string, string>> = { Allow: 'GET, HEAD' }

interface Asked {
  readonly content: RegistryContent
  readonly request: ServeRequest
  readonly path: string
  readonly query: string
}

function answerFound({ content, request, path, query }: Asked, found: Found | undefined): ServeResponse {
  if (found === undefined) return answerAbsent(content, path)
  const { headers } = request
  const known = headers['if-none-match']
  if (known !== undefined && matchesNone(known, found.etag)) return answerUnchanged(found)
  if (headers.range !== undefined && request.method === 'GET' && found.file !== undefined) {
    return answerRange(found, headers.range, oneOf(headers['if-range']))
  }
  if (query === '') return found.whole
  return answerQuery(found, path, new URLSearchParams(query))
}

/** Which part of a path is unknown: the repository, or what was asked of it. Answers 404, but for a digest that is none. */
function answerAbsent(content: RegistryContent, path: string): ServeResponse {
  const { name, what } = SHAPE.exec(path)?.groups ?? {}
  if (name === undefined || !isRepositoryName(name)) return errorAnswer(404, 'NAME_UNKNOWN')
  if (what === 'referrers') return errorAnswer(400, 'DIGEST_INVALID')
  if (!content.hasRepository(name)) return errorAnswer(404, 'NAME_UNKNOWN')
  return errorAnswer(404, what === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN')
}

/** 304 (RFC 9110 §15.4.5): the headers that a cache updates, none that describe a body. */
function answerUnchanged(found: Found): ServeResponse {
  dispose(found.whole)
  const { 'Content-Type': _type, 'Content-Length': _length, 'Accept-Ranges': _ranges, ...headers } = found.whole.headers
  return { status: 304, headers }
}

function answerRange(found: Found, range: string, ifRange: string | undefined): ServeResponse {
  const { file, whole, etag, mediaType } = found
  if (file === undefined || !allowsRange(ifRange, etag)) return whole
  const { size } = file.stamp
  const ranges = parseRange(range, size)
  if (ranges === undefined) return whole
  if (ranges.length === 0) {
    dispose(whole)
    return errorAnswer(416, 'RANGE_INVALID', { 'Content-Range': `bytes */${size}`, 'Accept-Ranges': 'bytes' })
  }
  const { headers, segments } = partialContent(ranges, size, mediaType)
  return { status: 206, headers: { ...whole.headers, ...headers }, body: { file, segments } }
}

/** Queries that mean something: pages of lists, and the artifact type of referrers. All others (`ns=…`) are ignored. */
function answerQuery(found: Found, path: string, query: URLSearchParams): ServeResponse {
  if (found.kind === 'tags' || found.kind === 'catalog') {
    return query.has('n') || query.has('last') ? pageOf(found, path, query) : found.whole
  }
  const types = query.getAll('artifactType').filter(type => type !== '')
  return found.kind === 'referrers' && types.length > 0 ? ofArtifactTypes(found, types) : found.whole
}

const SHAPE = /^\/v2\/(?<name>.+)\/(?:(?<what>manifests|blobs|referrers)\/[^/]+|tags\/list)$/

function oneOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0]
}
