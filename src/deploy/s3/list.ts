import type { HttpResponse } from '../../http/client.ts'
import type { CallOptions } from '../../oci/source.ts'
import type { StoredPage } from '../store.ts'
import type { Call, S3Calls } from './calls.ts'
import { strangeAnswer } from './errors.ts'
import { bareEtag, type ListAnswer, parseListing } from './list-xml.ts'

/** The SHA-256 of nothing, in hex: what a request without a body is signed with. */
export const EMPTY_SHA256: string = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Largest answer that is read, in bytes: 1,000 keys of 1,024 bytes, each byte written as an entity, come to less. */
const LARGEST_ANSWER = 16 * 1024 * 1024

/** Lists objects page by page, with continuation tokens only: MinIO loses keys of nested prefixes after a `StartAfter`. */
export async function* listObjects(
  calls: S3Calls,
  prefix: string,
  options: CallOptions & { readonly delimiter?: '/' } = {},
): AsyncGenerator<StoredPage, void> {
  const { signal, delimiter } = options
  const call: Call = { doing: prefix === '' ? 'list objects' : `list ${prefix}`, action: 's3:ListBucket', signal }
  const seen = new Set<string>()
  for (let next: string | undefined; ; ) {
    const token: string | undefined = next
    const query: ListQuery = { prefix, delimiter, token }
    const page = await calls.run(
      call,
      async () => (await ask(calls, query, call)) ?? (await askSdk(calls, query, call)),
    )
    yield page
    if (page.next === undefined) return
    if (seen.has(page.next)) throw strangeAnswer({ ...call, bucket: calls.bucket }, 'the listing goes in circles')
    seen.add(page.next)
    next = page.next
  }
}

interface ListQuery {
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly token: string | undefined
}

/** By the small path; undefined for an answer that only the SDK may understand. */
async function ask(calls: S3Calls, listing: ListQuery, { signal }: Call): Promise<ListAnswer | undefined> {
  const { prefix, delimiter, token } = listing
  const response: HttpResponse = await calls.small({
    method: 'GET',
    query: {
      'list-type': '2',
      prefix,
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(token === undefined ? {} : { 'continuation-token': token }),
    },
    headers: { 'x-amz-content-sha256': EMPTY_SHA256 },
    signal,
  })
  return parseListing(await response.text(LARGEST_ANSWER))
}

async function askSdk(calls: S3Calls, listing: ListQuery, call: Call): Promise<ListAnswer> {
  const { bucket, connection } = calls
  const { sdk, client } = await connection.load()
  const answer = await client.send(
    new sdk.ListObjectsV2Command({
      Bucket: bucket,
      Prefix: listing.prefix,
      Delimiter: listing.delimiter,
      ContinuationToken: listing.token,
    }),
    call.signal === undefined ? {} : { abortSignal: call.signal },
  )
  const { Contents: contents = [], CommonPrefixes: common = [], NextContinuationToken: next } = answer
  if (answer.KeyCount === undefined && answer.IsTruncated === undefined) {
    throw strangeAnswer({ ...call, bucket }, 'what answers is no listing')
  }
  return {
    objects: contents.map(({ Key: key = '', Size: size = 0, ETag: etag = '' }) => ({
      key,
      size,
      etag: bareEtag(etag),
    })),
    prefixes: common.map(({ Prefix: found = '' }) => found),
    ...(answer.IsTruncated === true && next !== undefined ? { next } : {}),
  }
}
