import { algorithmOf, asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest } from '../oci/manifest.ts'
import { MANIFEST_TYPES } from '../oci/media-types.ts'
import { manifestPath } from '../tree/layout.ts'
import type { Answer } from './answer.ts'
import type { Ask } from './ask.ts'
import { isDigestOf, namedDigest } from './named-digest.ts'
import type { ManifestSeen } from './observations.ts'
import { unpacked } from './unpacked.ts'

/** What clients say they take: without it registries change their answer (distribution's manifest handler). */
const ACCEPT = { accept: MANIFEST_TYPES.join(', ') }
/** What Go's HTTP library adds to a GET. */
export const PACKED: Readonly<Record<string, string>> = { 'accept-encoding': 'gzip' }

/** Where a manifest is asked for. */
export function manifestUrl(repository: string, reference: string): string {
  return `/${manifestPath(repository, reference)}`
}

/** Asks for a manifest in every way that clients do. */
export async function observeManifest(ask: Ask, repository: string, reference: string): Promise<ManifestSeen> {
  const path = manifestUrl(repository, reference)
  const get = await getManifest(ask, path)
  const [head, packed] = await Promise.all([
    headManifest(ask, path),
    ask(path, { headers: { ...ACCEPT, ...PACKED }, limit: LARGEST_MANIFEST }),
  ])
  const bytes = get.status === 200 && get.whole ? unpacked(get) : undefined
  const manifest = bytes === undefined ? undefined : parsed(bytes)
  return {
    reference,
    get,
    head,
    packed,
    ...(manifest === undefined ? {} : { manifest }),
    ...(bytes === undefined ? {} : { actual: actualOf(bytes, { reference, answers: [head, get] }) }),
  }
}

/** The digest by which clients will know the bytes: many a registry has a manifest under one algorithm only. */
function actualOf(
  bytes: Uint8Array,
  { reference, answers }: { readonly reference: string; readonly answers: readonly Answer[] },
): Digest {
  const asked = asDigest(reference)
  if (asked !== undefined) return digestOf(bytes, algorithmOf(asked))
  const named = answers.map(namedDigest).find(digest => digest !== undefined && isDigestOf(digest, bytes))
  return asDigest(named) ?? digestOf(bytes)
}

/** Asks for a manifest once, by HEAD. */
export async function headManifest(ask: Ask, path: string): Promise<Answer> {
  return ask(path, { method: 'HEAD', headers: ACCEPT })
}

/** Asks for a manifest once, by GET. */
export async function getManifest(ask: Ask, path: string, headers: Answer['headers'] = {}): Promise<Answer> {
  return ask(path, { headers: { ...ACCEPT, ...headers }, limit: LARGEST_MANIFEST })
}

function parsed(bytes: Uint8Array): Manifest | undefined {
  try {
    return parseManifest(bytes)
  } catch {
    return undefined
  }
}
