import { asDigest } from '../oci/digest.ts'
import { isTag, isTreeRepository } from '../oci/name.ts'
import { manifestsFolder, publicPrefix } from '../tree/layout.ts'
import { tagOf } from './content.ts'

/** A manifest's key, taken apart. */
export interface ManifestKey {
  readonly repository: string
  /** A tag or digest. */
  readonly reference: string
  readonly isTag: boolean
}

/** Takes the key of a manifest apart; undefined for any other key, and for those that no tree can hold. Names that were seen are not judged again. */
export function createKeyReader(): (key: string) => ManifestKey | undefined {
  const names = new Map<string, boolean>()
  return key => {
    const end = key.lastIndexOf('/')
    const folder = key.slice(0, end)
    if (!folder.startsWith(publicPrefix) || !folder.endsWith(MANIFESTS)) return undefined
    const repository = folder.slice(publicPrefix.length, -MANIFESTS.length)
    const known = names.get(repository) ?? isTreeRepository(repository)
    names.set(repository, known)
    const reference = tagOf(key)
    if (!known) return undefined
    const named = isTag(reference)
    return named || asDigest(reference) !== undefined ? { repository, reference, isTag: named } : undefined
  }
}

/** What the manifests of a store say by their keys. */
export interface StoreContents {
  /** Repository → its tags; of every repository that has a manifest. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>
}

/** Sorts keys into repositories and tags. */
export function readContents(keys: Iterable<string>): StoreContents {
  const read = createKeyReader()
  const tags = new Map<string, Set<string>>()
  for (const key of keys) {
    const found = read(key)
    if (found === undefined) continue
    const known = tags.get(found.repository) ?? new Set()
    tags.set(found.repository, known)
    if (found.isTag) known.add(found.reference)
  }
  return { tags }
}

/** The prefix of a repository's manifests. */
export function manifestsPrefix(repository: string): string {
  return `${manifestsFolder(repository)}/`
}

const MANIFESTS = manifestsFolder('').slice(publicPrefix.length)
