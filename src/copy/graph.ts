import pLimit from 'p-limit'
import { isRegistrishError, RegistrishError, throwIfAborted } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { type ImageManifest, type IndexManifest, LARGEST_MANIFEST, references } from '../oci/manifest.ts'
import { isIndexType, isManifestType } from '../oci/media-types.ts'
import type { BlobCopier } from './blobs.ts'
import type { CopyContext, CopyRequest } from './context.ts'
import { type LoadedManifest, loadManifest, loadPresent } from './manifests.ts'
import { type BlobKinds, createPart, joinParts, type Part, type Parts } from './parts.ts'
import { chooseChildren, noPlatform } from './platforms.ts'
import { inTurn } from './together.ts'

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

/** An index of which no child is for a platform that is wanted: nothing of it is copied. */
interface Unmatched {
  /** The platforms it has. */
  readonly unmatched: readonly string[]
}

/** Where in a walk a manifest stands, and what was read of it before. */
interface Place {
  readonly depth: number
  /** Bytes of the indexes that it is nested in, the outermost left out. */
  readonly above: number
  readonly loaded?: LoadedManifest
}

interface LoadedImage extends LoadedManifest {
  readonly manifest: ImageManifest
}

/** An index whose children are to be copied; its bytes wait elsewhere. */
interface OpenIndex extends Pick<LoadedManifest, 'present'> {
  readonly manifest: IndexManifest
  readonly part: Part
}

/** Deepest nesting of indexes that is followed. */
const DEEPEST = 16
/** Most bytes of indexes nested in one another, the outermost left out: all of them are in memory at once. */
const HEAVIEST = LARGEST_MANIFEST

/**
 * Makes the one {@link GraphCopier} of a copy. However much a source names, what is in memory at once is bounded: manifests of images are worked on
 * within the budget, and indexes that are nested in another one after the other. (Nobody who holds a part of the budget waits for an index, and no index that has not begun
 * is waited for: two that wait for each other would name each other, which no digest allows.)
 */
