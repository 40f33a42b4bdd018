import { join } from 'node:path'
import { fileError, RegistrishError, systemCode } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, parseManifest } from '../oci/manifest.ts'
import { formatReferrers } from '../oci/referrers.ts'
import { statInside } from './files.ts'
import { manifestPath } from './layout.ts'
import { readRegular } from './read-regular.ts'
import type { StoredManifest } from './tree.ts'

/**
 * Reads the manifest file of a tag or digest; undefined where there is none.
 * @throws RegistrishError `digest-mismatch` where a digest's file has other bytes, `manifest-invalid` where they are no manifest.
 */
export function readStoredManifest(root: string, repository: string, reference: string): StoredManifest | undefined {
  const file = manifestPath(repository, reference)
  const bytes = readInside(root, file)
  if (bytes === undefined) return undefined
  const named = asDigest(reference)
  if (named !== undefined && digestOf(bytes, algorithmOf(named)) !== named) {
    throw new RegistrishError(
      'digest-mismatch',
      `${file} is damaged: its bytes are those of ${digestOf(bytes, algorithmOf(named))}`,
      {
        hint: 'registrish verify --repair moves it aside; fetch the image again afterwards',
      },
    )
  }
  return { digest: digestOf(bytes), bytes, manifest: parseManifest(bytes), file }
}

/** The entries of an index file, and whether it is written exactly as {@link formatReferrers} writes; undefined where it is not an index. */
export function readFallback(
  root: string,
  file: string,
): { readonly manifests: readonly Descriptor[]; readonly canonical: boolean } | undefined {
  const bytes = readInside(root, file)
  if (bytes === undefined) return undefined
  const manifest = parseManifest(bytes)
  if (manifest.kind !== 'index') return undefined
  return { manifests: manifest.manifests, canonical: Buffer.from(formatReferrers(manifest.manifests)).equals(bytes) }
}

/** Whether `digest` names a manifest file of its own in a repository. */
export function hasManifestFile(root: string, repository: string, digest: Digest): boolean {
  return statInside(root, manifestPath(repository, digest)) !== undefined
}

/** The error of a file that is larger than any manifest, told without reading it. */
export function tooLarge(file: string, size: number): RegistrishError {
  return new RegistrishError(
    'manifest-invalid',
    `${file} has ${size} bytes; clients take manifests of ${LARGEST_MANIFEST} at most`,
  )
}

function readInside(root: string, file: string): Buffer | undefined {
  const stats = statInside(root, file)
  if (stats === undefined) return undefined
  if (stats.size > LARGEST_MANIFEST) throw tooLarge(file, Number(stats.size))
  try {
    return readRegular(join(root, file), LARGEST_MANIFEST)?.bytes
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, 'read', file, 'source')
  }
}
