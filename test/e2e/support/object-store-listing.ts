import type { PublicBucket } from './object-stores.ts'

/** What a listing tells of an object, as one line: its size and etag. */
export type BucketListing = ReadonlyMap<string, string>

/** Lists a bucket as anyone, by S3's own protocol (ListObjectsV2). */
export async function listBucket(bucket: Pick<PublicBucket, 'ask'>, prefix = ''): Promise<BucketListing> {
  const found = new Map<string, string>()
  let token: string | undefined
  do {
    const query = new URLSearchParams({
      'list-type': '2',
      prefix,
      ...(token === undefined ? {} : { 'continuation-token': token }),
    })
    const { status, body } = await bucket.ask(`/?${query}`)
    const text = body.toString()
    if (status !== 200) throw new Error(`the listing of ${prefix}: ${status} ${text}`)
    for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      found.set(textIn(entry, 'Key') ?? '', `${textIn(entry, 'Size')} ${textIn(entry, 'ETag')?.replaceAll('"', '')}`)
    }
    token = textIn(text, 'NextContinuationToken')
  } while (token !== undefined)
  return found
}

/** Keys whose object is another in the second listing, or that are in only one of them, sorted. */
export function changedKeys(before: BucketListing, after: BucketListing): readonly string[] {
  const keys = new Set([...before.keys(), ...after.keys()])
  return [...keys].filter(key => before.get(key) !== after.get(key)).sort()
}

function textIn(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text
    ?.replace(/&(?:quot|#34);/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
}
