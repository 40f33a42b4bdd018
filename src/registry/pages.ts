import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from '../http/client.ts'
import type { Connection } from './connection.ts'

/** A list that comes in pages. */
export interface Paged<T> {
  readonly repository: string
  /** Path and query of the first page. */
  readonly path: string
  /** What it is, for messages: `the tags of localhost:5000/app`. */
  readonly what: string
  readonly accept: string
  /** Items that are read at most: a list that goes on is one that never ends. */
  readonly most: number
  readonly signal?: AbortSignal | undefined
  /** Reads one page. undefined ends the list there. */
  read(response: HttpResponse): Promise<readonly T[] | undefined>
}

/** Most pages that are read: 200,000 tags, ten on a page. */
const MOST_PAGES = 20_000

/**
 * Reads all pages of a list, following `Link: <…>; rel="next"` (RFC 8288; distribution spec, "Listing Tags"). Only path and query of a link are used, on the
 * registry itself: registries behind a proxy name hosts that are not theirs. undefined where the first page was none.
 * @throws RegistrishError `bad-answer` where the pages do not end.
 */
export async function readPages<T>(connection: Connection, paged: Paged<T>): Promise<readonly T[] | undefined> {
  const { repository, what, accept, signal } = paged
  const items: T[] = []
  const seen = new Set<string>()
  let path: string | undefined = paged.path
  while (path !== undefined) {
    if (seen.has(path) || seen.size >= MOST_PAGES) throw endless(connection, what)
    seen.add(path)
    const page: Page<T> | undefined = await connection.exchange({
      what,
      repository,
      path,
      headers: { accept },
      signal,
      async read(response) {
        const list = await paged.read(response)
        return list === undefined ? undefined : { list, next: nextPage(response) }
      },
    })
    if (page === undefined) return seen.size === 1 ? undefined : items
    for (const item of page.list) items.push(item)
    if (items.length > paged.most) throw endless(connection, what)
    path = page.next
  }
  return items
}

interface Page<T> {
  readonly list: readonly T[]
  readonly next: string | undefined
}

/** Path and query of the next page, or undefined. */
function nextPage(response: HttpResponse): string | undefined {
  for (const { groups } of (response.header('link') ?? '').matchAll(LINKS)) {
    const { target = '', parameters = '' } = groups ?? {}
    if (!/;\s*rel\s*=\s*"?(?:[^";,]*\s)?next[\s";,]?/i.test(`${parameters};`)) continue
    if (!URL.canParse(target, response.url.href)) return undefined
    const { pathname, search } = new URL(target, response.url)
    return `${pathname}${search}`
  }
  return undefined
}

const LINKS = /<(?<target>[^>]*)>(?<parameters>[^<]*)/g

function endless({ registry }: Connection, what: string): RegistrishError {
  return new RegistrishError('bad-answer', `${registry} sends ${what} in pages that never end`, {
    side: 'source',
    hint: 'name the tags that are wanted instead of asking for all',
  })
}
