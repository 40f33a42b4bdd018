import pLimit from 'p-limit'
import { RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { CopyContext } from './context.ts'
import { together } from './together.ts'

/** A manifest that is verified with all it points to, and waits to become visible. */
export interface Part {
  readonly digest: Digest
  /** Whether others must be visible before it: an index. */
  readonly isIndex: boolean
  /** Makes its blobs visible, then itself. Does so once, however often it is asked. */
  publish(): Promise<void>
}

/** Parts by digest, children before the indexes that name them. */
export type Parts = ReadonlyMap<Digest, Part>

/** What a part is made of. */
export interface PartContent {
  /** Repository of the tree. */
  readonly target: string
  readonly digest: Digest
  readonly isIndex: boolean
  readonly bytes: Uint8Array
  /** Blobs that the manifest points to and that are in the tree or verified beside it. */
  readonly blobs: readonly Descriptor[]
}

/** Manifests that become visible at once: each is an open file. */
const AT_ONCE = 16

/** Makes a {@link Part}; its bytes are forgotten when it is visible. */
export function createPart({ tree }: CopyContext, content: PartContent): Part {
  const { target, digest, isIndex } = content
  let waiting: PartContent | undefined = content
  let publishing: Promise<void> | undefined
  const publish = async (): Promise<void> => {
    if (waiting === undefined) return
    for (const blob of waiting.blobs) if (!(await tree.linkBlob(target, blob))) throw vanished(blob)
    await tree.putManifest(target, waiting.bytes, digest)
    waiting = undefined
  }
  return {
    digest,
    isIndex,
    publish() {
      publishing ??= publish()
      return publishing
    },
  }
}

/** Joins parts, each once, in their order. */
export function joinParts(all: Iterable<Parts>): Parts {
  const joined = new Map<Digest, Part>()
  for (const parts of all) for (const [digest, part] of parts) if (!joined.has(digest)) joined.set(digest, part)
  return joined
}

/** Makes all parts visible: images at once, then indexes one after the other, children first. Nothing in a dry run. */
export async function publishParts(context: CopyContext, parts: Parts): Promise<void> {
  if (context.options.dryRun === true) return
  const limit = pLimit(AT_ONCE)
  const all = [...parts.values()]
  const images = all.filter(({ isIndex }) => !isIndex)
  await together(
    context,
    images.map(part => limit(() => part.publish())),
  )
  for (const part of all) await part.publish()
}

function vanished({ digest }: Descriptor): RegistrishError {
  return new RegistrishError('incomplete', `blob ${digest} has vanished from the tree while its image was fetched`, {
    side: 'target',
    hint: 'run the same command again',
  })
}
