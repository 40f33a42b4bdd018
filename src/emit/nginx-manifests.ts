import { DIGEST_PATTERN } from '../oci/digest.ts'
import { TAG_PATTERN } from '../oci/name.ts'
import { ANY_NAME } from './name-patterns.ts'
import { errorPages } from './nginx-errors.ts'
import { LINKS } from './nginx-paths.ts'
import { location, type Printed, quoted } from './nginx-text.ts'
import { TYPES, typeFolder } from './type-folder.ts'

/** By digest: the folder in which the file is says its type. */
export function manifestByDigest({ headers }: Printed): string {
  const tries = TYPES.map(type => `    ${LINKS}/$registrish_name:/${typeFolder(type)}/$registrish_digest`)
  return location(`~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_digest>${DIGEST_PATTERN})\\z"`, [
    ...UNTYPED,
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/manifest last;\n}`,
    `try_files\n${tries.join('\n')}\n    /v2/.other;`,
    ...headers({ mediaType: '$registrish_media_type' }),
  ])
}

/**
 * By tag, if the list has it: a tag that moved or went since then is as it was. The file that is sent is that of the digest in the list; where that is gone the disk says what
 * the tag names now. (`error_page` costs nothing where the file is there; the answer to the second look may fail in turn.)
 */
export function listedTag({ headers }: Printed, root: string): string {
  return location(ANY_TAG, [
    ...UNTYPED,
    'recursive_error_pages on;',
    errorPages('= /v2/.by-tag').trimEnd(),
    `if ($registrish_listed = "") {\n    rewrite ^ /v2/.by-tag last;\n}`,
    `alias ${quoted(`${root}${LINKS}/$registrish_name:/$registrish_listed`)};`,
    ...headersOfTag(headers),
  ])
}

/** By tag: the file that is sent is that of the digest which the link named, so it cannot differ from the headers. */
export function manifestByTag(
  { headers }: Printed,
  { root, match }: { readonly root: string; readonly match: string },
): string {
  return location(match, [
    ...(match === ANY_TAG ? [] : ['internal;']),
    ...UNTYPED,
    `# Without this look nginx would log each tag that is not there as a failure.`,
    `if (!-f ${quoted(`${root}/v2/$registrish_name/manifests/$registrish_tag`)}) {\n    rewrite ^ /v2/.absent last;\n}`,
    ...followLink(root, '$registrish_tag'),
    ...headersOfTag(headers),
  ])
}

/** The path of any tag. */
export const ANY_TAG: string = `~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_tag>${TAG_PATTERN})\\z"`

function headersOfTag(headers: Printed['headers']): readonly string[] {
  return [
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/tag last;\n}`,
    ...headers({ mediaType: '$registrish_type/$registrish_subtype' }),
  ]
}

/** By digest, of any other type: a link to it, as for a tag. */
export function otherManifest({ headers }: Printed, root: string): string {
  return location('= /v2/.other', [
    'internal;',
    ...UNTYPED,
    `if (!-f ${quoted(`${root}${LINKS}/$registrish_name:/$registrish_digest`)}) {\n    return 404;\n}`,
    ...followLink(root, '$registrish_digest'),
    ...headers({ mediaType: '$registrish_type/$registrish_subtype' }),
  ])
}

function followLink(root: string, name: string): readonly string[] {
  return [
    `set $registrish_file ${name};`,
    `alias ${quoted(`${root}${LINKS}/$registrish_name:/$registrish_file`)};`,
    `set $registrish_file $registrish_target;`,
  ]
}

/** A manifest's Content-Type is a header of ours, since `default_type` takes no variable; a range would bring nginx's own beside it. The farm is made of links. So small a file costs less when it goes out together with its headers. */
const UNTYPED = ['default_type "";', 'max_ranges 0;', 'disable_symlinks off;', 'sendfile off;']
