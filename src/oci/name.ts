import { RegistrishError } from '../errors.ts'
import { quote } from './digest.ts'

/** The grammar of a tag (OCI distribution spec, "Pulling manifests"), without anchors. */
export const TAG_PATTERN = '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}'

/** The grammar of one component of a repository name (same section), without anchors. */
export const COMPONENT_PATTERN = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'

/** The grammar of a repository name, without anchors. */
export const NAME_PATTERN: string = `${COMPONENT_PATTERN}(?:/${COMPONENT_PATTERN})*`

const TAG = new RegExp(`^${TAG_PATTERN}$`)
const NAME = new RegExp(`^${NAME_PATTERN}$`)

/** Longest repository name: host, port, slash and name share 255 characters (distribution spec). */
const LONGEST_NAME = 255

/** Names of a tree's own folders and files, which no component of a repository in a tree may bear. */
export const RESERVED_NAMES: readonly string[] = ['manifests', 'blobs', 'tags', 'referrers', 'index.json']

/** Whether `text` is a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** Whether `text` follows the grammar of repository names. */
export function isRepositoryName(text: string): boolean {
  return text.length <= LONGEST_NAME && NAME.test(text)
}

/** Returns `text` if it is a tag. @throws RegistrishError `name-invalid`. */
export function parseTag(text: string): string {
  if (isTag(text)) return text
  throw new RegistrishError('name-invalid', `not a tag: ${quote(text)}`, {
    hint: 'a tag has at most 128 letters, digits, ".", "_" and "-", and does not begin with "." or "-"',
  })
}

/** Returns `text` if it is a repository name. @throws RegistrishError `name-invalid`. */
export function parseRepositoryName(text: string): string {
  if (isRepositoryName(text)) return text
  const lower = text.toLowerCase()
  throw new RegistrishError('name-invalid', `not a repository name: ${quote(text)}`, {
    hint: isRepositoryName(lower)
      ? `repository names are lower-case: try ${lower}`
      : 'a repository name is made of lower-case letters, digits, ".", "_", "-" and "/"',
  })
}

/**
 * Returns `text` if a tree can hold a repository of that name.
 * @throws RegistrishError `name-invalid`; also where a component is the name of one of the tree's own folders.
 */
export function parseTreeRepository(text: string): string {
  const name = parseRepositoryName(text)
  const taken = name.split('/').find(isReserved)
  if (taken === undefined) return name
  throw new RegistrishError(
    'name-invalid',
    `a tree cannot hold a repository called ${name}: "${taken}" is the name of one of its own folders`,
    {
      hint: 'give it another name with --as',
      side: 'target',
    },
  )
}

/** Whether a tree can hold a repository of that name. */
export function isTreeRepository(text: string): boolean {
  return isRepositoryName(text) && !text.split('/').some(isReserved)
}

/** Whether a path component belongs to the tree itself. */
export function isReserved(component: string): boolean {
  return RESERVED_NAMES.includes(component) || component.startsWith('_')
}
