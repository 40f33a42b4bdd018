import type { Descriptor } from '../oci/descriptor.ts'
import { attestedDigest } from '../oci/manifest.ts'
import { formatPlatform } from '../oci/platform.ts'
import type { Answer } from './answer.ts'
import type { Ask } from './ask.ts'
import type { ChildSeen, ImageSeen, ManifestSeen } from './observations.ts'
import { headManifest, manifestUrl, observeManifest } from './observe-manifest.ts'

/** Children of an index that are asked for until one is there. */
const MOST_CHILDREN = 30
/** Of those, the ones that are asked for in every way, whatever HEAD says. */
const MOST_WHOLE = 6

/** The child of an index that most people pull; of an index that is there in part, the first that is there. */
export async function observeChild(
  ask: Ask,
  repository: string,
  { manifest, head }: Pick<ManifestSeen, 'manifest' | 'head'>,
): Promise<Pick<ImageSeen, 'child' | 'absent'>> {
  if (manifest?.kind !== 'index') return { absent: [] }
  const images = manifest.manifests.filter(child => attestedDigest(child) === undefined)
  const ordered = [...images.filter(isCommon), ...images.filter(child => !isCommon(child))].slice(0, MOST_CHILDREN)
  const absent: string[] = []
  let first: ChildSeen | undefined
  for (const [position, descriptor] of ordered.entries()) {
    const isHeadEnough = position >= MOST_WHOLE && head.status === 200
    if (!isHeadEnough || !isAbsent(await headManifest(ask, manifestUrl(repository, descriptor.digest)))) {
      const child = { ...(await observeManifest(ask, repository, descriptor.digest)), descriptor }
      if (!isAbsent(child.get)) return { child, absent }
      first ??= child
    }
    absent.push(nameOf(descriptor.platform))
  }
  return first === undefined ? { absent: [] } : { child: first, absent: [] }
}

/** A bucket that nobody may list says 403 to what it does not hold. */
function isAbsent({ status, login }: Answer): boolean {
  return status === 404 || (status === 403 && login === undefined)
}

function nameOf(platform: Descriptor['platform']): string {
  return platform === undefined ? 'one without a name' : formatPlatform(platform)
}

function isCommon({ platform }: Descriptor): boolean {
  return platform?.os === 'linux' && platform.architecture === 'amd64'
}
