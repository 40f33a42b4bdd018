/* What a listing of a store names, and in which order: S3's ListObjectsV2. */

/** What a listing is asked for. */
export interface Listing {
  readonly prefix: string
  readonly delimiter?: string | undefined
}

/** An object, or, without a `value`, a prefix that stands for several. */
export interface ListedKey<T> {
  readonly key: string
  readonly value?: T
}

/** What comes after the entry `after` in the order of keys. */
export function listKeys<T>(
  objects: Iterable<readonly [string, T]>,
  { prefix, delimiter }: Listing,
  after?: string,
): readonly ListedKey<T>[] {
  const entries = new Map<string, ListedKey<T>>()
  for (const [key, value] of objects) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length)
    const entry: ListedKey<T> = end < 0 ? { key, value } : { key: key.slice(0, end + 1) }
    if (after === undefined || compareKeys(entry.key, after) > 0) entries.set(entry.key, entry)
  }
  return [...entries.values()].sort((one, other) => compareKeys(one.key, other.key))
}

/** The order of keys is that of their UTF-8, which beyond the BMP is not that of JavaScript's strings. */
function compareKeys(one: string, other: string): number {
  if (SURROGATE.test(one) || SURROGATE.test(other)) return Buffer.compare(Buffer.from(one), Buffer.from(other))
  return one < other ? -1 : one > other ? 1 : 0
}

const SURROGATE = /[\ud800-\udfff]/
