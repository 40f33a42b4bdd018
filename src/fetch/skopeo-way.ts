import { basename, join } from 'node:path'
import { RegistrishError } from '../errors.ts'
import { isRepositoryName, isTag, parseTreeRepository } from '../oci/name.ts'
import { defaultTreeName, formatReference } from '../oci/reference.ts'
import { temporaryFolder } from '../tree/layout.ts'
import type { FetchOptions } from './options.ts'
import { createSkopeoSource } from './skopeo.ts'
import { parseSkopeoName } from './skopeo-name.ts'
import type { Way } from './way.ts'

/** Opens any source that skopeo reads: `docker://` and bare names, `containers-storage:`, `docker-daemon:`, `dir:`… Nothing runs yet. */
export function openSkopeoWay(
  text: string,
  tags: readonly string[],
  options: FetchOptions & { readonly root: string },
): Way {
  const name = parseSkopeoName(text)
  const { image, reference, named } = name
  if (!named && tags.length > 0) {
    throw new RegistrishError('usage', `${image} is one image: it has no tags to choose from`, {
      hint: 'give it a name in the tree with --as',
    })
  }
  const target = parseTreeRepository(
    options.as ?? (reference === undefined ? nameOfPath(image) : defaultTreeName(reference)),
  )
  const { authfile, caFile, plainHttp, retryTimes, requireDigest, onProgress } = options
  const source = createSkopeoSource(name, {
    folder: join(options.root, temporaryFolder),
    ...(authfile === undefined ? {} : { authfile }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(plainHttp === true ? { tlsVerify: false } : {}),
    ...(retryTimes === undefined ? {} : { retryTimes }),
    ...(requireDigest === undefined ? {} : { requireDigest }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  const first =
    reference?.digest ?? reference?.tag ?? (tags.length === 0 ? (tagOfPath(named ? '' : image) ?? 'latest') : undefined)
  const repository = reference?.repository ?? ''
  return {
    source,
    repository,
    target,
    upstream:
      reference === undefined
        ? image
        : `${name.transport === 'docker' ? '' : `${name.transport}:`}${formatReference({ registry: reference.registry, repository })}`,
    requests: [
      ...(first === undefined
        ? []
        : [{ repository, reference: first, target, ...(reference?.tag === undefined ? {} : { tag: reference.tag }) }]),
      ...tags.map(tag => ({ repository, reference: tag, target })),
    ],
    named: reference?.tag !== undefined || reference?.digest !== undefined || tags.length > 0,
  }
}

/** The last part of a path, without a tag behind it, as a repository name. */
function nameOfPath(image: string): string {
  const path = image.slice(image.indexOf(':') + 1).replace(/(?:@[^/]*|:[^/]*)$/, '')
  const last = basename(path)
    .toLowerCase()
    .replace(/\.(?:tar|tgz)$/, '')
  if (isRepositoryName(last)) return last
  throw new RegistrishError('usage', `${image} does not say what its image is called`, {
    hint: 'name the repository with --as',
  })
}

/** The tag behind a path: `oci:DIR:1.0`. */
function tagOfPath(image: string): string | undefined {
  const tag = /:([^:/]+)$/.exec(image.slice(image.indexOf(':') + 1))?.[1]
  return tag !== undefined && isTag(tag) ? tag : undefined
}
