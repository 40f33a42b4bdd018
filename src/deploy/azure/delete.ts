import type { CallOptions } from '../../oci/source.ts'
import { forEach } from '../for-each.ts'
import type { AzureCalls } from './calls.ts'
import { isMissingBlob } from './read.ts'

/** Deletes blobs one by one, some at a time: a request for many needs rights of its own, and has the same price. */
export async function deleteBlobs(
  calls: AzureCalls,
  keys: readonly string[],
  { signal, jobs }: CallOptions & { readonly jobs: number },
): Promise<void> {
  await forEach(keys, jobs, async key => {
    try {
      await calls.run({ doing: `delete ${key}`, signal }, async options => calls.blob(key).delete(options))
    } catch (error) {
      if (!isMissingBlob(error)) throw error
    }
  })
}
