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
/** Repositories whose tags are asked for: registries go on naming those whose tags were deleted. */
const MOST_LISTS = 20
/** Repositories and tags that are looked at, for one with several platforms. */
const MOST_REPOSITORIES = 3
const MOST_TAGS = 3

/** That there is no image to try: why, and the list that was to name one. */
export interface NoChoice {
  readonly none: string
  /** Empty for the catalogue. */
  readonly repository: string
  readonly list: Answer
}

/** The image to try: the one that was named, else one of those that the host lists. */
export async function chooseImage(ask: Ask, { image }: DoctorTarget): Promise<Choice | NoChoice> {
  if (image !== undefined) {
    const { repository, tag, digest } = image
    const { tagsList, tags } = await listTags(ask, repository)
    return { repository, reference: digest ?? tag ?? 'latest', tagsList, tags }
  }
  const catalog = await ask(`/${catalogPath}`, { limit: LARGEST_LIST })
  const { found, refused } = await findTagged(ask, stringsOf(catalog, 'repositories').filter(isRepositoryName))
  let first: Choice | undefined
  for (const { repository, tagsList, tags } of found) {
    for (const reference of preferred(tags)) {
      const choice = { repository, reference, tagsList, tags }
      first ??= choice
      const { manifest } = await observeManifest(ask, repository, reference)
      if (manifest?.kind === 'index') return choice
    }
  }
  const { repository, tagsList: list } = refused ?? { repository: '', tagsList: catalog }
  return first ?? { none: `no image to try: ${reasonOf(catalog, refused?.tagsList)}`, repository, list }
}

type Listed = Omit<Choice, 'reference'>

/** The first repositories that have tags to try; where there are none, the first list that was not given. */
async function findTagged(
  ask: Ask,
  repositories: readonly string[],
): Promise<{ readonly found: readonly Listed[]; readonly refused?: Listed }> {
  const lists: Listed[] = []
  for (const repository of repositories.slice(0, MOST_LISTS)) {
    lists.push({ repository, ...(await listTags(ask, repository)) })
    if (lists.filter(hasTags).length === MOST_REPOSITORIES) break
  }
  // What was deleted is 404.
  const refused = lists.find(({ tagsList: { status } }) => status !== 200 && status !== 404)
  return { found: lists.filter(hasTags), ...(refused === undefined ? {} : { refused }) }
}

function hasTags({ tags }: Listed): boolean {
  return preferred(tags).length > 0
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
  const images = tags.filter(tag => !isFallbackTag(tag))
  const latest = images.filter(tag => tag === 'latest')
  const ordinary = images.filter(tag => !looksLikeFile(tag))
  return [...new Set([...latest, ...ordinary, ...images])].slice(0, MOST_TAGS)
}

function reasonOf(catalog: Answer, refused: Answer | undefined): string {
  if (catalog.status !== 200) return `its catalogue (GET /${catalogPath}) is ${statusText(catalog)}`
  if (stringsOf(catalog, 'repositories').length === 0) return 'its catalogue names no repository'
  if (refused === undefined) return 'its catalogue names repositories without tags'
  return `its catalogue names repositories, but ${refused.request} is ${statusText(refused)}`
}