export function createGraphCopier(context: CopyContext, blobs: BlobCopier): GraphCopier {
  const { memory, options, onProgress } = context
  const slots = pLimit(options.jobs ?? 4)
  const walks = new Map<string, Promise<CopiedGraph | Unmatched>>()
  const tries = new Map<string, ReturnType<typeof tryImage>>()
  const blobChildren = new Set<Digest>()
  const kinds: BlobKinds = { isBlob: digest => blobChildren.has(digest), isForeign: blobs.isForeign }
  const copier: GraphCopier = {
    limit: action =>
      slots(async () => {
        throwIfAborted(context.signal)
        return action()
      }),
    load: (request, descriptor) => loadManifest(context, copier.limit, { request, descriptor }),
    async copy(request, root, loaded) {
      const copied = await walk(request, root, { depth: 0, above: 0, ...(loaded === undefined ? {} : { loaded }) })
      if ('unmatched' in copied) throw noPlatform(context, request, copied.unmatched)
      return copied
    },
  }
  return copier

  function walk(request: CopyRequest, descriptor: Descriptor, place: Place): Promise<CopiedGraph | Unmatched> {
    const key = keyOf(request, descriptor)
    const known = walks.get(key)
    if (known !== undefined) return known
    const copying = copyManifest(request, descriptor, place)
    walks.set(key, copying)
    return copying
  }

  async function copyManifest(
    request: CopyRequest,
    descriptor: Descriptor,
    place: Place,
  ): Promise<CopiedGraph | Unmatched> {
    if (place.depth > DEEPEST || place.above > HEAVIEST) throw tooDeep(descriptor.digest)
    const begin = async (loaded: LoadedManifest): Promise<CopiedGraph | OpenIndex> => {
      const { manifest } = loaded
      return manifest.kind === 'image'
        ? copyImage(request, descriptor, { ...loaded, manifest })
        : { manifest, present: loaded.present, part: await makePart(request, descriptor, loaded) }
    }
    const load = async (): Promise<CopiedGraph | OpenIndex> => begin(await copier.load(request, descriptor))
    const begun = await (place.loaded === undefined ? memory.run(weightOf(descriptor), load) : begin(place.loaded))
    return 'manifest' in begun ? copyIndex(request, begun, place) : begun
  }

  /** Each blob once, though the manifest name it a thousand times; another size is another blob, lest a lie about it pass. */
  async function copyImage(request: CopyRequest, descriptor: Descriptor, loaded: LoadedImage): Promise<CopiedGraph> {
    const all = new Map([...references(loaded.manifest)].map(blob => [`${blob.digest} ${blob.size}`, blob]))
    const changed = await inTurn(context, all.values(), blob => blobs.copy(request, blob))
    const part = await makePart(request, descriptor, loaded)
    return finish(request, part, { parts: new Map(), changed: !loaded.present || changed.includes(true) })
  }

  async function copyIndex(
    request: CopyRequest,
    { manifest, part, present }: OpenIndex,
    place: Place,
  ): Promise<CopiedGraph | Unmatched> {
    const { chosen, others } = chooseChildren(manifest, options.platforms ?? [])
    const found = await copyChildren(request, chosen, place)
    const matched = found.flatMap(copied => ('unmatched' in copied ? [] : [copied]))
    if (matched.length === 0 && manifest.manifests.length > 0) {
      return { unmatched: [...others, ...found.flatMap(copied => ('unmatched' in copied ? copied.unmatched : []))] }
    }
    const changed = !present || matched.some(copied => copied.changed)
    return finish(request, part, { parts: joinParts(matched.map(({ parts }) => parts)), changed })
  }

  /** Indexes one after the other, when all else is there. */
  async function copyChildren(
    request: CopyRequest,
    children: readonly Descriptor[],
    { depth, above }: Place,
  ): Promise<readonly (CopiedGraph | Unmatched)[]> {
    const copied = await inTurn(context, children, async child => {
      if (isIndexType(child.mediaType)) return undefined
      return isManifestType(child.mediaType)
        ? walk(request, child, { depth: depth + 1, above: 0 })
        : copyUnknown(request, child)
    })
    const found = copied.filter(one => one !== undefined)
    for (const [position, child] of children.entries()) {
      if (copied[position] !== undefined) continue
      found.push(await walk(request, child, { depth: depth + 1, above: above + child.size }))
    }
    return found
  }

  /** An entry of unknown type is tried as a manifest, then as a blob (image spec, image-index.md: unknown types must not be an error). Nothing for an index: that is for later. */
  async function copyUnknown(request: CopyRequest, child: Descriptor): Promise<CopiedGraph | undefined> {
    const key = keyOf(request, child)
    const trying = tries.get(key) ?? memory.run(weightOf(child), () => tryImage(request, child))
    tries.set(key, trying)
    const tried = await trying
    if (!isRegistrishError(tried)) return tried
    try {
      const changed = await blobs.copy(request, child)
      blobChildren.add(child.digest)
      return { parts: new Map(), changed }
    } catch (error) {
      throw isRegistrishError(error, 'not-found') ? tried : error
    }
  }

  /** The image that an entry of unknown type names, undefined for an index, or why it is neither. What the tree holds as a blob is not asked for as a manifest. */
  async function tryImage(request: CopyRequest, child: Descriptor): Promise<CopiedGraph | RegistrishError | undefined> {
    let loaded: LoadedManifest | undefined
    try {
      const isBlob = (await context.tree.blobSize(request.target, child.digest)) === child.size
      loaded = await (isBlob ? loadPresent(context, request, child) : copier.load(request, child))
    } catch (error) {
      if (isRegistrishError(error, 'not-found', 'manifest-invalid')) return error
      throw error
    }
    if (loaded === undefined) return new RegistrishError('not-found', `${child.digest} is a blob`)
    const { manifest } = loaded
    return manifest.kind === 'image' ? copyImage(request, child, { ...loaded, manifest }) : undefined
  }

  function makePart(
    { target }: CopyRequest,
    { digest }: Descriptor,
    { bytes, manifest }: LoadedManifest,
  ): Promise<Part> {
    return createPart(context, { target, digest, isIndex: manifest.kind === 'index', bytes }, kinds)
  }

  function finish({ target }: CopyRequest, part: Part, { parts, changed }: CopiedGraph): CopiedGraph {
    onProgress({ type: 'manifest-done', repository: target, digest: part.digest })
    return { parts: joinParts([parts, new Map([[part.digest, part]])]), changed }
  }
}

/** What tells copies of a manifest apart: whoever says another size or type of it is not told that all is well. */
function keyOf({ repository, target }: CopyRequest, { digest, size, mediaType }: Descriptor): string {
  return [repository, target, digest, size, mediaType].join(' ')
}

/** What a manifest takes of the budget; one that says more is refused before it is read, or is a blob. */
function weightOf({ size }: Descriptor): number {
  return Math.min(size, LARGEST_MANIFEST)
}

function tooDeep(digest: Digest): RegistrishError {
  return new RegistrishError(
    'unsupported',
    `${digest} is nested more than ${DEEPEST} indexes deep, or in indexes of more than ${HEAVIEST} bytes`,
    { side: 'source', hint: 'no client pulls such an image: name one of the indexes inside it by its digest' },
  )
}
