import { setMaxListeners } from 'node:events'
import { abortedError, type ErrorCode, isRegistrishError } from '../errors.ts'
import type { Source } from '../oci/source.ts'
import type { Tree } from '../tree/tree.ts'
import { createBudget } from './budget.ts'
import type { CopyContext, CopyOptions, CopyReport, CopyRequest, CopyResult } from './context.ts'
import { createImageCopier } from './images.ts'
import { createShelf } from './shelf.ts'
import { inTurn, settleLeftovers } from './together.ts'

/**
 * Copies images from any source into a tree: each blob once, manifests after what they point to, tags last, everything verified.
 * One request's failure does not stop the others; a failure that would meet all of them (disk full, rate limit, no connection, wrong
 * credentials) stops at once and is thrown. When it returns or throws, nothing of it is still running.
 */
export async function copyImages(
  source: Source,
  tree: Tree,
  requests: readonly CopyRequest[],
  options: CopyOptions = {},
): Promise<CopyReport> {
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  setMaxListeners(0, signal) // each request at work listens
  const context = createContext(source, tree, { ...options, signal })
  const copier = createImageCopier(context)
  const fatal: unknown[] = []
  const copyOne = async (request: CopyRequest): Promise<CopyResult> => {
    try {
      return await copier.copy(request)
    } catch (error) {
      if (isRegistrishError(error) && !FATAL.has(error.code)) return { request, changed: false, error }
      fatal.push(error)
      stop.abort(error)
      return { request, changed: false }
    }
  }
  try {
    const results = await inTurn(context, requests, copyOne)
    if (fatal.length === 0) return { results, totals: context.totals }
    throw options.signal?.aborted === true ? abortedError(options.signal.reason) : fatal[0]
  } finally {
    stop.abort(abortedError()) // what still runs belongs to requests that failed
    await settleLeftovers(context)
    await context.shelf.close()
  }
}

function createContext(
  source: Source,
  tree: Tree,
  options: CopyOptions & { readonly signal: AbortSignal },
): CopyContext {
  return {
    source,
    tree,
    options,
    signal: options.signal,
    totals: {
      manifestsFetched: 0,
      blobsFetched: 0,
      bytesFetched: 0,
      blobsPresent: 0,
      bytesPresent: 0,
      foreignLayers: 0,
    },
    onProgress: options.onProgress ?? (() => {}),
    shelf: createShelf(tree.root),
    memory: createBudget(IN_WORK),
    leftovers: [],
  }
}

/** Bytes of manifests that are worked on at once; parsed they take several times as much. */
const IN_WORK = 16 * 1024 * 1024

/** Failures that every other request would meet too. */
const FATAL: ReadonlySet<ErrorCode> = new Set([
  'aborted',
  'io',
  'locked',
  'no-space',
  'rate-limited',
  'tool-missing',
  'unauthorized',
  'unreachable',
  'usage',
])
