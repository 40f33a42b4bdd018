import type { LiveTags } from '../deploy/site/live.ts'
import { RegistrishError } from '../errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { CallOptions } from '../oci/source.ts'
import type { ReadonlyTree } from '../tree/tree.ts'
import { count } from './format.ts'

/** A tag, and the digest that it names. */
interface TreeTag {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

/** What a tree holds, by name. */
export interface TreeTags {
  readonly repositories: readonly string[]
  /** In their order. */
  readonly tags: readonly TreeTag[]
}

/** Reads the names of everything in a tree. */
export async function readTreeTags(tree: ReadonlyTree, call: CallOptions): Promise<TreeTags> {
  const repositories = await tree.repositories()
  const tags: TreeTag[] = []
  for (const repository of repositories) {
    for (const tag of await tree.tags(repository, call)) {
      const { digest } = await tree.resolve(repository, tag, call)
      tags.push({ repository, tag, digest })
    }
  }
  return { repositories, tags }
}

/** What a site serves and a tree does not hold, as names: `app`, `app:1.0`. It goes when the site is replaced. */
export interface Vanishing {
  readonly repositories: readonly string[]
  readonly tags: readonly string[]
}

/** What would vanish from a site that is replaced by one of this tree. */
export function findVanishing(live: LiveTags, { repositories, tags }: TreeTags): Vanishing {
  const kept = new Set([...repositories, ...tags.map(({ repository, tag }) => `${repository}:${tag}`)])
  const [gone, rest] = [[...live].filter(([name]) => !kept.has(name)), [...live].filter(([name]) => kept.has(name))]
  const lost = rest.flatMap(([name, names]) => [...names].map(tag => `${name}:${tag}`)).filter(tag => !kept.has(tag))
  return { repositories: gone.map(([name]) => name).sort(), tags: lost.sort() }
}

/** What vanishes as a phrase, the first few named; undefined where nothing does. */
export function formatVanishing({ repositories, tags }: Vanishing): string | undefined {
  const names = [...repositories, ...tags]
  if (names.length === 0) return undefined
  const kinds = [
    repositories.length === 0 ? '' : count(repositories.length, 'repository', 'repositories'),
    tags.length === 0 ? '' : count(tags.length, 'tag'),
  ].filter(text => text !== '')
  const rest = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  return `${kinds.join(' and ')} (${names.slice(0, NAMED).join(', ')}${rest})`
}

/** The error that keeps a site from losing what others published. */
export function vanishingError(phrase: string, host: string): RegistrishError {
  return new RegistrishError(
    'conflict',
    `a site is replaced as a whole, and this tree lacks ${phrase} that ${host} serves: nothing was published`,
    {
      hint: `fetch what is to stay, for example registrish fetch ${host}/NAME TAG; or give --prune to let it go`,
      side: 'target',
    },
  )
}

/** The error that keeps a site from being replaced unseen. */
export function unseenError(cause: RegistrishError, host: string): RegistrishError {
  const { code, message, hint = 'try again' } = cause
  return new RegistrishError(code, `what ${host} serves now cannot be read, so nothing was published: ${message}`, {
    hint: `${hint}; or deploy with --url HOST to ask another address, with --prune to publish whatever is there`,
    side: 'target',
    cause,
  })
}

/** The error that keeps tags from being published that were not looked at. */
export function changedError(): RegistrishError {
  return new RegistrishError('locked', 'tags of the tree were moved while it was looked at: nothing was published', {
    hint: 'run the same again when nobody fetches into the tree or removes from it',
    side: 'source',
  })
}

const NAMED = 5
