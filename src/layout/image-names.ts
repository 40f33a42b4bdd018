import { isRegistrishError, RegistrishError } from '../errors.ts'
import { asDigest, plain, quote } from '../oci/digest.ts'
import { isTag } from '../oci/name.ts'
import { DOCKER_HUB, defaultTreeName, parseReference, type Reference } from '../oci/reference.ts'

/** What a layout or archive calls an image. */
export interface ImageName {
  /** The tag, where it has one. */
  readonly reference?: string
  /** The repository in full, `registry/repository`, where the layout says it. */
  readonly name?: string
  /** The name exactly as it is written there. */
  readonly text?: string
}

/** The tag, or the full name, of an image (image spec, annotations.md). */
const REF_NAME = 'org.opencontainers.image.ref.name'
/** The full name, as containerd, BuildKit and Docker Engine 25 write it beside {@link REF_NAME}. */
const CONTAINERD_NAME = 'io.containerd.image.name'

/** The name that an entry of index.json bears by its annotations. */
export function nameFromAnnotations(annotations: Readonly<Record<string, string>> | undefined): ImageName {
  const full = fullName(annotations?.[CONTAINERD_NAME])
  const short = nameFromText(annotations?.[REF_NAME])
  return { ...full, ...short }
}

/** The name that one text gives: a bare tag, or a full name; an image name without a host is Docker Hub's. */
export function nameFromText(text: string | undefined): ImageName {
  if (text === undefined || text === '') return {}
  return isTag(text) ? { reference: text, text } : { ...fullName(text), text }
}

/**
 * The images that `reference` stands for: a digest, `@N` the Nth (from 0), a tag or the name as written, or a full image name (without a tag: `latest`).
 * Where several repositories are named, a tag is looked for in `repository` first.
 */
export function selectImages<T extends ImageName & { readonly digest?: string }>(
  images: readonly T[],
  repository: string,
  reference: string,
): readonly T[] {
  if (asDigest(reference) !== undefined) return images.filter(image => image.digest === reference)
  const position = /^@(\d+)$/.exec(reference)?.[1]
  if (position !== undefined) return images.slice(Number(position), Number(position) + 1)
  const matches = (image: T): boolean => image.reference === reference || image.text === reference
  const near = inRepository(images, repository).filter(matches)
  if (near.length > 0) return near
  const wanted = tryReference(reference)
  if (wanted === undefined) return []
  const { registry, repository: path, tag = 'latest' } = wanted
  const tagged = images.filter(image => image.reference === tag)
  const exact = tagged.filter(image => image.name === `${registry}/${path}`)
  // podman calls `app` what others call docker.io/library/app: localhost/app.
  const isShort = registry === DOCKER_HUB && !reference.includes(`${DOCKER_HUB}/`)
  return exact.length > 0 || !isShort
    ? exact
    : tagged.filter(image => isCalled(image.name ?? '', defaultTreeName(wanted)))
}

/** The images of one repository: all where the layout names one repository or none, or does not know this one. */
export function inRepository<T extends ImageName>(images: readonly T[], repository: string): readonly T[] {
  const names = new Set(images.flatMap(image => image.name ?? []))
  if (names.size < 2) return images
  const own = images.filter(image => image.name !== undefined && isCalled(image.name, repository))
  return own.length > 0 ? own : images
}

/** The one image among `matches`; several entries with the same `key` are one. @throws RegistrishError `not-found`, or `usage` where it is ambiguous. */
export function onlyOne<T extends ImageName & { readonly digest?: string }>(
  matches: readonly T[],
  { title, reference, all, key }: Choice<T>,
): T {
  const [first, ...rest] = matches
  const known = [...new Set(all.map(label))].slice(0, 8).join(', ')
  if (first === undefined) {
    const message = `${title} has no image ${quote(reference)}`
    throw new RegistrishError('not-found', message, {
      side: 'source',
      ...(known === '' ? {} : { hint: `it has: ${known}` }),
    })
  }
  if (rest.every(image => key(image) === key(first))) return first
  throw new RegistrishError('usage', `${title} has more than one image called ${quote(reference)}`, {
    side: 'source',
    hint: `name one of them by tag, by digest or by position: ${known}`,
  })
}

/** What {@link onlyOne} needs for its decision and its messages. */
export interface Choice<T> {
  readonly title: string
  readonly reference: string
  /** All images of the layout, for the hint. */
  readonly all: readonly T[]
  /** What tells images apart. */
  readonly key: (image: T) => unknown
}

/** How an image can be asked for. */
function label(image: ImageName & { readonly digest?: string }, position: number): string {
  const { name, reference, text, digest } = image
  if (name !== undefined && reference !== undefined) return `${name}:${reference}`
  return plain(text ?? reference ?? digest ?? `@${position}`)
}

function isCalled(name: string, repository: string): boolean {
  if (name === repository) return true
  const parsed = name === '' ? undefined : tryReference(name)
  return parsed !== undefined && (parsed.repository === repository || defaultTreeName(parsed) === repository)
}

function fullName(text: string | undefined): { readonly name?: string; readonly reference?: string } {
  const parsed = text === undefined ? undefined : tryReference(text)
  if (parsed === undefined) return {}
  const { registry, repository, tag } = parsed
  return { name: `${registry}/${repository}`, ...(tag === undefined ? {} : { reference: tag }) }
}

/** A text that another tool wrote, as an image name; undefined where it is none, which leaves the image without that name. */
function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text)
  } catch (error) {
    if (isRegistrishError(error, 'name-invalid')) return undefined
    throw error
  }
}
