import { withComparing } from './conditions.ts'
import type { ObjectStore } from './store.ts'

/** A store whose conditions may turn out not to be kept. */
export interface Target extends ObjectStore {
  /** From now on each conditional write compares first. */
  compareFirst(): void
}

/** What is written to: the store itself, for everyone who holds it already too, until it is known to need comparing. */
export function createTarget(store: ObjectStore): Target {
  let writing = store
  const { copy, sweep } = store
  return {
    title: store.title,
    limits: store.limits,
    ...(store.hasFolders === undefined ? {} : { hasFolders: store.hasFolders }),
    ...(store.publicHost === undefined ? {} : { publicHost: store.publicHost }),
    now: () => store.now(),
    list: (prefix, options) => store.list(prefix, options),
    head: async (key, options) => store.head(key, options),
    get: async (key, options) => store.get(key, options),
    put: async (object, options) => writing.put(object, options),
    ...(copy === undefined ? {} : { copy: async (from, to, options) => copy.call(store, from, to, options) }),
    delete: async (keys, options) => store.delete(keys, options),
    ...(sweep === undefined ? {} : { sweep: async options => sweep.call(store, options) }),
    close: async () => store.close(),
    compareFirst() {
      writing = withComparing(store)
    },
  }
}
