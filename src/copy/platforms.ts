import { RegistrishError } from '../errors.ts'
import { type Descriptor, isRecord } from '../oci/descriptor.ts'
import { asDigest, type Digest } from '../oci/digest.ts'
import { attestedDigest, type IndexManifest, LARGEST_MANIFEST } from '../oci/manifest.ts'
import { OCI_CONFIG } from '../oci/media-types.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts'
import type { CopyContext, CopyRequest } from './context.ts'

/** The children of an index that are wanted, and the platforms of those that are not. */
export interface Choice {
  readonly chosen: readonly Descriptor[]
  readonly others: readonly string[]
}

/** Config types that name a platform. */
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([OCI_CONFIG, 'application/vnd.docker.container.image.v1+json'])

/** Chooses the children of an index for some platforms (none: all). What bears no platform comes along, and attestations follow what they attest. */
export function chooseChildren({ manifests }: IndexManifest, platforms: readonly Platform[]): Choice {
  if (platforms.length === 0) return { chosen: manifests, others: [] }
  const ordinary = manifests.filter(child => attestedDigest(child) === undefined)
  const isWanted = ({ platform }: Descriptor): boolean =>
    platform === undefined || platforms.some(wanted => matchesPlatform(platform, wanted))
  const digests = new Set<string>(ordinary.filter(isWanted).map(child => child.digest))
  const chosen = manifests.filter(child => {
    const attested = attestedDigest(child)
    return attested === undefined ? isWanted(child) : digests.has(attested)
  })
  const others = ordinary.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]))
  return { chosen, others }
}

/** The error of an image that has none of the platforms wanted; the hint says which it has. */
export function noPlatform({ options }: CopyContext, request: CopyRequest, there: readonly string[]): RegistrishError {
  const wanted = (options.platforms ?? []).map(formatPlatform).join(' or ')
  return new RegistrishError('not-found', `${nameOf(request)} has no ${wanted}`, {
    side: 'source',
    hint: there.length === 0 ? 'it names no platform at all' : `it has ${[...new Set(there)].join(', ')}`,
  })
}

/**
 * Notes that an image which is no index is for another platform than those wanted, as its config in the tree says: it is copied all the same,
 * since there is nothing to choose from.
 */
export async function noteOtherPlatform(context: CopyContext, request: CopyRequest, digest: Digest): Promise<void> {
  const wanted = context.options.platforms ?? []
  if (wanted.length === 0) return
  const platform = await platformOf(context, request, digest)
  if (platform === undefined || wanted.some(one => matchesPlatform(platform, one))) return
  const name = nameOf(request)
  context.onProgress({
    type: 'note',
    text: `${name} is for ${formatPlatform(platform)} only, not for ${wanted.map(formatPlatform).join(' or ')}: copied all the same`,
  })
}

/** The platform that the config of an image in the tree names; undefined where there is none. */
async function platformOf(
  { tree, signal }: CopyContext,
  { target }: CopyRequest,
  digest: Digest,
): Promise<Platform | undefined> {
  const manifest = (await tree.manifest(target, digest))?.manifest
  const config = manifest?.kind === 'image' ? manifest.config : undefined
  if (config === undefined || !IMAGE_CONFIGS.has(config.mediaType) || config.size > LARGEST_MANIFEST) return undefined
  if ((await tree.blobSize(target, config.digest)) !== config.size) return undefined
  const { body } = await tree.open(target, config, { kind: 'blob', signal })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return parseConfigPlatform(Buffer.concat(chunks).toString())
}

function parseConfigPlatform(text: string): Platform | undefined {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch {
    return undefined // a config is a blob: whatever it holds is copied
  }
  if (!isRecord(config)) return undefined
  const { os, architecture, variant } = config as Readonly<Record<'os' | 'architecture' | 'variant', unknown>>
  const version = config['os.version']
  if (!isText(os) || !isText(architecture)) return undefined
  return {
    os,
    architecture,
    ...(isText(variant) ? { variant } : {}),
    ...(isText(version) ? { 'os.version': version } : {}),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** What the user knows an image by: layouts and archives may have no name of their own for it. */
function nameOf({ repository, reference, target, tag }: CopyRequest): string {
  const name = tag ?? reference
  return `${repository === '' ? target : repository}${asDigest(name) === undefined ? ':' : '@'}${name}`
}
