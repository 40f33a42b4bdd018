import { RegistrishError } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { type Manifest, parseManifest, references } from '../oci/manifest.ts'
import type { CopyContext } from './context.ts'
import { inTurn } from './together.ts'

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
}

/** What is known of the blobs of a copy. */
export interface BlobKinds {
  /** Whether an entry of an index was copied as a blob. */
  isBlob(digest: Digest): boolean
  /** Whether clients get it elsewhere: it need not be there. */
  isForeign(digest: Digest): boolean
}

/** Makes a {@link Part}. Its bytes wait on the shelf and are read again when it is published: thousands of parts may wait for the last of them. */
export async function createPart(context: CopyContext, content: PartContent, kinds: BlobKinds): Promise<Part> {
  const { tree, shelf, memory, options } = context
  const { target, digest, isIndex, bytes } = content
  const kept = options.dryRun === true ? undefined : await shelf.keep(bytes)
  let publishing: Promise<void> | undefined
  const publish = async (): Promise<void> => {
    if (kept === undefined) return
    await memory.run(kept.size, async () => {
      const found = await kept.read()
      for (const blob of blobsOf(parseManifest(found), kinds)) {
        if (!(await tree.linkBlob(target, blob)) && !kinds.isForeign(blob.digest)) throw vanished(blob)
      }
      await tree.putManifest(target, found, digest)
    })
    kept.forget()
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
  const all = [...parts.values()]
  await inTurn(
    context,
    all.filter(({ isIndex }) => !isIndex),
    part => part.publish(),
  )
  for (const part of all) await part.publish()
}

/** The blobs that become visible with a manifest, each once. */
function blobsOf(manifest: Manifest, kinds: BlobKinds): Iterable<Descriptor> {
  const blobs = new Map<Digest, Descriptor>()
  for (const descriptor of references(manifest)) {
    if (manifest.kind === 'image' || kinds.isBlob(descriptor.digest)) blobs.set(descriptor.digest, descriptor)
  }
  return blobs.values()
}

function vanished({ digest }: Descriptor): RegistrishError {
  return new RegistrishError('incomplete', `blob ${digest} has vanished from the tree while its image was fetched`, {
    side: 'target',
    hint: 'run the same command again',
  })
}
