import { createHash } from 'node:crypto'

/** An OCI descriptor, as far as the tests write any. */
export interface WrittenDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** A repository to push to: no client in between, so that any bytes can be pushed. */
export interface RepositoryWriter {
  /** Pushes a blob (distribution specification, "pushing a blob monolithically"). */
  readonly putBlob: (bytes: string | Uint8Array, mediaType: string) => Promise<WrittenDescriptor>
  /** Pushes a manifest: JSON of the value, or the bytes as they are; by tag, or by digest where there is no tag. */
  readonly putManifest: (manifest: object | Uint8Array, options: PutManifestOptions) => Promise<WrittenDescriptor>
  /** The descriptor and the parsed JSON of a manifest that is there, by tag or digest. */
  readonly getManifest: (
    reference: string,
  ) => Promise<{ readonly descriptor: WrittenDescriptor; readonly json: unknown }>
}

/** How a manifest is pushed. */
interface PutManifestOptions {
  readonly mediaType: string
  readonly tag?: string
}

/** The four media types that an image's manifest may have. */
export const manifestTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const

/** A writer for one repository of a registry at `url` that asks for no credentials. Every refusal throws an Error with the reply's body. */
export function repositoryWriter(url: string, repository: string): RepositoryWriter {
  const base = `${url}/v2/${repository}`
  return {
    putBlob: async (content, mediaType) => {
      const bytes = Buffer.from(content)
      const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length }
      const started = await ask(`${base}/blobs/uploads/`, { method: 'POST' })
      const location = new URL(started.headers.get('location') ?? '', url)
      location.searchParams.set('digest', descriptor.digest)
      await ask(location.href, { method: 'PUT', body: bytes, headers: { 'content-type': 'application/octet-stream' } })
      return descriptor
    },
    putManifest: async (manifest, { mediaType, tag }) => {
      const bytes = Buffer.from(manifest instanceof Uint8Array ? manifest : JSON.stringify(manifest))
      const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length }
      const target = `${base}/manifests/${tag ?? descriptor.digest}`
      await ask(target, { method: 'PUT', body: bytes, headers: { 'content-type': mediaType } })
      return descriptor
    },
    getManifest: async reference => {
      const accept = Object.values(manifestTypes).join(', ')
      const response = await ask(`${base}/manifests/${reference}`, { headers: { accept } })
      const bytes = Buffer.from(await response.arrayBuffer())
      const mediaType = response.headers.get('content-type') ?? ''
      return {
        descriptor: { mediaType, digest: sha256(bytes), size: bytes.length },
        json: JSON.parse(bytes.toString()),
      }
    },
  }
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${url}: ${response.status} ${await response.text()}`)
  return response
}
