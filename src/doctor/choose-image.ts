import { isRecord } from '../oci/descriptor.ts'
import { isRepositoryName, isTag } from '../oci/name.ts'
import { isFallbackTag } from '../oci/referrers.ts'
import { catalogPath } from '../tree/layout.ts'
import { type Answer, jsonOf, statusText } from './answer.ts'
import type { Ask } from './ask.ts'
import { type Choice, looksLikeFile, tagsUrl } from './observe-image.ts'
import { observeManifest } from './observe-manifest.ts'
import type { DoctorTarget } from './target.ts'

/** Bytes of a list that are read. */
const LARGEST_LIST = 8 * 1024 * 1024
/** Repositories and tags that are looked at, for one with several platforms. */
const MOST_REPOSITORIES = 3
const MOST_TAGS = 3

/** The image to try: the one that was named, else one of those that the host lists. */
export async function chooseImage(ask: Ask, { image }: DoctorTarget): Promise<Choice | { readonly none: string }> {
  if (image !== undefined) {
    const { repository, tag, digest } = image
    const { tagsList, tags } = await listTags(ask, repository)
    return { repository, reference: digest ?? tag ?? 'latest', tagsList, tags }
  }
  const catalog = await ask(`/${catalogPath}`, { limit: LARGEST_LIST })
  const repositories = stringsOf(catalog, 'repositories').filter(isRepositoryName)
  let first: Choice | undefined
  for (const repository of repositories.slice(0, MOST_REPOSITORIES)) {
    const { tagsList, tags } = await listTags(ask, repository)
    for (const reference of preferred(tags)) {
      const choice = { repository, reference, tagsList, tags }
      first ??= choice
      const { manifest } = await observeManifest(ask, repository, reference)
      if (manifest?.kind === 'index') return choice
    }
  }
  return first ?? { none: `no image to try: its catalogue ${reasonOf(catalog, repositories)}` }
}

/** What a list names; none where it is no list. */
function stringsOf(answer: Answer, key: string): readonly string[] {
  const document = answer.status === 200 ? jsonOf(answer) : undefined
  const list = isRecord(document) ? document[key] : undefined
  return Array.isArray(list) ? list.filter(entry => typeof entry === 'string') : []
}

async function listTags(ask: Ask, repository: string): Promise<Pick<Choice, 'tagsList' | 'tags'>> {
  const tagsList = await ask(tagsUrl(repository), { limit: LARGEST_LIST })
  return { tagsList, tags: stringsOf(tagsList, 'tags').filter(isTag) }
}

/** Ordinary tags first: what a file's name would spoil is a check of its own. */
function preferred(tags: readonly string[]): readonly string[] {
  const ordinary = tags.filter(tag => !isFallbackTag(tag) && !looksLikeFile(tag))
  const latest = ordinary.filter(tag => tag === 'latest')
  return [...new Set([...latest, ...ordinary])].slice(0, MOST_TAGS)
}

function reasonOf(catalog: Answer, repositories: readonly string[]): string {
  if (catalog.status !== 200) return `(GET /${catalogPath}) is ${statusText(catalog)}`
  return repositories.length === 0 ? 'names no repository' : 'names repositories without tags'
}
