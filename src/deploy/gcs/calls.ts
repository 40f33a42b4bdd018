import type { ConnectionOptions } from '../connection.ts'
import { openRestCalls, type RestCalls } from '../rest/calls.ts'
import { gcsWords, readGcsRefusal } from './errors.ts'
import { type Authorize, createAuthorizer } from './token.ts'

/** Where a bucket is, and who asks. */
export interface GcsPlace {
  readonly bucket: string
  /** Origin of the service, or of an emulator. */
  readonly endpoint: string
  /** Whether nobody logs in: emulators ask for nothing. */
  readonly anonymous: boolean
}

/** Requests to one bucket. */
export interface GcsCalls extends RestCalls {
  readonly bucket: string
  /** The URL of the bucket's objects, or of one of them. */
  url(key: string | undefined, query?: Query): URL
  /** The URL by which one object is copied to another. */
  rewriteUrl(from: string, to: string, query: Query): URL
  /** The URL that objects are uploaded to. */
  uploadUrl(query: Query): URL
}

type Query = Readonly<Record<string, string | undefined>>

/** Opens the {@link GcsCalls} of a bucket; nothing is sent. */
export function openGcsCalls(
  { bucket, endpoint, anonymous }: GcsPlace,
  { authorize, ...options }: ConnectionOptions & { readonly authorize?: Authorize | undefined },
): GcsCalls {
  const identify = authorize ?? (anonymous ? nobody : createAuthorizer())
  const calls = openRestCalls(
    { words: gcsWords(bucket), authorize: identify, renewable: identify !== nobody, readRefusal: readGcsRefusal },
    options,
  )
  const objects = `b/${encodeURIComponent(bucket)}/o`
  return {
    ...calls,
    bucket,
    url: (key, query) =>
      urlOf(`${endpoint}/storage/v1/${objects}${key === undefined ? '' : `/${encodeKey(key)}`}`, query),
    rewriteUrl: (from, to, query) =>
      urlOf(`${endpoint}/storage/v1/${objects}/${encodeKey(from)}/rewriteTo/${objects}/${encodeKey(to)}`, query),
    uploadUrl: query => urlOf(`${endpoint}/upload/storage/v1/${objects}`, query),
  }
}

/** A key as one segment of a path (Cloud Storage, "Encoding URL path parts"). */
function encodeKey(key: string): string {
  return encodeURIComponent(key).replace(/[!'()*]/g, letter => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
}

const nobody: Authorize = async () => ({})

function urlOf(base: string, query: Query = {}): URL {
  const url = new URL(base)
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
  return url
}
