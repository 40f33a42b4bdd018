import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'
import { fallbackTag } from '../oci/referrers.ts'
import { blobPath, referrersPath, tagsListPath } from '../tree/layout.ts'
import type { Answer } from './answer.ts'
import type { Ask } from './ask.ts'
import { isDigestOf, namedDigest } from './named-digest.ts'
import type { ImageSeen, ManifestSeen } from './observations.ts'
import { chooseBlob, observeBlob, observeBlobs } from './observe-blob.ts'
import { observeChild } from './observe-child.ts'
import { getManifest, manifestUrl, observeManifest, PACKED } from './observe-manifest.ts'
import { unpacked } from './unpacked.ts'

/** An image to try, and what the repository's list of tags says. */
export interface Choice {
  readonly repository: string
  /** Tag or digest. */
  readonly reference: string
  readonly tagsList: Answer
  readonly tags: readonly string[]
}

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
  const { child, nested, absent } = await observeChildren(ask, repository, tag)
  const { manifest: leaf } = nested ?? child ?? tag
  const flipped = flip(reference)
  const path = manifestUrl(repository, reference)
  const { actual } = tag
  return {
    repository,
    tag,
    ...(digest === undefined ? {} : { digest }),
    ...(claimed === undefined ? {} : { claimed }),
    ...(child === undefined ? {} : { child }),
    ...(nested === undefined ? {} : { nested }),
    absent,
    ...(await observeContent(ask, repository, leaf)),
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
    // Where manifests are nothing is made by POST; where uploads begin each would leave one behind.
    write: await ask(path, { method: 'POST', headers: { 'content-length': '0' } }),
  }
}

/** The child of an index, and where that is an index too, its child. */
async function observeChildren(
  ask: Ask,
  repository: string,
  tag: ManifestSeen,
): Promise<Pick<ImageSeen, 'child' | 'nested' | 'absent'>> {
  const first = await observeChild(ask, repository, tag)
  if (first.child?.manifest?.kind !== 'index') return first
  const { child: nested } = await observeChild(ask, repository, first.child)
  return nested === undefined ? first : { ...first, nested }
}

/** One blob in every way, and whether the others are there. */
async function observeContent(
  ask: Ask,
  repository: string,
  manifest: Manifest | undefined,
): Promise<Pick<ImageSeen, 'blob' | 'blobs'>> {
  const chosen = manifest === undefined ? undefined : chooseBlob(manifest)
  if (manifest?.kind !== 'image' || chosen === undefined) return { blobs: [] }
  const blob = await observeBlob(ask, repository, chosen)
  return { blob, blobs: await observeBlobs(ask, repository, { manifest, seen: blob }) }
}

/** What stands at the digest that a header names, where that is not the digest of the bytes. */
async function observeClaimed(ask: Ask, repository: string, seen: ManifestSeen): Promise<Answer | undefined> {
  const named = [seen.head, seen.get].map(answer => asDigest(namedDigest(answer)))
  const bytes = unpacked(seen.get)
  const claimed = named.find(digest => digest !== undefined && !isDigestOf(digest, bytes))
  return claimed === undefined ? undefined : getManifest(ask, manifestUrl(repository, claimed))
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
