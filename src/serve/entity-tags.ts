/**
 * Whether an If-None-Match header names `etag` (RFC 9110 §13.1.2): a list of strong or weak entity tags, compared weakly, or `*`, which names
 * whatever is there, without an entity tag (undefined) too.
 */
export function matchesNone(header: string, etag: string | undefined): boolean {
  if (header.trim() === '*') return true
  for (const [opaque] of header.matchAll(OPAQUE)) if (opaque === etag) return true
  return false
}

/** Whether an If-Range header allows a partial answer (RFC 9110 §13.1.5): the very entity tag, strong. A date never does: nothing here has one. */
export function allowsRange(header: string | undefined, etag: string | undefined): boolean {
  return header === undefined || (etag !== undefined && header.trim() === etag)
}

/** An entity tag without its weakness: it holds no quotes, so that a list of them needs no parser. */
const OPAQUE = /"[^"]*"/g
