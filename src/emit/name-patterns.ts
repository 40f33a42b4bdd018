import { COMPONENT_PATTERN, RESERVED_NAMES } from '../oci/name.ts'

/** Matches every repository name, and more: enough where a file of the farm must stand behind the name, since the farm holds no other names. Without anchors. */
export const ANY_NAME = '[a-z0-9][a-z0-9._/-]*'

/** Matches a name of a tree's own folders, of those that follow the grammar of repository names. Without anchors. */
export const RESERVED: string = `(?:${RESERVED_NAMES.join('|').replace('.', '\\.')})`

const COMPONENT = `(?!${RESERVED}/)${COMPONENT_PATTERN}`

/** Exactly the names of repositories that a tree can hold: where no file decides, or one that anybody may have put there. Without anchors; a slash must follow. */
export const EXACT_NAME: string = `${COMPONENT}(?:/${COMPONENT})*`
