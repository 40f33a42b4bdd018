/** A request target taken apart. */
export interface RequestPath {
  /** Decoded once; undefined where it cannot be (bad escapes, bytes that are no UTF-8, an escaped slash, longer than any path of a registry). */
  readonly path: string | undefined
  /** The query without "?", as sent; empty where there is none. */
  readonly query: string
}

/**
 * Takes a request target apart (RFC 9112 §3.2: origin-form, or absolute-form, whose host is ignored). The path is decoded, never normalised: "..", empty
 * segments and whatever else is no name stay in it and match nothing. An escaped slash is not a separator, so that no path has two spellings with different meanings.
 */
export function parseRequestTarget(url: string): RequestPath {
  const mark = url.indexOf('?')
  const query = mark < 0 ? '' : url.slice(mark + 1)
  const raw = mark < 0 ? url : url.slice(0, mark)
  const path = raw.startsWith('/') ? raw : raw.replace(/^https?:\/\/[^/]*/i, '')
  return { path: path.includes('%') ? decode(path) : checkLength(path), query }
}

/** Characters; the longest path of a registry has 4 + 255 + 11 + 135. */
const LONGEST_PATH = 512

function decode(path: string): string | undefined {
  if (/%2f/i.test(path)) return undefined
  try {
    return checkLength(decodeURIComponent(path))
  } catch {
    return undefined
  }
}

function checkLength(path: string): string | undefined {
  return path.length > LONGEST_PATH ? undefined : path
}
