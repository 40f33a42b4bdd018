import { isRecord } from '../../oci/descriptor.ts'
import type { CallOptions } from '../../oci/source.ts'
import type { RestCall } from '../rest/calls.ts'
import { strangeAnswer } from '../rest/errors.ts'
import type { StoredPage } from '../store.ts'
import type { GcsCalls } from './calls.ts'
import { parseObject, readJson } from './object.ts'

/** Largest answer that is read, in bytes: 1,000 keys of 1,024 bytes, each byte escaped, come to less. */
const LARGEST_ANSWER = 16 * 1024 * 1024
const FIELDS = 'nextPageToken,prefixes,items(name,size,md5Hash,generation)'

interface Page extends StoredPage {
  readonly next: string | undefined
}

/** Lists objects page by page. */
export async function* listObjects(
  calls: GcsCalls,
  prefix: string,
  { signal, delimiter }: CallOptions & { readonly delimiter?: '/' } = {},
): AsyncGenerator<StoredPage, void> {
  const call: RestCall = { doing: prefix === '' ? 'list objects' : `list ${prefix}`, signal }
  const seen = new Set<string>()
  for (let next: string | undefined; ; ) {
    const query = { prefix, delimiter, pageToken: next, maxResults: '1000', fields: FIELDS, prettyPrint: 'false' }
    const page = await calls.run(call, async () => {
      const response = await calls.send({ url: calls.url(undefined, query), signal })
      const answer = await readJson(response, { doing: call.doing, words: calls.words, limit: LARGEST_ANSWER })
      const read = parsePage(answer)
      if (read === undefined) throw strangeAnswer(call.doing, calls.words, 'what answers is no listing')
      return read
    })
    yield page
    if (page.next === undefined) return
    if (seen.has(page.next)) throw strangeAnswer(call.doing, calls.words, 'the listing goes in circles')
    seen.add(page.next)
    next = page.next
  }
}

function parsePage(answer: unknown): Page | undefined {
  if (!isRecord(answer)) return undefined
  const { items = [], prefixes = [], nextPageToken } = answer
  if (!Array.isArray(items) || !Array.isArray(prefixes)) return undefined
  const objects = (items as readonly unknown[]).map(parseObject)
  if (!objects.every(object => object !== undefined)) return undefined
  return {
    objects: objects.map(({ key, size, etag }) => ({ key, size, etag })),
    prefixes: (prefixes as readonly unknown[]).filter(found => typeof found === 'string'),
    next: typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined,
  }
}
