import { apiError, type GcsAnswer, type GcsBucket, resourceOf } from './gcs-server-objects.ts'
import { listKeys } from './listed-keys.ts'

/** A page of a listing, from what is there when it is asked for. */
export function listPage(bucket: GcsBucket, query: URLSearchParams, pageSize: number): GcsAnswer {
  const token = query.get('pageToken')
  const after = token === null ? undefined : Buffer.from(token, 'base64url').toString()
  const limit = Math.min(pageSize, Number(query.get('maxResults') ?? 1000))
  if (!(limit > 0)) return apiError(400, 'Invalid value for maxResults')
  const delimiter = query.get('delimiter')
  const listing = { prefix: query.get('prefix') ?? '', ...(delimiter === '/' ? { delimiter: '/' as const } : {}) }
  const entries = listKeys(bucket.objects, listing, after)
  const page = entries.slice(0, limit)
  const last = page.at(-1)?.key
  const items = page.flatMap(({ key, value }) => (value === undefined ? [] : [resourceOf(bucket, key, value)]))
  const prefixes = page.flatMap(({ key, value }) => (value === undefined ? [key] : []))
  return {
    status: 200,
    json: {
      kind: 'storage#objects',
      // As the API does: what is empty is left out.
      ...(items.length === 0 ? {} : { items }),
      ...(prefixes.length === 0 ? {} : { prefixes }),
      ...(entries.length <= limit || last === undefined
        ? {}
        : { nextPageToken: Buffer.from(last).toString('base64url') }),
    },
  }
}
