import { Buffer } from 'node:buffer'
import type { ContainerClient } from '@azure/storage-blob'
import type { CallOptions } from '../../oci/source.ts'
import type { StoredObject, StoredPage } from '../store.ts'
import type { AzureCalls, Call } from './calls.ts'
import { strangeAnswer } from './errors.ts'
import { bareEtag } from './read.ts'

export interface AzureListOptions extends CallOptions {
  readonly delimiter?: '/'
  /** Blobs and prefixes of one answer; the service gives 5,000 at most. */
  readonly pageSize: number
}

/** Lists blobs page by page. A page may be empty and still have others after it. */
export async function* listBlobs(
  calls: AzureCalls,
  prefix: string,
  { signal, delimiter, pageSize }: AzureListOptions,
): AsyncGenerator<StoredPage, void> {
  const call: Call = { doing: prefix === '' ? 'list blobs' : `list ${prefix}`, signal }
  const seen = new Set<string>()
  for (let continuationToken: string | undefined; ; ) {
    const from = { maxPageSize: pageSize, ...(continuationToken === undefined ? {} : { continuationToken }) }
    const { segment, next } = await calls.run(call, async options =>
      readPage(calls.container, { ...options, prefix, delimiter, from }),
    )
    yield {
      objects: segment.blobItems.map(readObject),
      prefixes: (segment.blobPrefixes ?? []).map(({ name }) => name),
    }
    if (next === undefined || next === '') return
    if (seen.has(next)) throw strangeAnswer({ ...call, place: calls.place }, 'the listing goes in circles')
    seen.add(next)
    continuationToken = next
  }
}

interface Asking {
  readonly abortSignal?: AbortSignal
  readonly prefix: string
  readonly delimiter: '/' | undefined
  readonly from: { readonly maxPageSize: number; readonly continuationToken?: string }
}

interface Segment {
  readonly blobItems: readonly Item[]
  readonly blobPrefixes?: readonly { readonly name: string }[]
}

interface Item {
  readonly name: string
  readonly properties: { readonly etag: string; readonly contentLength?: number; readonly contentMD5?: Uint8Array }
}

/** One page by an iterator of its own, since one that has failed is at its end. */
async function readPage(
  container: ContainerClient,
  { delimiter, from, ...options }: Asking,
): Promise<{ readonly segment: Segment; readonly next: string | undefined }> {
  const pages =
    delimiter === undefined
      ? container.listBlobsFlat(options).byPage(from)
      : container.listBlobsByHierarchy(delimiter, options).byPage(from)
  const page = await pages.next()
  if (page.done === true) return { segment: { blobItems: [] }, next: undefined }
  const { segment, continuationToken } = page.value
  return { segment, next: continuationToken }
}

/** The service keeps the MD5 of what comes in one request, as all that is small does; of the rest it may state an empty one. */
function readObject({ name, properties: { etag, contentLength = 0, contentMD5 } }: Item): StoredObject {
  const md5 = contentMD5?.length === 16 ? { md5: Buffer.from(contentMD5).toString('hex') } : {}
  return { key: name, size: contentLength, etag: bareEtag(etag), ...md5 }
}
