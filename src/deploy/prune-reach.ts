import { isRegistrishError } from '../errors.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest, references } from '../oci/manifest.ts'
import { isManifestType } from '../oci/media-types.ts'
import type { CallOptions } from '../oci/source.ts'
import { blobPath, manifestPath } from '../tree/layout.ts'
import { callOf } from './call-of.ts'
import { forEach } from './for-each.ts'
import type { ObjectStore } from './store.ts'

/** A tag of a store. */
export interface StoreTag {
  readonly repository: string
  readonly tag: string
}

/** A manifest of a store. */
export interface StoreDigest {
  readonly repository: string
  readonly digest: Digest
}

/** What tags of a store need. */
export interface TagReach {
  /** Keys of manifests by digest and of blobs, whether they are there or not; the tags' own keys are not among them. */
  readonly keys: ReadonlySet<string>
  /** Repositories of which everything must stay: something in them cannot be read, hence what it needs is unknown. */
  readonly unread: ReadonlySet<string>
}

export interface ReachOptions extends CallOptions {
  /** The bytes of a manifest that need not be asked for. */
  readonly localManifest?: (digest: Digest) => Uint8Array | undefined
}

/** Manifests that are read at once. */
const AT_ONCE = 16

/** Reads what tags and manifests of a store need: their manifests and those below, each once and held to its digest. */
export async function reachOfTags(
  store: ObjectStore,
  roots: Iterable<StoreTag | StoreDigest>,
  options: ReachOptions = {},
): Promise<TagReach> {
  const keys = new Set<string>()
  const unread = new Set<string>()
  let level: Step[] = []
  for (const root of roots) {
    const { repository } = root
    if ('tag' in root) level.push({ repository, key: manifestPath(repository, root.tag), by: undefined })
    else level.push({ repository, key: manifestPath(repository, root.digest), by: root.digest, mayBeBlob: true })
  }
  while (level.length > 0) {
    const next: Step[] = []
    await forEach(level, AT_ONCE, async step => {
      const read = await readStep(store, step, options)
      if (read === 'unreadable') unread.add(step.repository)
      if (typeof read === 'string') return
      // By either algorithm: a manifest stands at its sha256, and where a descriptor names it by sha512 there too.
      keys.add(manifestPath(step.repository, read.digest))
      for (const child of follow(step.repository, read.manifest, keys)) next.push(child)
    })
    level = next
  }
  return { keys, unread }
}

/** A manifest to be read, by tag or by digest. */
interface Step {
  readonly repository: string
  readonly key: string
  readonly by: Digest | undefined
  /** An index may name what is no manifest: then it stands among the blobs, and whatever it is nothing hangs below it. */
  readonly mayBeBlob?: boolean
}

/** Notes what a manifest points to, and gives what is to be read of it and was not noted before. */
function follow(repository: string, manifest: Manifest, keys: Set<string>): readonly Step[] {
  const steps: Step[] = []
  for (const { digest, mediaType } of references(manifest)) {
    if (manifest.kind === 'image') {
      keys.add(blobPath(repository, digest))
      continue
    }
    const key = manifestPath(repository, digest)
    const mayBeBlob = !isManifestType(mediaType)
    if (mayBeBlob) keys.add(blobPath(repository, digest))
    // A manifest that a tag names is noted as well, and by then all it points to is too.
    if (!keys.has(key)) steps.push({ repository, key, by: digest, mayBeBlob })
    keys.add(key)
  }
  return steps
}

type Read = { readonly digest: Digest; readonly manifest: Manifest } | 'absent' | 'unreadable' | 'no manifest'

async function readStep(store: ObjectStore, { key, by, mayBeBlob }: Step, options: ReachOptions): Promise<Read> {
  const { localManifest, signal } = options
  const call = callOf(signal)
  try {
    const local = by === undefined ? undefined : localManifest?.(by)
    const bytes = local ?? (await store.get(key, { ...call, limit: LARGEST_MANIFEST }))?.bytes
    if (bytes === undefined) return 'absent'
    if (by !== undefined && digestOf(bytes, algorithmOf(by)) !== by) return 'unreadable'
    return { digest: digestOf(bytes), manifest: parseManifest(bytes) }
  } catch (error) {
    if (!isRegistrishError(error, 'bad-answer', 'manifest-invalid', 'unsupported')) throw error
    return mayBeBlob === true ? 'no manifest' : 'unreadable'
  }
}
