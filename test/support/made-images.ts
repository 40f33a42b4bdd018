import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Algorithm, type Digest, digestOf } from '../../src/oci/digest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-types.ts'
import { type Platform, parsePlatform } from '../../src/oci/platform.ts'
import { type MadeLayer, makeLayer } from './made-layers.ts'

/*
 * Images made by code, for tests and for the quick start: the same call gives the same bytes, nothing is stored or read.
 * Layers are in made-layers.ts, writers to disk in write-images.ts.
 */

/** An image graph: everything reachable from `root` (not its subject), under every digest that names it. */
export interface Graph {
  /** What a registry says of it when it is resolved by tag: media type, sha256 digest, size. */
  readonly root: Descriptor
  readonly manifests: ReadonlyMap<Digest, Uint8Array>
  readonly blobs: ReadonlyMap<Digest, Uint8Array>
  /** What an index adds in its entry for it: platform, annotations, another media type or digest. */
  readonly entry?: Partial<Descriptor>
  /** Graphs whose subject is a manifest of this one; not part of `manifests` and `blobs`. See {@link withReferrers}. */
  readonly referrers?: readonly Graph[]
}

/** What any maker of manifests takes. */
export interface ManifestOptions {
  /** Docker's media types instead of OCI's. */
  readonly docker?: boolean
  /** Leaves `mediaType` out of the manifest, as OCI allows. */
  readonly noMediaType?: boolean
  /** A `mediaType` of its own, for manifests of unknown kinds. */
  readonly mediaType?: string
  readonly artifactType?: string
  readonly subject?: Graph
  readonly annotations?: Readonly<Record<string, string>>
  /** Names what the manifest points to by sha512. */
  readonly sha512?: boolean
}

/** What an image is made of. */
export interface ImageOptions extends ManifestOptions {
  /** `os/arch[/variant][:osversion]`. Default `linux/amd64`. */
  readonly platform?: string
  /** How many small layers, or the layers. Default 1. Layers made here depend on platform, position and `seed`. */
  readonly layers?: number | readonly MadeLayer[]
  /** Members of the config's `config`: `{ Cmd: ['/hello'] }`. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Makes an image that differs from others. Default `image`. */
  readonly seed?: string
}

/** Makes an image for one platform: a config with its `rootfs.diff_ids`, real layers, a manifest. */
export async function makeImage(options: ImageOptions = {}): Promise<Graph> {
  const { platform: text = 'linux/amd64', layers: wanted = 1, docker = false, seed = 'image' } = options
  const platform = parsePlatform(text)
  const layers = typeof wanted === 'number' ? await makeLayers(wanted, `${seed}-${text.replace(/\W/g, '-')}`) : wanted
  const algorithm = algorithmFor(options)
  const blobs = new Map<Digest, Uint8Array>()
  const configType = docker ? 'application/vnd.docker.container.image.v1+json' : OCI_CONFIG
  const config = addBlob(blobs, configType, formatConfig(platform, layers, options), algorithm)
  const entries = layers.map(layer => {
    if (layer.urls === undefined) return addBlob(blobs, layerType(layer, docker), layer.bytes, algorithm)
    return { ...describe(layerType(layer, docker), layer.bytes, algorithm), urls: layer.urls }
  })
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST
  return { ...seal(mediaType, { config, layers: entries }, options, { blobs }), entry: { platform } }
}

/** Makes an index of images, other indexes, attestations, artifacts or blobs; its entries say what each child's `entry` does. */
export function makeIndex(
  children: readonly Graph[],
  options: ManifestOptions & {
    /** The platforms to write, by position, instead of the children's own; `undefined` writes none. */
    readonly platforms?: readonly (string | undefined)[]
  } = {},
): Graph {
  const manifests = new Map(children.flatMap(child => [...child.manifests]))
  const blobs = new Map(children.flatMap(child => [...child.blobs]))
  const entries = children.map((child, position) => {
    const { platform, ...entry }: Partial<Descriptor> = child.entry ?? {}
    const other = options.platforms?.[position]
    const written = options.platforms === undefined ? platform : other === undefined ? undefined : parsePlatform(other)
    const bytes = rootBytes(child)
    const digest = digestOf(bytes, algorithmFor(options))
    if (child.manifests.size > 0) manifests.set(digest, bytes)
    else blobs.set(digest, bytes)
    return { ...child.root, digest, ...entry, ...(written === undefined ? {} : { platform: written }) }
  })
  const mediaType = options.docker === true ? DOCKER_LIST : OCI_INDEX
  return seal(mediaType, { manifests: entries }, options, { manifests, blobs })
}

/** Makes an index for linux/amd64 and linux/arm64, the ordinary case. */
export async function makeMultiPlatform(options: ImageOptions = {}): Promise<Graph> {
  const images = ['linux/amd64', 'linux/arm64'].map(async platform => makeImage({ ...options, platform }))
  const { docker = false, noMediaType = false } = options
  return makeIndex(await Promise.all(images), { docker, noMediaType })
}

