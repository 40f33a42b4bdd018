import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** A manifest of the fixture and every tag and digest that it must answer to. */
export interface ServedManifest {
  readonly repository: string
  readonly tags: readonly string[]
  readonly digests: readonly string[]
  readonly bytes: Buffer
  readonly mediaType: string
}

/** A blob of the fixture. */
export interface ServedBlob {
  readonly repository: string
  readonly digest: string
  readonly bytes: Buffer
}

interface ImageOptions {
  readonly tags?: readonly string[]
  readonly note: string
  readonly salt?: number
  readonly mediaType?: string
  /** Also stands at its sha512 digest. */
  readonly sha512?: boolean
  /** Has no file by digest. */
  readonly tagOnly?: boolean
  readonly extra?: Readonly<Record<string, unknown>>
}

/** A tree that is made with plain file calls, as a person would: copies instead of links, no documents; it remembers what it wrote. */
export class TreeByHand {
  readonly root: string
  readonly manifests: ServedManifest[] = []
  readonly blobs: ServedBlob[] = []
  readonly referrers: { repository: string; subject: string; fallbackTag: string; descriptors: unknown[] }[] = []

  constructor(root: string) {
    this.root = root
  }

  image(repository: string, { mediaType, note, salt = 0, extra = {}, ...rest }: ImageOptions): Descriptor {
    const config = this.blob(repository, Buffer.from(JSON.stringify({ note, salt })))
    const layer = this.blob(repository, Buffer.from(`layer of ${note}`))
    const body = {
      schemaVersion: 2,
      ...(mediaType === undefined ? {} : { mediaType }),
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: config.digest,
        size: config.bytes.length,
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer.digest, size: layer.bytes.length }],
      ...extra,
    }
    return this.manifest(repository, mediaType ?? OCI_MANIFEST, body, rest)
  }

  index(
    repository: string,
    options: Pick<ImageOptions, 'tags' | 'mediaType'> & { children: readonly Descriptor[] },
  ): Descriptor {
    const { mediaType, children, ...rest } = options
    const body = { schemaVersion: 2, ...(mediaType === undefined ? {} : { mediaType }), manifests: children }
    return this.manifest(repository, mediaType ?? OCI_INDEX, body, rest)
  }

  refer(repository: string, subject: Descriptor, artifactType: string): void {
    const annotations = { 'org.example.note': artifactType }
    const descriptor = this.image(repository, {
      note: artifactType,
      mediaType: OCI_MANIFEST,
      extra: { artifactType, subject, annotations },
    })
    const known = this.referrers.find(entry => entry.subject === subject.digest)
    const entry = { ...descriptor, artifactType, annotations }
    if (known !== undefined) known.descriptors.push(entry)
    else {
      const fallbackTag = subject.digest.replace(':', '-')
      this.referrers.push({ repository, subject: subject.digest, fallbackTag, descriptors: [entry] })
    }
  }

  blob(repository: string, bytes: Buffer, algorithm = 'sha256'): ServedBlob {
    const blob = { repository, digest: digestOf(bytes, algorithm), bytes }
    this.write(`v2/${repository}/blobs/${blob.digest}`, bytes)
    if (!this.blobs.some(known => known.repository === repository && known.digest === blob.digest))
      this.blobs.push(blob)
    return blob
  }

  tags(): ReadonlyMap<string, readonly string[]> {
    const tags = new Map<string, string[]>()
    const add = (repository: string, names: readonly string[]): unknown =>
      tags.set(repository, [...(tags.get(repository) ?? []), ...names].sort())
    for (const manifest of this.manifests) add(manifest.repository, manifest.tags)
    for (const { repository, fallbackTag } of this.referrers) add(repository, [fallbackTag])
    return tags
  }

  write(path: string, bytes: Buffer): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), bytes)
  }

  private manifest(
    repository: string,
    mediaType: string,
    body: unknown,
    { tags = [], sha512 = false, tagOnly = false }: Pick<ImageOptions, 'tags' | 'sha512' | 'tagOnly'>,
  ): Descriptor {
    const bytes = Buffer.from(JSON.stringify(body, undefined, 2))
    const digests = [digestOf(bytes), ...(sha512 ? [digestOf(bytes, 'sha512')] : [])]
    for (const name of [...tags, ...(tagOnly ? [] : digests)]) this.write(`v2/${repository}/manifests/${name}`, bytes)
    this.manifests.push({ repository, tags, digests, bytes, mediaType })
    return descriptorOf(mediaType, bytes)
  }
}

/** What one manifest says of another. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** The digest of bytes, computed here and not by the code under test. */
export function digestOf(bytes: Buffer, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** The descriptor of bytes. */
export function descriptorOf(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}
