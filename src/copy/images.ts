import { isRegistrishError, RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { parseTag, parseTreeRepository } from '../oci/name.ts'
import type { Source } from '../oci/source.ts'
import type { Tree } from '../tree/tree.ts'
import { createBlobCopier } from './blobs.ts'
import type { CopyContext, CopyRequest, CopyResult } from './context.ts'
import { createDigestTags } from './digest-tags.ts'
import { type CopiedGraph, createGraphCopier } from './graph.ts'
import { joinParts, type Parts, publishParts } from './parts.ts'
import { noteOtherPlatform } from './platforms.ts'
import { createReferrersCopier } from './referrers.ts'
import { inTurn } from './together.ts'

/** What a request stands for, verified, but neither visible nor tagged yet. */
interface CopiedImage extends CopiedGraph {
  readonly root: Descriptor
  /** What refers to it: visible after it. */
  readonly referring: Parts
}

/** What stands at a digest tag. */
interface TaggedImage extends CopiedImage {
  readonly tag: string
}

/** Copies images, with what belongs to them, and sets their tags. */
export interface ImageCopier {
  /** @throws RegistrishError what the source and the tree throw, and `name-invalid` before anything is asked for. */
  copy(request: CopyRequest): Promise<CopyResult>
}

/** Makes the one {@link ImageCopier} of a copy. */
export function createImageCopier(context: CopyContext): ImageCopier {
  const { source, tree, options, signal, onProgress } = context
  const graph = createGraphCopier(context, createBlobCopier(context))
  const referrers = createReferrersCopier(context, graph)
  const digestTags = createDigestTags(context, graph)
  const running = new Map<string, Promise<CopiedImage>>()

  return {
    async copy(request): Promise<CopyResult> {
      parseTreeRepository(request.target)
      const tag = request.tag ?? (asDigest(request.reference) === undefined ? request.reference : undefined)
      if (tag !== undefined) parseTag(tag)
      const image = await copyImage(request)
      const signatures = options.digestTags === true ? await copyDigestTags(request, digestsOf([image])) : []
      for (const { parts, referring } of [image, ...signatures]) {
        await publishParts(context, parts)
        await publishParts(context, referring)
      }
      await noteOtherPlatform(context, request, image.root.digest)
      let changed = image.changed
      for (const signature of signatures) {
        changed = (await setTag(request, signature.tag, signature.root.digest)) || signature.changed || changed
      }
      const tagged = tag !== undefined && (await setTag(request, tag, image.root.digest))
      return { request, digest: image.root.digest, changed: tagged || changed }
    },
  }

  function copyImage(request: CopyRequest): Promise<CopiedImage> {
    const key = `${request.repository} ${request.reference} ${request.target}`
    const known = running.get(key)
    if (known !== undefined) return known
    const copying = resolveAndCopy(request)
    running.set(key, copying)
    return copying
  }

  async function resolveAndCopy(request: CopyRequest): Promise<CopiedImage> {
    const { repository, reference } = request
    const root = await graph.limit(() => source.resolve(repository, reference, { signal }))
    const wanted = asDigest(reference)
    if (wanted !== undefined && root.digest !== wanted) throw otherDigest(source, wanted, root.digest)
    const copied = await graph.copy(request, root)
    if (options.referrers !== true) return { ...copied, root, referring: new Map() }
    const referring = await referrers.copy(request, copied.parts.keys())
    return {
      root,
      parts: copied.parts,
      referring: referring.parts,
      changed: copied.changed || referring.changed,
    }
  }

  /** Copies what stands at the digest tags of all these digests, at those of what these name, and so on; the tags are not set yet. */
  async function copyDigestTags(request: CopyRequest, digests: Iterable<Digest>): Promise<readonly TaggedImage[]> {
    const { repository, target } = request
    const seen = new Set([request.reference])
    const copied: TaggedImage[] = []
    for (let pending = digests; ; ) {
      const found = (await digestTags.find(repository, pending)).filter(tag => !seen.has(tag))
      if (found.length === 0) return copied
      for (const tag of found) seen.add(tag)
      const images = await inTurn(context, found, async tag => {
        return { ...(await copyImage({ repository, reference: tag, target })), tag }
      })
      copied.push(...images)
      pending = digestsOf(images)
    }
  }

  async function setTag({ target }: CopyRequest, tag: string, digest: Digest): Promise<boolean> {
    const changed =
      options.dryRun === true ? await wouldMove(tree, { target, tag, digest }) : await tree.tag(target, tag, digest)
    onProgress({ type: 'tag-done', repository: target, tag, digest, changed })
    return changed
  }
}

/** Of all manifests of images, and of what refers to them. */
function digestsOf(images: readonly CopiedImage[]): Iterable<Digest> {
  return joinParts(images.flatMap(({ parts, referring }) => [parts, referring])).keys()
}

interface Tagging {
  readonly target: string
  readonly tag: string
  readonly digest: Digest
}

async function wouldMove(tree: Tree, { target, tag, digest }: Tagging): Promise<boolean> {
  try {
    const there = await tree.manifest(target, digest)
    return there === undefined || (await tree.manifest(target, tag))?.digest !== there.digest
  } catch (error) {
    if (isRegistrishError(error, 'digest-mismatch', 'manifest-invalid', 'unsupported')) return true
    throw error
  }
}

function otherDigest({ title }: Source, wanted: Digest, found: Digest): RegistrishError {
  return new RegistrishError('bad-answer', `asked for ${wanted}, ${title} answers with ${found}`, {
    side: 'source',
    hint: 'the source is damaged or something on the way changes its answers; nothing of it was kept',
  })
}