/** Makes the attestation that BuildKit puts beside an image in its index: platform unknown/unknown, annotations that name the image, an in-toto layer. */
export function makeAttestation(image: Graph): Graph {
  const statement = { _type: 'https://in-toto.io/Statement/v0.1', subject: [{ digest: image.root.digest }] }
  const blobs = new Map<Digest, Uint8Array>()
  const layer = addBlob(blobs, 'application/vnd.in-toto+json', encodeJson(statement))
  const platform = { os: 'unknown', architecture: 'unknown' }
  const rootfs = { type: 'layers', diff_ids: [layer.digest] }
  const config = addBlob(blobs, OCI_CONFIG, encodeJson({ ...platform, config: {}, rootfs }))
  const annotations = {
    'vnd.docker.reference.digest': image.root.digest,
    'vnd.docker.reference.type': 'attestation-manifest',
  }
  return { ...seal(OCI_MANIFEST, { config, layers: [layer] }, {}, { blobs }), entry: { annotations, platform } }
}

/** Makes an OCI artifact: the empty config `{}`, and `payload` as its one layer (the empty blob where there is none). */
export function makeArtifact(
  options: ManifestOptions & { readonly payload?: Uint8Array | string; readonly payloadType?: string } = {},
): Graph {
  const { artifactType = 'application/vnd.example.note.v1', payload, payloadType = 'text/plain' } = options
  const blobs = new Map<Digest, Uint8Array>()
  const config = { ...addBlob(blobs, OCI_EMPTY, encode('{}'), algorithmFor(options)), data: 'e30=' }
  const layer = payload === undefined ? config : addBlob(blobs, payloadType, encode(payload), algorithmFor(options))
  return seal(OCI_MANIFEST, { config, layers: [layer] }, { ...options, artifactType }, { blobs })
}

/** Makes the signature that cosign stores at the tag {@link digestTag}: an image whose one layer is the signed payload. */
export function makeCosignSignature(image: Graph): Graph {
  const payload = { critical: { image: { 'docker-manifest-digest': image.root.digest } }, optional: null }
  const blobs = new Map<Digest, Uint8Array>()
  const signed = addBlob(blobs, 'application/vnd.dev.cosign.simplesigning.v1+json', encodeJson(payload))
  const layer = { ...signed, annotations: { 'dev.cosignproject.cosign/signature': 'bm90IGEgcmVhbCBzaWduYXR1cmU=' } }
  const config = { architecture: '', os: '', config: {}, rootfs: { type: 'layers', diff_ids: [signed.digest] } }
  return seal(OCI_MANIFEST, { config: addBlob(blobs, OCI_CONFIG, encodeJson(config)), layers: [layer] }, {}, { blobs })
}

/** The tag at which cosign keeps what belongs to a digest: `sha256-<hex>.sig`; without `suffix` the referrers fallback tag. */
export function digestTag(digest: Digest, suffix?: 'sig' | 'att' | 'sbom'): string {
  return `${digest.replace(':', '-')}${suffix === undefined ? '' : `.${suffix}`}`
}

/** Makes the index that a client pushes at the fallback tag of a subject on a registry without the referrers API. */
export function makeFallbackIndex(referrers: readonly Graph[]): Graph {
  return makeIndex(referrers.map(referrer => ({ ...referrer, entry: referrerEntry(referrer) })))
}

/** What a referrers list says of a manifest: its descriptor, artifact type (else its config's media type) and annotations. */
export function referrerEntry(referrer: Graph): Descriptor {
  const { artifactType, config, annotations } = JSON.parse(new TextDecoder().decode(rootBytes(referrer))) as {
    readonly artifactType?: string
    readonly config?: { readonly mediaType: string }
    readonly annotations?: Readonly<Record<string, string>>
  }
  const type = artifactType ?? config?.mediaType
  const extra = { ...(type === undefined ? {} : { artifactType: type }), ...(annotations ? { annotations } : {}) }
  return { ...referrer.root, ...extra }
}

/** The graph together with what refers to it. */
export function withReferrers(graph: Graph, ...referrers: readonly Graph[]): Graph {
  return { ...graph, referrers: [...(graph.referrers ?? []), ...referrers] }
}

/** The graph and all that refers to it, at any depth: what a registry holds when all of it was pushed. */
export function withAllReferrers(graph: Graph): readonly Graph[] {
  return [graph, ...(graph.referrers ?? []).flatMap(withAllReferrers)]
}

/** Makes a blob that stands as a child of an index: an entry of unknown type that is no manifest. */
export function makeBlobChild(bytes: Uint8Array, mediaType = 'application/vnd.example.data.v1'): Graph {
  const blobs = new Map<Digest, Uint8Array>()
  return { root: addBlob(blobs, mediaType, bytes), manifests: new Map(), blobs }
}

