import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { fileError, messageOf, systemCode } from '../errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { LARGEST_MANIFEST, type Manifest, parseManifest, referrerDescriptor } from '../oci/manifest.ts'
import { readRegular } from './read-regular.ts'

/** What a manifest's bytes say. */
export interface ManifestFacts {
  /** sha256 of its bytes. */
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly mediaType: string
  readonly kind: Manifest['kind']
  readonly subject?: Digest
  /** How a referrers list states it; only where it has a subject. */
  readonly referrer?: Descriptor
}

/** What a file was found to hold; `problem` where that is no manifest. */
type Inspected = ManifestFacts | { readonly digest: Digest; readonly problem: string }

/** What files were found to hold, for whoever reads the same repositories several times in a row. */
export type SnapshotMemory = Map<string, Inspected>

/** Files that are remembered, at most: about half a KB each, that of a referrer as much as is said of it in lists. */
const MOST_REMEMBERED = 200_000

/** Bytes of a referrer's manifest, at most, where it is remembered: its annotations are kept. */
const LARGEST_REFERRER = 8_192

/** Milliseconds that a date must be past before it tells a file from one that is written next: file systems keep dates to 2 s at the worst. */
const SETTLED = 3_000

/** A file of a repository's `manifests/` folder, when that was listed. */
interface ListedFile {
  /** Absolute path. */
  readonly folder: string
  readonly names: readonly string[]
  /** What it was when it was listed. */
  readonly version: string
}

/** What names of one file were found to hold. */
export interface ReadFile {
  readonly names: readonly string[]
  readonly content: Inspected
  /** Where one of the names is such a digest. */
  readonly sha512: Digest | undefined
}

/** Told of every manifest that is read, not of those that are remembered. The bytes may be kept. */
export type OnManifest = (digest: Digest, manifest: Manifest, bytes: Uint8Array) => void

/** What the names of one file hold. A name that has moved to another file meanwhile says nothing of the others: then each is read by itself. */
export function readNames(
  { folder, names, version }: ListedFile,
  memory: SnapshotMemory | undefined,
  onManifest?: OnManifest,
): readonly ReadFile[] {
  const needsBytes = names.some(name => name.startsWith('sha512:'))
  const remembered = needsBytes ? undefined : memory?.get(version)
  if (remembered !== undefined) return [{ names, content: remembered, sha512: undefined }]
  const read = (name: string): ReturnType<typeof readManifestFile> => readManifestFile(join(folder, name))
  const understand = (bytes: Uint8Array, those: readonly string[]): ReadFile => ({
    names: those,
    content: inspect(bytes, onManifest),
    sha512: those.some(name => name.startsWith('sha512:')) ? digestOf(bytes, 'sha512') : undefined,
  })
  const [first = '', ...others] = names
  const file = read(first)
  if (file?.version === version) {
    const found = understand(file.bytes, names)
    if (file.settled && memory !== undefined && memory.size < MOST_REMEMBERED && isShort(found.content))
      memory.set(version, found.content)
    return [found]
  }
  return [first, ...others].flatMap(name => {
    const bytes = name === first ? file?.bytes : read(name)?.bytes
    return bytes === undefined ? [] : [understand(bytes, [name])]
  })
}

function isShort(content: Inspected): boolean {
  return 'problem' in content || content.referrer === undefined || content.size <= LARGEST_REFERRER
}

/**
 * Equals another only for a file that was not changed between. A second name for it changes nothing here, though it does change `ctime`; that
 * counts only where the file system knows no births, and gives the number of a file that is gone to the next, which may bear the same date.
 */
export function versionOf({ dev, ino, size, mtimeNs, birthtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${birthtimeNs > 0n ? birthtimeNs : ctimeNs}`
}

function inspect(bytes: Uint8Array, onManifest?: OnManifest): Inspected {
  const digest = digestOf(bytes)
  try {
    const manifest = parseManifest(bytes)
    const { mediaType, kind, subject } = manifest
    const reference =
      subject === undefined
        ? {}
        : { subject: subject.digest, referrer: referrerDescriptor(manifest, digest, bytes.length) }
    onManifest?.(digest, manifest, bytes)
    return { digest, size: bytes.length, mediaType, kind, ...reference }
  } catch (error) {
    return { digest, problem: messageOf(error) }
  }
}

/** A file's bytes and what it was behind them; `settled` where a change from now on will show. Undefined where it is gone. */
function readManifestFile(
  path: string,
): { readonly bytes: Uint8Array; readonly version: string; readonly settled: boolean } | undefined {
  try {
    const found = readRegular(path, LARGEST_MANIFEST)
    if (found === undefined) return undefined
    const { bytes, stats } = found
    return { bytes, version: versionOf(stats), settled: Date.now() - Number(stats.mtimeMs) > SETTLED }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, 'read', path, 'source')
  }
}
