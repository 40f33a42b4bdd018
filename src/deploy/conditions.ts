import { isRegistrishError } from '../errors.ts'
import type { CallOptions } from '../oci/source.ts'
import { refusalOf } from './s3/refusal.ts'
import type { Condition, NewObject, ObjectStore } from './store.ts'

/**
 * Whether a store keeps the conditions of a write: some refuse them, some ignore them without a word. Tried with an object whose bytes never change, so that
 * it does no harm where they are ignored.
 */
export async function honoursConditions(
  store: ObjectStore,
  constant: NewObject,
  call: CallOptions = {},
): Promise<boolean> {
  try {
    await store.put(constant, { ...call, condition: 'absent' })
    const again = await store.put(constant, { ...call, condition: 'absent' })
    return again === undefined && (await store.put(constant, { ...call, condition: { etag: NO_ETAG } })) === undefined
  } catch (error) {
    if (isRegistrishError(error, 'unsupported') || isUnknownHeader(error)) return false
    throw error
  }
}

/** What relatives of S3 say to a header that they do not know. If it was another, the write without a condition will tell. */
function isUnknownHeader(error: unknown): boolean {
  const { status, code = '' } = refusalOf(error) ?? {}
  return status === 400 && (code === 'InvalidArgument' || code === 'NotImplemented')
}

/** A store whose writes compare before they write, since it does not keep conditions: between the two another writer may come. */
export function withComparing(store: ObjectStore): ObjectStore {
  const comparing: ObjectStore = {
    title: store.title,
    limits: store.limits,
    ...(store.hasFolders === undefined ? {} : { hasFolders: store.hasFolders }),
    now: () => store.now(),
    list: (...asked) => store.list(...asked),
    head: async (...asked) => store.head(...asked),
    get: async (...asked) => store.get(...asked),
    delete: async (...asked) => store.delete(...asked),
    close: async () => store.close(),
    ...(store.copy === undefined ? {} : { copy: store.copy.bind(store) }),
    ...(store.sweep === undefined ? {} : { sweep: store.sweep.bind(store) }),
    async put(object, { condition, ...options } = {}) {
      if (condition !== undefined && !(await holds(store, object.key, { condition, ...options }))) return undefined
      return store.put(object, options)
    },
  }
  // It may be known only later, or change.
  return Object.defineProperty(comparing, 'publicHost', { get: () => store.publicHost, enumerable: true })
}

/** The etag of nothing: no MD5 that anybody will meet. */
const NO_ETAG = '00000000000000000000000000000000'

async function holds(
  store: ObjectStore,
  key: string,
  { condition, ...call }: CallOptions & { readonly condition: Condition },
): Promise<boolean> {
  const found = await store.head(key, call)
  return condition === 'absent' ? found === undefined : found?.etag === condition.etag
}
