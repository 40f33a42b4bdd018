import pLimit from 'p-limit'
import { isRegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { CopyContext, CopyRequest } from './context.ts'
import type { CopiedGraph, GraphCopier } from './graph.ts'
import type { LoadedManifest } from './manifests.ts'
import { joinParts, type Parts } from './parts.ts'
import { inTurn } from './together.ts'

/** Copies what refers to manifests. */
export interface ReferrersCopier {
  /**
   * Copies what refers to the manifests named, what refers to that, and so on; gives all that was copied.
   * A source's list is not trusted: what is not there, or is not what the list says, or names another subject, is left out with a note.
   */
  copy(request: CopyRequest, digests: Iterable<Digest>): Promise<CopiedGraph>
}

/** Makes the one {@link ReferrersCopier} of a copy: each manifest's referrers are asked for once, whatever the number of images that hold it. */
export function createReferrersCopier(context: CopyContext, graph: GraphCopier): ReferrersCopier {
  const { source, signal, onProgress } = context
  const slots = pLimit(AT_ONCE)
  const running = new Map<string, Promise<CopiedGraph>>()
  return {
    async copy(request, digests): Promise<CopiedGraph> {
      const seen = new Set(digests)
      const copied: Parts[] = []
      let changed = false
      for (let pending = [...seen]; pending.length > 0; ) {
        const graphs = await inTurn(context, pending, subject => copyOnce(request, subject))
        changed ||= graphs.some(found => found.changed)
        const parts = joinParts(graphs.map(found => found.parts))
        copied.push(parts)
        pending = [...parts.keys()].filter(digest => !seen.has(digest))
        for (const digest of pending) seen.add(digest)
      }
      return { parts: joinParts(copied), changed }
    },
  }

  function copyOnce(request: CopyRequest, subject: Digest): Promise<CopiedGraph> {
    const key = `${request.repository} ${request.target} ${subject}`
    const known = running.get(key)
    if (known !== undefined) return known
    const copying = copyOf(request, subject)
    running.set(key, copying)
    return copying
  }

  /** Copies what refers to one manifest, that itself left out of the result. */
  async function copyOf(request: CopyRequest, subject: Digest): Promise<CopiedGraph> {
    const { repository } = request
    const listed = (await graph.limit(async () => source.referrers?.(repository, subject, { signal }))) ?? []
    const graphs = await inTurn(context, listed, descriptor => slots(() => copyReferrer(request, descriptor, subject)))
    return {
      parts: joinParts(graphs.flatMap(found => found?.parts ?? [])),
      changed: graphs.some(found => found?.changed === true),
    }
  }

  async function copyReferrer(
    request: CopyRequest,
    descriptor: Descriptor,
    subject: Digest,
  ): Promise<CopiedGraph | undefined> {
    const leaveOut = (reason: string): undefined => {
      onProgress({
        type: 'note',
        text: `${descriptor.digest} is listed as a referrer of ${subject}, but ${reason}: left out`,
      })
    }
    let loaded: LoadedManifest
    try {
      loaded = await graph.load(request, descriptor)
    } catch (error) {
      if (!isRegistrishError(error, ...LIES)) throw error
      return leaveOut(error.message)
    }
    if (loaded.manifest.subject?.digest !== subject) return leaveOut('does not name it as its subject')
    return graph.copy(request, descriptor, loaded)
  }
}

/** Referrers that are worked on at once, each with its manifest in memory. */
const AT_ONCE = 8

/** Failures that show that a list was wrong, and not that a manifest was damaged on its way. */
const LIES = ['not-found', 'manifest-invalid', 'size-mismatch', 'unsupported'] as const
