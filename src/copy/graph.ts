import pLimit from 'p-limit'
import { isRegistrishError, RegistrishError, throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { type Manifest, references } from '../oci/manifest.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { BlobCopier } from './blobs.ts'
import type { CopyContext, CopyRequest } from './context.ts'
import { type LoadedManifest, loadManifest, loadPresent } from './manifests.ts'
import { createPart, joinParts, type Parts } from './parts.ts'
import { chooseChildren, noPlatform } from './platforms.ts'
import { together } from './together.ts'

/** Copies manifests with all they point to. */
export interface GraphCopier {
  /** Runs a request for a manifest within the limit of `jobs`. */
  limit<T>(action: () => Promise<T>): Promise<T>
  /**
   * Copies the graph below a descriptor, whose manifest may have been loaded before.
   * @throws RegistrishError `not-found` where no child is for a platform that is wanted, and what the source and the tree throw.
   */
  copy(request: CopyRequest, root: Descriptor, loaded?: LoadedManifest): Promise<CopiedGraph>
  /** Reads and verifies one manifest, from the tree where it is there. */
  load(request: CopyRequest, descriptor: Descriptor): Promise<LoadedManifest>
}

/** What was copied, verified and not visible yet: all manifests, and whether anything was not there before. */
export interface CopiedGraph {
  readonly parts: Parts
  readonly changed: boolean
}

/** What is below a manifest. */
interface Below extends CopiedGraph {
  /** Blobs that become visible with it. */
  readonly blobs: readonly Descriptor[]
}

/** An index of which no child is for a platform that is wanted: nothing of it is copied. */
interface Unmatched {
  /** The platforms it has. */
  readonly unmatched: readonly string[]
}

/** Where in a walk a manifest stands, and what was read of it before. */
interface Place {
  readonly depth: number
  readonly loaded?: LoadedManifest
}

/** Deepest nesting of indexes that is followed. */
const DEEPEST = 16

/** Makes the one {@link GraphCopier} of a copy. */
export function createGraphCopier(context: CopyContext, blobs: BlobCopier): GraphCopier {
  const slots = pLimit(context.options.jobs ?? 4)
  const running = new Map<string, Promise<CopiedGraph | Unmatched>>()
  const copier: GraphCopier = {
    limit: action =>
      slots(async () => {
        throwIfAborted(context.signal)
        return action()
      }),
    load: (request, descriptor) => loadManifest(context, copier.limit, { request, descriptor }),
    async copy(request, root, loaded) {
      const copied = await walk(request, root, { depth: 0, ...(loaded === undefined ? {} : { loaded }) })
      if ('unmatched' in copied) throw noPlatform(context, request, copied.unmatched)
      return copied
    },
  }
  return copier

  function walk(request: CopyRequest, descriptor: Descriptor, place: Place): Promise<CopiedGraph | Unmatched> {
    const { digest, size, mediaType } = descriptor
    const key = [request.repository, request.target, digest, size, mediaType].join(' ')
    const known = running.get(key)
    if (known !== undefined) return known
    const copying = copyManifest(request, descriptor, place)
    running.set(key, copying)
    return copying
  }

  async function copyManifest(
    request: CopyRequest,
    descriptor: Descriptor,
    { depth, loaded }: Place,
  ): Promise<CopiedGraph | Unmatched> {
    const { digest } = descriptor
    if (depth > DEEPEST) throw tooDeep(digest)
    const { bytes, manifest, present } = loaded ?? (await copier.load(request, descriptor))
    const below = await copyBelow(request, manifest, depth)
    if ('unmatched' in below) return below
    const isIndex = manifest.kind === 'index'
    const part = createPart(context, { target: request.target, digest, isIndex, bytes, blobs: below.blobs })
    context.onProgress({ type: 'manifest-done', repository: request.target, digest })
    return { parts: joinParts([below.parts, new Map([[digest, part]])]), changed: !present || below.changed }
  }

  async function copyBelow(request: CopyRequest, manifest: Manifest, depth: number): Promise<Below | Unmatched> {
    if (manifest.kind === 'image') {
      const copying = [...references(manifest)].map(blob => copyBlob(request, blob))
      return joinBelow(await together(context, copying))
    }
    const { chosen, others } = chooseChildren(manifest, context.options.platforms ?? [])
    const found = await together(
      context,
      chosen.map(child => copyChild(request, child, depth + 1)),
    )
    const matched = found.flatMap(part => ('unmatched' in part ? [] : [part]))
    if (matched.length === 0 && manifest.manifests.length > 0) {
      return { unmatched: [...others, ...found.flatMap(part => ('unmatched' in part ? part.unmatched : []))] }
    }
    return joinBelow(matched)
  }

  async function copyBlob(request: CopyRequest, blob: Descriptor): Promise<Below> {
    const { changed, foreign } = await blobs.copy(request, blob)
    return { parts: new Map(), changed, blobs: foreign ? [] : [blob] }
  }

  /** An entry of unknown type is tried as a manifest, then as a blob (image spec, image-index.md: unknown types must not be an error). */
  async function copyChild(request: CopyRequest, child: Descriptor, depth: number): Promise<Below | Unmatched> {
    if (isManifestType(child.mediaType)) return asBelow(await walk(request, child, { depth }))
    const loaded = await tryManifest(request, child)
    if (!isRegistrishError(loaded)) return asBelow(await walk(request, child, { depth, loaded }))
    try {
      return await copyBlob(request, child)
    } catch (error) {
      throw isRegistrishError(error, 'not-found') ? loaded : error
    }
  }

  /** The manifest that an entry of unknown type names, or why it is none. What the tree holds as a blob is not asked for as a manifest. */
  async function tryManifest(request: CopyRequest, child: Descriptor): Promise<LoadedManifest | RegistrishError> {
    try {
      if ((await context.tree.blobSize(request.target, child.digest)) !== child.size)
        return await copier.load(request, child)
      return (
        (await loadPresent(context, request, child)) ?? new RegistrishError('not-found', `${child.digest} is a blob`)
      )
    } catch (error) {
      if (isRegistrishError(error, 'not-found', 'manifest-invalid')) return error
      throw error
    }
  }
}

function asBelow(graph: CopiedGraph | Unmatched): Below | Unmatched {
  return 'unmatched' in graph ? graph : { ...graph, blobs: [] }
}

function joinBelow(all: readonly Below[]): Below {
  return {
    parts: joinParts(all.map(({ parts }) => parts)),
    changed: all.some(({ changed }) => changed),
    blobs: all.flatMap(({ blobs }) => blobs),
  }
}

function tooDeep(digest: Digest): RegistrishError {
  return new RegistrishError('unsupported', `${digest} is nested more than ${DEEPEST} indexes deep`, {
    side: 'source',
    hint: 'no client pulls such an image: name one of the indexes inside it by its digest',
  })
}
