import pLimit from 'p-limit'
import { isRegistrishError, throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { CopyContext, CopyRequest } from './context.ts'
import { transferBlob } from './transfer.ts'

/** Copies blobs, each once whatever the number of images that name it. */
export interface BlobCopier {
  /** Gets a blob into the tree, verified; it becomes visible with the manifest that names it. False where it is visible in the request's repository already, or is left where its `urls` say. */
  copy(request: CopyRequest, descriptor: Descriptor): Promise<boolean>
  /** Whether a blob was left where its `urls` say. */
  isForeign(digest: Digest): boolean
}

/** A blob that is being fetched, or was. */
interface Fetching {
  /** Repository of the source that it is fetched from. */
  readonly repository: string
  readonly done: Promise<void>
}

/** Makes the one {@link BlobCopier} of a copy. */
export function createBlobCopier(context: CopyContext): BlobCopier {
  const { tree, totals, options } = context
  const limit = pLimit(options.jobs ?? 4)
  const running = new Map<string, Fetching>()
  const counted = new Set<Digest>()
  const foreign = new Set<Digest>()
  return {
    isForeign: digest => foreign.has(digest),
    async copy(request, descriptor): Promise<boolean> {
      const { digest } = descriptor
      const there = await tree.findBlob(request.target, descriptor)
      if (there !== undefined) {
        countPresent(descriptor)
        return there !== 'here'
      }
      try {
        await fetchOnce(request, descriptor)
        return true
      } catch (error) {
        if (descriptor.urls === undefined || !isRegistrishError(error, 'not-found')) throw error
        if (!foreign.has(digest)) totals.foreignLayers += 1
        foreign.add(digest)
        return false
      }
    },
  }

  function countPresent({ digest, size }: Descriptor): void {
    if (counted.has(digest)) return
    counted.add(digest)
    totals.blobsPresent += 1
    totals.bytesPresent += size
  }

  /** What another image fetches is waited for; what its repository does not hold may be in this one. Another size is another blob, lest a lie about it pass. */
  async function fetchOnce(request: CopyRequest, descriptor: Descriptor): Promise<void> {
    const { repository } = request
    const key = `${descriptor.digest} ${descriptor.size}`
    for (let known = running.get(key); known !== undefined; known = running.get(key)) {
      try {
        await known.done
        return
      } catch (error) {
        if (known.repository === repository || !isRegistrishError(error, 'not-found')) throw error
        if (running.get(key) === known) running.delete(key)
      }
    }
    const done = limit(() => fetchBlob(request, descriptor))
    running.set(key, { repository, done })
    await done
  }

  async function fetchBlob(request: CopyRequest, descriptor: Descriptor): Promise<void> {
    const { signal, onProgress } = context
    const { digest, size } = descriptor
    throwIfAborted(signal)
    if (options.dryRun === true) {
      counted.add(digest)
      totals.blobsFetched += 1
      totals.bytesFetched += size
      return
    }
    const writer = await tree.writeBlob(request.target, descriptor, { signal })
    try {
      if ((await tree.findBlob(request.target, descriptor)) !== undefined) {
        countPresent(descriptor)
        return
      }
      counted.add(digest)
      onProgress({ type: 'blob-start', repository: request.target, digest, size, offset: writer.offset })
      await transferBlob(context, { request, descriptor, writer })
      totals.blobsFetched += 1
      onProgress({ type: 'blob-done', repository: request.target, digest, size })
    } catch (error) {
      onProgress({ type: 'blob-failed', digest })
      throw error
    } finally {
      await writer.close()
    }
  }
}
