import type { Descriptor } from '../oci/descriptor.ts'
import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { attestedDigest, type Manifest } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { formatPlatform } from '../oci/platform.ts'
import { fallbackTag } from '../oci/referrers.ts'
import { blobPath, blobsFolder, referrersPath, tagsListPath } from '../tree/layout.ts'
import type { Answer } from './answer.ts'
import type { Ask } from './ask.ts'
import type { ImageSeen, ManifestSeen } from './observations.ts'
import { chooseBlob, observeBlob } from './observe-blob.ts'
import { getManifest, manifestUrl, observeManifest, PACKED } from './observe-manifest.ts'

/** An image to try, and what the repository's list of tags says. */
export interface Choice {
  readonly repository: string
  /** Tag or digest. */
  readonly reference: string
  readonly tagsList: Answer
  readonly tags: readonly string[]
}

/** Children of an index that are asked for until one is there. */
const MOST_CHILDREN = 6
/** Tags like names of files that are looked at. */
const MOST_DOTTED = 4
/** Nobody has these: sha256 of a sentence of ours. */
const NOBODY = digestOf('what registrish doctor asks for, and nobody has')
const NO_TAG = 'registrish-doctor-asks-for-what-is-not-here'

/** Asks for an image as clients do, part by part. */
export async function observeImage(ask: Ask, { repository, reference, tagsList, tags }: Choice): Promise<ImageSeen> {
  const tag = await observeManifest(ask, repository, reference)
  const digest = tag.actual === undefined ? undefined : await observeManifest(ask, repository, tag.actual)
  const claimed = await observeClaimed(ask, repository, tag)
  const { child, absent } = await observeChild(ask, repository, tag.manifest)
  const leaf = child === undefined ? tag.manifest : child.manifest
  const blob = leaf === undefined ? undefined : chooseBlob(leaf)
  const flipped = flip(reference)
  const path = manifestUrl(repository, reference)
  const { actual } = tag
  return {
    repository,
    tag,
    ...(digest === undefined ? {} : { digest }),
    ...(claimed === undefined ? {} : { claimed }),
    ...(child === undefined ? {} : { child }),
    absent,
    ...(blob === undefined ? {} : { blob: await observeBlob(ask, repository, blob) }),
    dotted: await observeDotted(ask, repository, { reference, tags }),
    ...(flipped === undefined || tags.includes(flipped)
      ? {}
      : { flipped: { tag: flipped, get: await getManifest(ask, manifestUrl(repository, flipped)) } }),
    namespaced: await getManifest(ask, `${path}?ns=docker.io`),
    ...(actual === undefined
      ? {}
      : {
          escaped: await getManifest(ask, manifestUrl(repository, actual.replace(':', '%3A'))),
          referrers: await observeReferrers(ask, repository, actual),
        }),
    missing: {
      tag: await getManifest(ask, manifestUrl(repository, NO_TAG)),
      digest: await getManifest(ask, manifestUrl(repository, NOBODY)),
      blob: await ask(`/${blobPath(repository, NOBODY)}`),
    },
    tagsList,
    write: await ask(`/${blobsFolder(repository)}/uploads/`, { method: 'POST', headers: { 'content-length': '0' } }),
  }
}

/** What stands at the digest that a header names, where that is not the digest of the bytes. */
async function observeClaimed(ask: Ask, repository: string, seen: ManifestSeen): Promise<Answer | undefined> {
  const named = [seen.head, seen.get].map(({ headers }) => asDigest(headers['docker-content-digest']))
  const claimed = named.find(digest => digest !== undefined && digest !== seen.actual)
  return claimed === undefined ? undefined : getManifest(ask, manifestUrl(repository, claimed))
}

/** The child of an index that most people pull; of an index that is there in part, the first that is there. */
async function observeChild(
  ask: Ask,
  repository: string,
  manifest: Manifest | undefined,
): Promise<Pick<ImageSeen, 'child' | 'absent'>> {
  if (manifest?.kind !== 'index') return { absent: [] }
  const images = manifest.manifests.filter(child => attestedDigest(child) === undefined)
  const ordered = [...images.filter(isCommon), ...images.filter(child => !isCommon(child))].slice(0, MOST_CHILDREN)
  const seen: NonNullable<ImageSeen['child']>[] = []
  for (const descriptor of ordered) {
    const child = { ...(await observeManifest(ask, repository, descriptor.digest)), descriptor }
    if (child.get.status !== 404) return { child, absent: seen.map(({ descriptor: { platform } }) => nameOf(platform)) }
    seen.push(child)
  }
  const [first] = seen
  return first === undefined ? { absent: [] } : { child: first, absent: [] }
}

function nameOf(platform: Descriptor['platform']): string {
  return platform === undefined ? 'one without a name' : formatPlatform(platform)
}

function isCommon({ platform }: Descriptor): boolean {
  return platform?.os === 'linux' && platform.architecture === 'amd64'
}

/** Servers judge files by what follows the last dot of their names. */
export function looksLikeFile(tag: string): boolean {
  return /\.(?!\d+$)[A-Za-z][A-Za-z0-9]{0,4}$/.test(tag)
}

async function observeDotted(
  ask: Ask,
  repository: string,
  { reference, tags }: { readonly reference: string; readonly tags: readonly string[] },
): Promise<ImageSeen['dotted']> {
  const wanted = tags.filter(tag => tag !== reference && looksLikeFile(tag)).slice(0, MOST_DOTTED)
  const seen: { tag: string; get: Answer; packed: Answer }[] = []
  for (const tag of wanted) {
    const path = manifestUrl(repository, tag)
    seen.push({ tag, get: await getManifest(ask, path), packed: await getManifest(ask, path, PACKED) })
  }
  return seen
}

async function observeReferrers(
  ask: Ask,
  repository: string,
  digest: Digest,
): Promise<NonNullable<ImageSeen['referrers']>> {
  return {
    get: await ask(`/${referrersPath(repository, digest)}`, { headers: { accept: OCI_INDEX }, limit: 4_194_304 }),
    fallback: await getManifest(ask, manifestUrl(repository, fallbackTag(digest))),
  }
}

/** The tag with its letters in the other case; undefined where it has none, or is a digest. */
function flip(tag: string): string | undefined {
  if (tag.includes(':')) return undefined
  const flipped = tag === tag.toUpperCase() ? tag.toLowerCase() : tag.toUpperCase()
  return flipped === tag ? undefined : flipped
}

/** Where a repository's list of tags is asked for. */
export function tagsUrl(repository: string): string {
  return `/${tagsListPath(repository)}`
}
