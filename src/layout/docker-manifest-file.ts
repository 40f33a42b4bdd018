import { RegistrishError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import { type ImageName, nameFromText } from './image-names.ts'

/** One image of an archive's `manifest.json`, as `docker save` writes it: paths inside the archive, lowest layer first. */
export interface ArchivedImage {
  readonly config: string
  readonly names: readonly ImageName[]
  readonly layers: readonly string[]
}

/**
 * Parses the `manifest.json` of a Docker archive.
 * @throws RegistrishError `manifest-invalid`; `title` names the archive.
 */
export function parseManifestFile(bytes: Uint8Array, title: string): readonly ArchivedImage[] {
  let list: unknown
  try {
    list = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw broken(title, 'it is not JSON', cause)
  }
  if (!Array.isArray(list)) throw broken(title, 'it is not a list')
  return list.map((item, position) => parseImage(item, `image ${position}`, title))
}

function parseImage(item: unknown, where: string, title: string): ArchivedImage {
  if (!isRecord(item)) throw broken(title, `${where} is not an object`)
  const config = item['Config']
  if (typeof config !== 'string' || config === '') throw broken(title, `${where} has no Config`)
  const tags = texts(item['RepoTags'])
  const layers = texts(item['Layers'])
  if (tags === undefined) throw broken(title, `the RepoTags of ${where} are not a list of names`)
  if (layers === undefined) throw broken(title, `the Layers of ${where} are not a list of paths`)
  // A name without a tag never comes from an engine; a bare word here is a repository, not a tag.
  return { config, layers, names: tags.length === 0 ? [{}] : tags.map(tag => nameFromText(withTag(tag))) }
}

function withTag(name: string): string {
  return name.includes(':', name.lastIndexOf('/') + 1) ? name : `${name}:latest`
}

/** A list of texts; absent and null (as engines write it for an image without tags) are an empty one. */
function texts(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return []
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined
}

function broken(title: string, reason: string, cause?: unknown): RegistrishError {
  return new RegistrishError('manifest-invalid', `manifest.json of ${title} is broken: ${reason}`, {
    side: 'source',
    ...(cause === undefined ? {} : { cause }),
  })
}
