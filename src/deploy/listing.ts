import type { CallOptions } from '../oci/source.ts'
import { publicPrefix } from '../tree/layout.ts'
import { callOf } from './call-of.ts'
import { forEach } from './for-each.ts'
import type { ObjectStore, StoredObject } from './store.ts'

/** What a store holds below v2/, by key. */
export type StoreListing = Map<string, StoredObject>

/** Listings at once. */
const AT_ONCE = 8
/** Groups that a listing is divided into, at most: each costs a request that is not full. */
const MOST_GROUPS = 40
/** Levels that are opened one by one while all keys begin alike: `library/`, a repository of its own. */
const DEEPEST = 4

/**
 * Lists a store. One of a page or two costs a request for each; a larger one is divided by how its keys begin and listed at several places at once, which
 * costs a few dozen requests more. What is written meanwhile may be missed, as it may in any listing.
 */
export async function listStore(store: ObjectStore, { signal }: CallOptions = {}): Promise<StoreListing> {
  const call = callOf(signal)
  const found: StoreListing = new Map()
  const take = (objects: readonly StoredObject[]): void => {
    for (const object of objects) found.set(object.key, object)
  }
  const pages = store.list(publicPrefix, call)[Symbol.asyncIterator]()
  for (let count = 0; count < 2; count += 1) {
    const page = await pages.next()
    if (page.done === true) return found
    take(page.value.objects)
  }
  await pages.return?.()
  await forEach(await divide(store, { take, call }), AT_ONCE, async prefix => {
    for await (const page of store.list(prefix, call)) take(page.objects)
  })
  return found
}

/** The keys that begin with a prefix, as a store holds them now. */
export async function* listKeys(store: ObjectStore, prefix: string, call: CallOptions): AsyncGenerator<string> {
  for await (const page of store.list(prefix, call)) for (const { key } of page.objects) yield key
}

interface Dividing {
  readonly take: (objects: readonly StoredObject[]) => void
  readonly call: CallOptions
}

/** Prefixes that together hold all keys but those that are taken on the way. */
async function divide(store: ObjectStore, { take, call }: Dividing): Promise<readonly string[]> {
  let prefixes: readonly string[] = [publicPrefix]
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const [only, ...others] = prefixes
    if (only === undefined || others.length > 0) break
    const below: string[] = []
    for await (const page of store.list(only, { ...call, delimiter: '/' })) {
      take(page.objects)
      below.push(...page.prefixes)
    }
    prefixes = below
  }
  return prefixes.length > MOST_GROUPS ? groupByLetter(prefixes) : prefixes
}

/** The shortest beginnings that tell the prefixes apart by one more letter than they share. */
function groupByLetter(prefixes: readonly string[]): readonly string[] {
  const [first = ''] = prefixes
  let shared = ''
  // By code points: half a character cannot be asked for.
  for (const letter of first) {
    if (!prefixes.every(prefix => prefix.startsWith(shared + letter))) break
    shared += letter
  }
  return [...new Set(prefixes.map(prefix => `${shared}${[...prefix.slice(shared.length)][0] ?? ''}`))]
}
