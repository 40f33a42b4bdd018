import { COMPONENT_PATTERN } from '../oci/name.ts'

/** Matches every repository name, and more: enough where a file of the farm must stand behind the name, since the farm holds no other names. Without anchors. */
export const ANY_NAME = '[a-z0-9][a-z0-9._/-]*'

/** Names of a tree's own folders, of those that follow the grammar of repository names (see `isReserved`). */
const RESERVED_NAMES = ['manifests', 'blobs', 'tags', 'referrers', 'index\\.json']

const COMPONENT = `(?!(?:${RESERVED_NAMES.join('|')})/)${COMPONENT_PATTERN}`

/** Exactly the names of repositories that a tree can hold: where no file decides, or one that anybody may have put there. Without anchors; a slash must follow. */
export const EXACT_NAME: string = `${COMPONENT}(?:/${COMPONENT})*`
