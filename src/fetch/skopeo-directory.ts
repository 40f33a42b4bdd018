import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError, systemCode } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { asDigest, type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-types.ts'

/**
 * Moves an image from skopeo's `dir:` format into an OCI layout on the same file system, and tags it there.
 * That format has the root in `manifest.json`, other manifests in `<hex>.manifest.json` and blobs in `<hex>`; a digest other than sha256 is written `<algorithm>-<hex>` by newer releases.
 * Nothing is verified: whoever copies from the layout does that.
 * @throws RegistrishError `manifest-invalid`, `io`, `no-space`.
 */
export async function adoptDirectory(folder: string, layout: string, tag: string): Promise<void> {
  try {
    for (const file of await readdir(folder)) {
      const digest = digestOfFile(file)
      if (digest !== undefined) await move(join(folder, file), blobFile(layout, digest))
    }
    const root = await readFile(join(folder, 'manifest.json'))
    const descriptor = { mediaType: parseManifest(root).mediaType, digest: digestOf(root), size: root.length }
    await mkdir(dirname(blobFile(layout, descriptor.digest)), { recursive: true })
    await writeFile(blobFile(layout, descriptor.digest), root)
    await addToIndex(layout, { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } })
  } catch (error) {
    throw fileError(error, 'take over', folder)
  }
}

function digestOfFile(file: string): Digest | undefined {
  const [, algorithm, hex = ''] = /^(?:(sha256|sha512)-)?([0-9a-f]+)(?:\.manifest\.json)?$/.exec(file) ?? []
  return asDigest(`${algorithm ?? (hex.length === 128 ? 'sha512' : 'sha256')}:${hex}`)
}

async function addToIndex(layout: string, entry: object): Promise<void> {
  const path = join(layout, 'index.json')
  const present: unknown = JSON.parse((await readIfThere(path)) ?? '{}')
  const manifests: readonly unknown[] =
    isRecord(present) && Array.isArray(present['manifests']) ? present['manifests'] : []
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...manifests, entry] }
  await writeFile(path, JSON.stringify(index))
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await rename(from, to)
}

function blobFile(layout: string, digest: Digest): string {
  return join(layout, 'blobs', ...digest.split(':'))
}
