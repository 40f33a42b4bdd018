import { RegistrishError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { formatCatalog, formatTagsList } from '../tree/documents.ts'
import type { Found } from './content.ts'
import { errorAnswer } from './error-answer.ts'
import type { ServeResponse } from './handler.ts'

/**
 * One page of `tags/list` or `_catalog` (distribution spec, "Listing Tags"): the entries after `last`, at most `n`, with a Link to the next page where
 * there is more. Only what the query asks for is cut: without `n` the list ends where it ends. 400 where `n` is no number.
 */
export function pageOf(found: Found, path: string, query: URLSearchParams): ServeResponse {
  const [wanted, last] = [query.get('n'), query.get('last')]
  if (wanted !== null && !/^\d{1,15}$/.test(wanted)) return errorAnswer(400, 'PAGINATION_NUMBER_INVALID')
  const list = parseList(found)
  const rest = last === null ? list.entries : list.entries.filter(entry => entry > last)
  const entries = wanted === null ? rest : rest.slice(0, Number(wanted))
  const end = entries.at(-1)
  const more = end !== undefined && entries.length < rest.length
  return withBody(
    found,
    list.name === undefined ? formatCatalog(entries) : formatTagsList(list.name, entries),
    more ? { Link: `<${path}?n=${wanted}&last=${encodeURIComponent(end)}>; rel="next"` } : {},
  )
}

/** The referrers of these artifact types only (distribution spec, "Listing Referrers"), and the header that says so. */
export function ofArtifactTypes(found: Found, types: readonly string[]): ServeResponse {
  const list = parseObject(found)
  const { manifests } = list as { manifests?: unknown }
  const wanted = (Array.isArray(manifests) ? manifests : []).filter(
    entry => isRecord(entry) && typeof entry['artifactType'] === 'string' && types.includes(entry['artifactType']),
  )
  const body = Buffer.from(JSON.stringify({ ...list, manifests: wanted }))
  return withBody(found, body, { 'OCI-Filters-Applied': 'artifactType' })
}

function withBody(found: Found, body: Uint8Array, headers: Readonly<Record<string, string>>): ServeResponse {
  return {
    ...found.whole,
    headers: { ...found.whole.headers, 'Content-Length': String(body.length), ...headers },
    body,
  }
}

interface NameList {
  /** Of the repository whose tags they are; undefined for the catalogue. */
  readonly name: string | undefined
  /** Sorted by code unit. */
  readonly entries: readonly string[]
}

function parseList(found: Found): NameList {
  const { name, tags, repositories } = parseObject(found) as Record<'name' | 'tags' | 'repositories', unknown>
  const entries = tags ?? repositories
  return {
    name: typeof name === 'string' ? name : undefined,
    entries: Array.isArray(entries) ? entries.filter(entry => typeof entry === 'string') : [],
  }
}

function parseObject({ bytes, kind }: Found): Record<string, unknown> {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (isRecord(value)) return value
  throw new RegistrishError('io', `the ${kind} document is not a JSON object`, { side: 'source' })
}
