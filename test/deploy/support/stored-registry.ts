import { asDigest, type Digest } from '../../../src/oci/digest.ts'
import { OCI_INDEX } from '../../../src/oci/media-types.ts'
import { mediaTypeOf } from '../../support/made-images.ts'
import type { MemoryObject } from '../../support/memory-store.ts'

/* A registry as the objects of a store hold it: every key sorted by what it is, manifests parsed. */

/** Where what is wrong is written down. */
export type Faults = string[]

/** A key of the registry and its object. */
export interface StoredKey {
  readonly key: string
  readonly kind: 'constant' | 'catalog' | 'tags' | 'manifest' | 'blob' | 'referrers'
  /** Tag or digest, for manifests and blobs. */
  readonly reference: string
  readonly object: MemoryObject
}

/** What a manifest points to. */
interface Entry {
  readonly digest: Digest
  readonly size: number
  readonly urls?: readonly string[]
}

interface Body {
  readonly manifests: readonly Entry[]
  readonly blobs: readonly Entry[]
  readonly subject?: Digest
  /** What a referrers list says of it besides digest and size. */
  readonly referrer: Readonly<Record<string, unknown>>
}

export interface StoredManifest extends StoredKey {
  readonly body: Body | undefined
}

export interface StoredRepository {
  readonly name: string
  /** By tag and digest. */
  readonly manifests: Map<string, StoredManifest>
  readonly blobs: Map<Digest, StoredKey>
  readonly referrers: Set<Digest>
}

export interface StoredRegistry {
  readonly keys: readonly StoredKey[]
  readonly repositories: ReadonlyMap<string, StoredRepository>
}

const CONSTANTS = ['v2/', 'v2/index.json', 'v2/_404.json']
const RECORD = '.registrish/deletions.json'
const DIGEST = 'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}'
const COMPONENT = '[a-z0-9]+(?:[._-]+[a-z0-9]+)*'
const KEY = new RegExp(
  `^v2/(?<name>${COMPONENT}(?:/${COMPONENT})*)/(?:(?<tags>tags/list)|manifests/(?<manifest>${DIGEST}|[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|blobs/(?<blob>${DIGEST})|referrers/(?<subject>${DIGEST}))$`,
)

/** Reads what a store holds; keys that no registry has are faults. */
export function readStored(
  objects: ReadonlyMap<string, MemoryObject>,
  { strangers, faults }: { readonly strangers: ReadonlySet<string>; readonly faults: Faults },
): StoredRegistry {
  const keys: StoredKey[] = []
  const repositories = new Map<string, StoredRepository>()
  for (const [key, object] of objects) {
    if (strangers.has(key)) continue
    const constant = CONSTANTS.includes(key) ? 'constant' : key === 'v2/_catalog' ? 'catalog' : undefined
    const groups = KEY.exec(key)?.groups
    if (constant !== undefined) keys.push({ key, kind: constant, reference: '', object })
    else if (groups !== undefined) keys.push(addKey(repositories, { key, object, groups }))
    else if (key !== RECORD) faults.push(`${key}: published, and no file of a registry`)
    else if (!object.secret) faults.push(`${key}: public`)
  }
  return { keys, repositories }
}

interface Found {
  readonly key: string
  readonly object: MemoryObject
  readonly groups: Readonly<Record<string, string | undefined>>
}

function addKey(repositories: Map<string, StoredRepository>, { key, object, groups }: Found): StoredKey {
  const name = groups['name'] ?? ''
  const repository = repositories.get(name) ?? { name, manifests: new Map(), blobs: new Map(), referrers: new Set() }
  repositories.set(name, repository)
  const { manifest, blob: blobText, subject: subjectText } = groups
  if (manifest !== undefined) {
    const stored = { key, kind: 'manifest', reference: manifest, object } as const
    repository.manifests.set(manifest, { ...stored, body: parseBody(object.bytes) })
    return stored
  }
  const blob = asDigest(blobText)
  if (blob !== undefined) {
    const stored = { key, kind: 'blob', reference: blob, object } as const
    repository.blobs.set(blob, stored)
    return stored
  }
  const subject = asDigest(subjectText)
  if (subject === undefined) return { key, kind: 'tags', reference: '', object }
  repository.referrers.add(subject)
  return { key, kind: 'referrers', reference: subject, object }
}

/** A parser of its own: what it casts are manifests that tests made. */
function parseBody(bytes: Uint8Array): Body | undefined {
  try {
    const body = JSON.parse(Buffer.from(bytes).toString()) as {
      readonly manifests?: readonly Entry[]
      readonly config?: Entry & { readonly mediaType: string }
      readonly layers?: readonly Entry[]
      readonly subject?: Entry
      readonly artifactType?: string
      readonly annotations?: Readonly<Record<string, string>>
    }
    const { manifests = [], config, layers = [], subject, annotations } = body
    const mediaType = mediaTypeOf(bytes)
    return {
      manifests,
      blobs: config === undefined ? layers : [config, ...layers],
      ...(subject === undefined ? {} : { subject: subject.digest }),
      referrer: {
        mediaType,
        artifactType: body.artifactType ?? (mediaType === OCI_INDEX ? undefined : config?.mediaType),
        annotations,
      },
    }
  } catch {
    return undefined
  }
}
