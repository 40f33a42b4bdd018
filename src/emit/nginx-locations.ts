import { DIGEST_PATTERN } from '../oci/digest.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { EXACT_NAME } from './name-patterns.ts'
import { ERRORS } from './nginx-errors.ts'
import { ANY_TAG, listedTag, manifestByDigest, manifestByTag, otherManifest } from './nginx-manifests.ts'
import { CUT_LIST, listAfterTag } from './nginx-pages.ts'
import { LINKS } from './nginx-paths.ts'
import { location, type Printed, printFamily, quoted } from './nginx-text.ts'
import { TYPES, typeFolder } from './type-folder.ts'

/** Where tags are looked up: `constant`, on the disk; `map`, in a list first. */
export type NginxForm = 'constant' | 'map'

/** The locations below /v2/ that serve content, in the order in which nginx tries their patterns (which end with `\z`: `$` would let a newline follow). `root` is the web root, '' for "/". */
export function contentLocations(
  families: readonly RouteFamily[],
  { root, form }: { readonly root: string; readonly form: NginxForm },
): readonly string[] {
  const print = (kind: RouteKind): Printed => printFamily(families, kind)
  return [
    manifestByDigest(print('manifest')),
    ...(form === 'map' ? [listedTag(print('tag'), root)] : []),
    manifestByTag(print('tag'), { root, match: form === 'map' ? '= /v2/.by-tag' : ANY_TAG }),
    blob(print('blob'), root),
    referrers(print('referrers')),
    noDigest(),
    tags(print('tags')),
    listAfterTag(print('tags'), root),
    catalog(print('catalog')),
    version(print('version')),
    otherManifest(print('manifest'), root),
    unchanged(print, root),
  ]
}

function blob({ mediaType, headers }: Printed, root: string): string {
  return [
    location(
      `~ "^/v2/(?<registrish_name>${EXACT_NAME})/(?<registrish_kind>blobs)/(?<registrish_digest>${DIGEST_PATTERN})\\z"`,
      [
        `default_type ${mediaType};`,
        `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/blob last;\n}`,
        `if ($request_method = HEAD) {\n    rewrite ^ /v2/.blob-head last;\n}`,
        ...headers({}),
      ],
    ),
    location('= /v2/.blob-head', [
      '# A range is for GET (RFC 9110, 14.2): HEAD ignores it, and says all else that GET says.',
      'internal;',
      `default_type ${mediaType};`,
      'max_ranges 0;',
      `alias ${quoted(`${root}/v2/$registrish_name/blobs/$registrish_digest`)};`,
      'add_header Accept-Ranges bytes;',
      ...headers({}),
    ]),
  ].join('\n')
}

function referrers({ mediaType, headers, fallback }: Printed): string {
  return [
    location(`~ "^/v2/${EXACT_NAME}/referrers/${DIGEST_PATTERN}\\z"`, [
      `default_type ${mediaType};`,
      'max_ranges 0;',
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

/** What would be a digest, in words that name what is unknown: the repository, the manifest, the blob; of referrers, 400 (distribution spec, "Listing Referrers"). */
function noDigest(): string {
  return [
    location(`~ "^/v2/${EXACT_NAME}/referrers/[^/]+\\z"`, [`rewrite ^ ${ERRORS}/digest last;`]),
    location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/(?<registrish_kind>manifests|blobs)/[^/]+\\z"`, [
      'try_files /v2/.nothing =404;',
    ]),
    '# What is unknown is said only to those who may know: "try_files" comes after passwords, "return" before.',
    location('= /v2/.absent', ['internal;', 'try_files /v2/.nothing =404;']),
  ].join('\n')
}

function tags({ mediaType, headers }: Printed): string {
  return location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/tags/list\\z"`, [
    `default_type ${mediaType};`,
    'max_ranges 0;',
    CUT_LIST,
    ...headers({}),
  ])
}

function catalog({ mediaType, headers }: Printed): string {
  return location('= /v2/_catalog', [`default_type ${mediaType};`, 'max_ranges 0;', ...headers({})])
}

/** `return` would answer before a server of the user's own has asked for a password: clients look here whether one is wanted. */
function version({ mediaType, headers, fallback }: Printed): string {
  return [
    location('= /v2/', ['try_files /v2/.nothing /v2/.version;']),
    location('= /v2/.version', ['internal;', `default_type ${mediaType};`, ...headers({}), `return 200 ${fallback};`]),
  ].join('\n')
}

/** 304, but only for what is there; and only after a server of the user's own has asked for a password, as with the version. */
function unchanged(print: (kind: RouteKind) => Printed, root: string): string {
  const folder = `${root}${LINKS}/$registrish_name:`
  const files = [
    ...TYPES.map(type => `${folder}/${typeFolder(type)}/$registrish_digest`),
    `${folder}/$registrish_digest`,
  ]
  const answer = (file: string): string => `if (-f ${quoted(file)}) {\n    return 304;\n}`
  return [
    ...['manifest', 'blob', 'tag'].map(kind =>
      location(`= /v2/.unchanged/${kind}`, ['internal;', `try_files /v2/.nothing /v2/.304/${kind};`]),
    ),
    location('= /v2/.304/manifest', [
      'internal;',
      UNTYPED_304,
      'disable_symlinks off;',
      ...files.map(answer),
      ...print('manifest').headers({}),
      'return 404;',
    ]),
    location('= /v2/.304/blob', [
      'internal;',
      UNTYPED_304,
      answer(`${root}/v2/$registrish_name/blobs/$registrish_digest`),
      ...print('blob').headers({}),
      'return 404;',
    ]),
    location('= /v2/.304/tag', ['internal;', UNTYPED_304, ...print('tag').headers({}), 'return 304;']),
  ].join('\n')
}

/** Caches take a 304's headers for those of the bytes they hold (RFC 9111 §3.2): nginx's own type must not stand among them. */
const UNTYPED_304 = 'default_type "";'
