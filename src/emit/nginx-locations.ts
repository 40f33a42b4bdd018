import { DIGEST_PATTERN } from '../oci/digest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import { COMPONENT_PATTERN, TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { LINKS, typeFolder } from './nginx-paths.ts'
import { location, type Printed, printFamily, quoted } from './nginx-text.ts'

/** The four usual types, those of most manifests first: each is one look at the disk. */
const TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]

/** Enough where a file of the farm must stand behind the name: it holds no other names. */
const ANY_NAME = '[a-z0-9][a-z0-9._/-]*'

/** Names of a tree's own folders, of those that follow the grammar of repository names (see `isReserved`). */
const RESERVED_NAMES = ['manifests', 'blobs', 'tags', 'referrers', 'index.json']

/** Exactly the names of repositories that a tree can hold: where no file decides, or one that anybody may have put there. */
const COMPONENT = `(?!(?:${RESERVED_NAMES.map(name => name.replace('.', '\\.')).join('|')})/)${COMPONENT_PATTERN}`
const EXACT_NAME = `${COMPONENT}(?:/${COMPONENT})*`

/** The locations below /v2/ that serve content, in the order in which nginx tries their patterns (which end with `\z`: `$` would let a newline follow). `root` is the web root, '' for "/". */
export function contentLocations(families: readonly RouteFamily[], root: string): readonly string[] {
  const print = (kind: RouteKind): Printed => printFamily(families, kind)
  return [
    manifestByDigest(print('manifest')),
    manifestByTag(print('tag'), root),
    blob(print('blob')),
    referrers(print('referrers')),
    tags(print('tags')),
    catalog(print('catalog')),
    version(print('version')),
    otherManifest(print('manifest'), root),
    unchanged(print('manifest'), print('blob'), root),
  ]
}

/** By digest: the folder in which the file is says its type. */
function manifestByDigest({ headers }: Printed): string {
  const tries = TYPES.map(type => `    ${LINKS}/$registrish_name:/${typeFolder(type)}/$registrish_digest`)
  return location(`~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_digest>${DIGEST_PATTERN})\\z"`, [
    ...UNTYPED,
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/manifest last;\n}`,
    `try_files\n${tries.join('\n')}\n    /v2/.other;`,
    ...headers({ mediaType: '$registrish_media_type' }),
  ])
}

/** By tag: the file that is sent is that of the digest which the link named, so it cannot differ from the headers. */
function manifestByTag({ headers }: Printed, root: string): string {
  return location(`~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_tag>${TAG_PATTERN})\\z"`, [
    ...UNTYPED,
    `# Without this look nginx would log each tag that is not there as a failure.`,
    `if (!-f ${quoted(`${root}/v2/$registrish_name/manifests/$registrish_tag`)}) {\n    return 404;\n}`,
    ...followLink(root, '$registrish_tag'),
    `if ($registrish_unchanged) {\n    return 304;\n}`,
    ...headers({ mediaType: '$registrish_type/$registrish_subtype' }),
  ])
}

/** By digest, of any other type: a link to it, as for a tag. */
function otherManifest({ headers }: Printed, root: string): string {
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

function blob({ mediaType, headers }: Printed): string {
  return location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/blobs/(?<registrish_digest>${DIGEST_PATTERN})\\z"`, [
    `default_type ${mediaType};`,
    'set $registrish_kind blob;',
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/blob last;\n}`,
    ...headers({}),
  ])
}

function referrers({ mediaType, headers, fallback }: Printed): string {
  return [
    location(`~ "^/v2/${EXACT_NAME}/referrers/${DIGEST_PATTERN}\\z"`, [
      `default_type ${mediaType};`,
      'try_files $uri /v2/.no-referrers;',
      ...headers({}),
    ]),
    location('= /v2/.no-referrers', [
      'internal;',
      `default_type ${mediaType};`,
      ...headers({}),
      `return 200 ${fallback};`,
    ]),
  ].join('\n')
}

function tags({ mediaType, headers }: Printed): string {
  return location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/tags/list\\z"`, [
    `default_type ${mediaType};`,
    ...headers({}),
  ])
}

function catalog({ mediaType, headers }: Printed): string {
  return location('= /v2/_catalog', [`default_type ${mediaType};`, ...headers({})])
}

function version({ mediaType, headers, fallback }: Printed): string {
  return location('= /v2/', [`default_type ${mediaType};`, ...headers({}), `return 200 ${fallback};`])
}

/** 304, but only for what is there. */
function unchanged(manifest: Printed, blobs: Printed, root: string): string {
  const folder = `${root}${LINKS}/$registrish_name:`
  const files = [
    ...TYPES.map(type => `${folder}/${typeFolder(type)}/$registrish_digest`),
    `${folder}/$registrish_digest`,
  ]
  const answer = (file: string): string => `if (-f ${quoted(file)}) {\n    return 304;\n}`
  return [
    location('= /v2/.unchanged/manifest', [
      'internal;',
      UNTYPED_304,
      'disable_symlinks off;',
      ...files.map(answer),
      ...manifest.headers({}),
      'return 404;',
    ]),
    location('= /v2/.unchanged/blob', [
      'internal;',
      UNTYPED_304,
      answer(`${root}/v2/$registrish_name/blobs/$registrish_digest`),
      ...blobs.headers({}),
      'return 404;',
    ]),
  ].join('\n')
}

/** A manifest's Content-Type is a header of ours, since `default_type` takes no variable; a range would bring nginx's own beside it. The farm is made of links. */
const UNTYPED = ['default_type "";', 'max_ranges 0;', 'disable_symlinks off;']

/** Caches take a 304's headers for those of the bytes they hold (RFC 9111 §3.2): nginx's own type must not stand among them. */
const UNTYPED_304 = 'default_type "";'
