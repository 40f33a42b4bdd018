import { LINKS } from './caddy-farm.ts'
import { NOT_OURS, sendFile, unchanged } from './caddy-send.ts'
import { block, type Printed, quoted } from './caddy-text.ts'
import { TYPES, typeFolder } from './type-folder.ts'

const FOLDER = `${LINKS}/{http.regexp.registrish.1}:`
const REFERENCE = '{http.regexp.registrish.2}'
const FOUND = '{http.matchers.file.relative}'
const ENTRY = [1, 2, 3].map(group => `{http.regexp.registrish_entry.${group}}`)

/**
 * By tag: one look at the tag's folder says which digest it names, and its type where that is usual; what is sent is the file of that digest, so that bytes and
 * headers agree whatever happens meanwhile.
 */
export function manifestByTag(printed: Printed, root: string): readonly string[] {
  const entry = `${FOLDER}/${REFERENCE}/[^.]*`
  const [type, subtype, digest = ''] = ENTRY
  const usual = { file: `${FOLDER}/${type}:${subtype}/${digest}`, mediaType: `${type}/${subtype}`, digest }
  const unusual = '{http.regexp.registrish_digest.1}'
  return [
    '# While a tag moves its folder holds two files; what was listed may be gone a moment later: hence the second look.',
    block('@registrish_entry file', [`root ${root}`, `try_files ${entry} ${entry}`]),
    block('route @registrish_entry', [
      `@registrish_usual vars_regexp registrish_entry ${FOUND} ${quoted('/([^/:]+):([^/:]+):(sha[^/]+)$')}`,
      block('route @registrish_usual', manifest(printed, root, usual)),
      `@registrish_unusual vars_regexp registrish_digest ${FOUND} ${quoted('/(sha[^/]+)$')}`,
      block('route @registrish_unusual', manifestByFolder(printed, root, { digest: unusual, types: [] })),
    ]),
  ]
}

/** By digest. */
export function manifestByDigest(printed: Printed, root: string): readonly string[] {
  return manifestByFolder(printed, root, { digest: REFERENCE, types: TYPES })
}

/** The folder in which a digest is found says its type; of a type that is not usual, the name in the folder of the digest. */
function manifestByFolder(
  printed: Printed,
  root: string,
  { digest, types }: { readonly digest: string; readonly types: readonly string[] },
): readonly string[] {
  const files = [...types.map(type => `${FOLDER}/${typeFolder(type)}/${digest}`), `${FOLDER}/:${digest}/[^.]*`]
  const mediaType = '{http.regexp.registrish_type.1}/{http.regexp.registrish_type.2}'
  return [
    block('@registrish_file file', [`root ${root}`, ...files.map(file => `try_files ${file}`)]),
    block('route @registrish_file', [
      `@registrish_type vars_regexp registrish_type ${FOUND} ${quoted('/([^/:]+):([^/:]+)(?:/sha[^/]*)?$')}`,
      block('route @registrish_type', manifest(printed, root, { file: FOUND, mediaType, digest })),
    ]),
  ]
}

/** No range of it: several would bring a type of their own, and it is small. */
function manifest(
  printed: Printed,
  root: string,
  { file, mediaType, digest }: { readonly file: string; readonly mediaType: string; readonly digest: string },
): readonly string[] {
  return [
    block('header', [...printed.headers({ digest, mediaType }), ...NOT_OURS, 'defer']),
    ...unchanged(digest),
    'request_header -Range',
    ...sendFile(root, file),
  ]
}
