import { basename, resolve as resolvePath } from 'node:path'
import type { CopyRequest } from '../copy/context.ts'
import { RegistrishError } from '../errors.ts'
import { selectImages } from '../layout/image-names.ts'
import type { LayoutImage, LayoutSource } from '../layout/layout-source.ts'
import { asDigest } from '../oci/digest.ts'
import { isRepositoryName, isTag, parseTag, parseTreeRepository } from '../oci/name.ts'
import { defaultTreeName, formatReference, parseReference } from '../oci/reference.ts'
import type { RegistrySourceOptions } from '../registry/registry-source.ts'
import type { FetchOptions } from './options.ts'
import type { Way } from './way.ts'

/** The root of the tree, where temporary files may be made. */
type WayOptions = FetchOptions & { readonly root: string }

/**
 * Finds out what an argument of `fetch` means and opens it. Nothing is written, no connection is made; names are checked first.
 * @throws RegistrishError `name-invalid`, `usage`, or what opening a layout or archive throws.
 */
export async function openWay(image: string, tags: readonly string[], options: WayOptions): Promise<Way> {
  for (const tag of tags) if (asDigest(tag) === undefined) parseTag(tag)
  const { parseTransport } = await import('../layout/transport.ts')
  const name = parseTransport(image)
  if (options.via === 'skopeo') return openSkopeo(image, tags, options)
  if (name.kind === 'layout') return openLayoutWay(image, tags, options)
  if (name.kind === 'registry') return openRegistry(name.text, tags, options)
  if (name.transport === 'docker') return openRegistry(name.rest, tags, options)
  throw new RegistrishError('usage', `"${name.transport}:" is a transport of skopeo`, {
    hint: `read it through skopeo: registrish fetch --via skopeo ${image}`,
  })
}

async function openRegistry(text: string, tags: readonly string[], options: WayOptions): Promise<Way> {
  const reference = parseReference(text)
  const { registry, repository, tag, digest } = reference
  const target = parseTreeRepository(options.as ?? defaultTreeName(reference))
  const { createRegistrySource } = await import('../registry/registry-source.ts')
  const named = tag !== undefined || digest !== undefined || tags.length > 0
  const first = digest ?? tag ?? (named ? undefined : 'latest')
  return {
    source: createRegistrySource({ registry, ...registryOptions(options) }),
    repository,
    target,
    upstream: formatReference({ registry, repository }),
    requests: distinctRequests([
      ...(first === undefined
        ? []
        : [{ repository, reference: first, target, ...(tag === undefined || digest === undefined ? {} : { tag }) }]),
      ...tags.map(more => ({ repository, reference: more, target })),
    ]),
    named,
  }
}

async function openLayoutWay(text: string, tags: readonly string[], options: WayOptions): Promise<Way> {
  const { openLayout } = await import('../layout/open-layout.ts')
  const { signal } = options
  const { source, reference, path } = await openLayout(text, signal === undefined ? {} : { signal })
  try {
    const wanted = [...(reference === undefined ? [] : [reference]), ...tags]
    const all = await source.images()
    const images: readonly ChosenImage[] =
      wanted.length === 0 ? all : await Promise.all(wanted.map(name => findImage(source, all, name)))
    const placed = images.map(image => ({ image, target: parseTreeRepository(options.as ?? nameInTree(image, path)) }))
    refuseMixing(placed, options, source.title)
    const requests = distinctRequests(placed.map(({ image, target }) => requestOf(image, target)))
    const [first] = requests
    if (first === undefined) {
      throw new RegistrishError('not-found', `${source.title} holds no image`, { side: 'source' })
    }
    const place = `${text.slice(0, text.indexOf(':'))}:${resolvePath(path)}`
    const upstreams = new Map(placed.map(({ image, target }) => [target, image.name ?? place]))
    const [upstream = place, ...others] = new Set(upstreams.values())
    return {
      source,
      repository: first.repository,
      target: first.target,
      upstream: others.length === 0 ? upstream : place,
      upstreams,
      requests,
      named: wanted.length > 0,
    }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** skopeo copies one image at a time into a layout of its own; its sources are opened when they are read. */
async function openSkopeo(image: string, tags: readonly string[], options: WayOptions): Promise<Way> {
  const { openSkopeoWay } = await import('./skopeo-way.ts')
  return openSkopeoWay(image, tags, options)
}

/** An image of a layout, and whether it was asked for by its digest: then it gets no tag, as from a registry. */
interface ChosenImage extends LayoutImage {
  readonly byDigest?: boolean
}

/** The image of a layout that a tag, a name, a digest or a position stands for, with the name it bears there. */
async function findImage(source: LayoutSource, all: readonly LayoutImage[], wanted: string): Promise<ChosenImage> {
  const descriptor = await source.resolve('', wanted)
  const same = all.filter(image => image.descriptor.digest === descriptor.digest)
  const called = selectImages(all, '', wanted).find(image => same.includes(image))
  const image = called ?? same[0]
  const reference = called === undefined && isTag(wanted) ? wanted : image?.reference
  return {
    descriptor,
    byDigest: asDigest(wanted) !== undefined,
    ...(image?.name === undefined ? {} : { name: image.name }),
    ...(reference === undefined ? {} : { reference }),
  }
}

/** An image that bears no tag gets `latest`; the digest is what is copied, so that nothing is looked up twice. */
function requestOf({ descriptor, reference, name, byDigest = false }: ChosenImage, target: string): CopyRequest {
  return {
    repository: name ?? '',
    reference: descriptor.digest,
    target,
    ...(byDigest ? {} : { tag: reference ?? 'latest' }),
  }
}

function nameInTree({ name }: LayoutImage, path: string): string {
  if (name !== undefined) return defaultTreeName(parseReference(name))
  const file = basename(resolvePath(path))
    .toLowerCase()
    .replace(/\.(?:tar|tgz|tar\.gz)$/, '')
  if (isRepositoryName(file)) return file
  throw new RegistrishError('usage', `${path} does not say what its images are called`, {
    hint: 'name the repository with --as',
  })
}

/** Images of two repositories never get into one of the tree unasked; with `--as` the tag of one might even replace the other's. */
function refuseMixing(
  placed: readonly { readonly image: LayoutImage; readonly target: string }[],
  { as, force }: FetchOptions,
  title: string,
): void {
  const names = new Map<string, Set<string | undefined>>()
  for (const { image, target } of placed) names.set(target, (names.get(target) ?? new Set()).add(image.name))
  for (const [target, { size }] of names) {
    if (size < 2 || (as === undefined && force === true)) continue
    throw new RegistrishError('usage', `${title} holds images of ${size} repositories, which would mix in ${target}`, {
      hint: `name the image to take${as === undefined ? ', or mix them with --force' : ', or leave --as out'}`,
    })
  }
}

/** The requests without those that do what an earlier one does. */
export function distinctRequests(requests: readonly CopyRequest[]): readonly CopyRequest[] {
  const known = new Set<string>()
  return requests.filter(({ target, reference, tag }) => {
    const key = `${target} ${reference} ${tag ?? (asDigest(reference) === undefined ? reference : '')}`
    return !known.has(key) && known.add(key)
  })
}

function registryOptions({
  plainHttp,
  caFile,
  authfile,
  retryTimes,
  onProgress,
}: FetchOptions): Partial<RegistrySourceOptions> {
  return {
    ...(plainHttp === undefined ? {} : { plainHttp }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(authfile === undefined ? {} : { authFile: authfile }),
    ...(retryTimes === undefined ? {} : { retryTimes }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}