/** Makes a signed Docker schema 1 manifest, the format that nothing pulls any more. */
export async function makeSchema1(name = 'old', tag = 'latest'): Promise<Graph> {
  const { bytes } = await makeLayer('schema1')
  const blobs = new Map<Digest, Uint8Array>()
  const { digest } = addBlob(blobs, 'application/vnd.docker.container.image.rootfs.diff+x-gtar', bytes)
  const body = {
    schemaVersion: 1,
    name,
    tag,
    architecture: 'amd64',
    fsLayers: [{ blobSum: digest }],
    history: [{ v1Compatibility: '{"id":"0"}' }],
    signatures: [{ header: { alg: 'ES256' }, protected: 'e30', signature: 'bm9uZQ' }],
  }
  const manifest = new TextEncoder().encode(JSON.stringify(body, null, 3))
  return sealBytes('application/vnd.docker.distribution.manifest.v1+prettyjws', manifest, { blobs })
}

/** Makes a graph from a manifest's exact bytes, for broken or odd manifests; `blobs` are what it points to. */
export function makeRaw(mediaType: string, manifest: Uint8Array | string, blobs: readonly Uint8Array[] = []): Graph {
  const held = blobs.map(bytes => [digestOf(bytes), bytes] as const)
  return sealBytes(mediaType, encode(manifest), { blobs: new Map(held) })
}

/** The Content-Type that a registry serves a manifest of a graph with: its own `mediaType`, else by its shape. */
export function mediaTypeOf(manifest: Uint8Array): string {
  const body = JSON.parse(new TextDecoder().decode(manifest)) as Readonly<Record<string, unknown>>
  if (typeof body['mediaType'] === 'string') return body['mediaType']
  if (body['schemaVersion'] === 1) return 'application/vnd.docker.distribution.manifest.v1+prettyjws'
  return 'manifests' in body ? OCI_INDEX : OCI_MANIFEST
}

/** The exact bytes of a graph's root: a manifest, or the blob of {@link makeBlobChild}. */
export function rootBytes({ root, manifests, blobs }: Graph): Uint8Array {
  const bytes = manifests.get(root.digest) ?? blobs.get(root.digest)
  if (bytes === undefined) throw new Error(`the graph lacks its root ${root.digest}`)
  return bytes
}

async function makeLayers(count: number, seed: string): Promise<readonly MadeLayer[]> {
  return Promise.all(Array.from({ length: count }, async (_, position) => makeLayer(`${seed}-${position}`)))
}

function formatConfig(platform: Platform, layers: readonly MadeLayer[], { config = {} }: ImageOptions): Uint8Array {
  const rootfs = { type: 'layers', diff_ids: layers.map(layer => layer.diffId) }
  const history = layers.map((_, position) => ({ created: '1970-01-01T00:00:00Z', created_by: `step ${position}` }))
  return encodeJson({ created: '1970-01-01T00:00:00Z', ...platform, config, rootfs, history })
}

function layerType({ compression, urls }: MadeLayer, docker: boolean): string {
  const foreign = urls !== undefined
  if (docker) {
    const kind = foreign ? 'foreign.diff' : 'diff'
    return `application/vnd.docker.image.rootfs.${kind}.tar${compression === 'gzip' ? '.gzip' : ''}`
  }
  return `application/vnd.oci.image.layer.${foreign ? 'nondistributable.' : ''}v1.tar${compression === 'gzip' ? '+gzip' : ''}`
}

interface Parts {
  readonly manifests?: ReadonlyMap<Digest, Uint8Array>
  readonly blobs?: ReadonlyMap<Digest, Uint8Array>
}

/** Writes the manifest above `body` and closes the graph. */
function seal(kind: string, body: object, options: ManifestOptions, parts: Parts): Graph {
  const { mediaType = kind, noMediaType = false, artifactType, subject, annotations } = options
  const manifest = encodeJson({
    schemaVersion: 2,
    ...(noMediaType ? {} : { mediaType }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...body,
    ...(subject === undefined ? {} : { subject: subject.root }),
    ...(annotations === undefined ? {} : { annotations }),
  })
  return sealBytes(noMediaType ? kind : mediaType, manifest, parts)
}

function sealBytes(
  mediaType: string,
  manifest: Uint8Array,
  { manifests = new Map(), blobs = new Map() }: Parts,
): Graph {
  const root = describe(mediaType, manifest)
  return { root, manifests: new Map([...manifests, [root.digest, manifest]]), blobs }
}

function addBlob(
  blobs: Map<Digest, Uint8Array>,
  mediaType: string,
  bytes: Uint8Array,
  algorithm: Algorithm = 'sha256',
): Descriptor {
  const descriptor = describe(mediaType, bytes, algorithm)
  blobs.set(descriptor.digest, bytes)
  return descriptor
}

function describe(mediaType: string, bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Descriptor {
  return { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length }
}

function algorithmFor({ sha512 = false }: ManifestOptions): Algorithm {
  return sha512 ? 'sha512' : 'sha256'
}

function encodeJson(value: unknown): Uint8Array {
  return encode(JSON.stringify(value))
}

function encode(content: Uint8Array | string): Uint8Array {
  return typeof content === 'string' ? new TextEncoder().encode(content) : content
}
