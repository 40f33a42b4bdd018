import { formatApiError } from '../oci/api-error.ts'
import { DIGEST_PATTERN, quote } from '../oci/digest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, JSON_TYPE, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import { COMPONENT_PATTERN, TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { LINKS, typeFolder } from './nginx-paths.ts'

/** What nginx sees: the folder that holds v2/ and nginx/, and the port it listens on. */
export interface NginxPlace {
  readonly webRoot: string
  readonly port: string
}

/** The four usual types, those of most manifests first: each is one look at the disk. */
const TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]

/** Enough where a file of the farm must stand behind the name: it holds no other names. */
const ANY_NAME = '[a-z0-9][a-z0-9._/-]*'

/** Names of a tree's own folders, of those that follow the grammar of repository names (see `isReserved`). */
const RESERVED_NAMES = ['manifests', 'blobs', 'tags', 'referrers', 'index.json']

/** Exactly the names of repositories that a tree can hold: where no file decides, or one that anybody may have put there. */
const COMPONENT = `(?!(?:${RESERVED_NAMES.map(name => name.replace('.', '\\.')).join('|')})/)${COMPONENT_PATTERN}`
const EXACT_NAME = `${COMPONENT}(?:/${COMPONENT})*`

/** Where errors are answered: no repository can be called so, and nobody can ask for it from outside. */
const ERRORS = '/v2/.error'

/** What the locations need at http level. */
export function formatMaps(): string {
  return `# A method that writes, at a path of the registry.
map $request_method $registrish_write {
    default  $uri;
    GET      "";
    HEAD     "";
}
map $registrish_write $registrish_refused {
    default         "";
    "~^/v2(?:/|$)"  1;
}

# Where a tag's link leads says what the tag is. nginx looks once per request, so that headers and bytes
# come from one answer, whatever happens to the link meanwhile.
map $realpath_root $registrish_target {
    default  none;
    "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/(?<registrish_digest>${DIGEST_PATTERN})$"
        $registrish_type:$registrish_subtype/$registrish_digest;
}

# The folder in which a digest was found says its media type.
map $uri $registrish_media_type {
    default  "";
    "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/[^/]+$"  $registrish_type/$registrish_subtype;
}

# Whether If-None-Match names the digest that is asked for.
map "$http_if_none_match|$registrish_digest" $registrish_unchanged {
    default  "";
    "~^\\*\\|sha"  1;
    "~^(?:[^|]*,)?\\s*(?:W/)?\\"(?<registrish_known>sha[^|,\\"]+)\\"\\s*(?:,[^|]*)?\\|\\k<registrish_known>$"  1;
}
`
}

/** The whole of it: maps and one server. */
export function formatServer(families: readonly RouteFamily[], { webRoot, port }: NginxPlace): string {
  return `${formatMaps()}
server {
    listen ${port};
    server_name _;
${indent(errorPages())}
    # Nothing but the registry is served, whatever else the web root holds.
    location / {
        return 404;
    }

${indent(formatLocations(families, webRoot))}}
`
}

/** What a server needs: the locations below /v2/, and what keeps writes out. */
export function formatLocations(families: readonly RouteFamily[], webRoot: string): string {
  const root = webRoot === '/' ? '' : webRoot
  const print = (kind: RouteKind): Printed => printFamily(families, kind)
  const blocks = [
    manifestByDigest(print('manifest')),
    manifestByTag(print('tag'), root),
    blob(print('blob')),
    referrers(print('referrers')),
    tags(print('tags')),
    catalog(print('catalog')),
    version(print('version')),
    otherManifest(print('manifest'), root),
    unchanged(print('manifest'), print('blob'), root),
    errors(root),
  ]
  return `# The registry is read-only.
if ($registrish_refused) {
    rewrite ^ ${ERRORS}/405 last;
}

location = /v2 {
    rewrite ^ /v2/ last;
}

location ^~ /v2/ {
    # What none of the locations below takes.
    return 404;

    root ${quoted(webRoot)};
    # A digest is that of the bytes as they are: nothing may recode them, and no date may stand for them.
    types { }
    gzip off;
    charset off;
    etag off;
    if_modified_since off;
    expires off;
    open_file_cache off;
    log_not_found off;
    client_max_body_size 0;
    disable_symlinks on ${quoted(`from=${root}/v2`)};
${indent(errorPages())}

${indent(blocks.join('\n'))}}
`
}

/** By digest: the folder in which the file is says its type. */
function manifestByDigest({ headers }: Printed): string {
  const tries = TYPES.map(type => `    ${LINKS}/$registrish_name/manifests/${typeFolder(type)}/$registrish_digest`)
  return location(`~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_digest>${DIGEST_PATTERN})$"`, [
    ...UNTYPED,
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/manifest last;\n}`,
    `try_files\n${tries.join('\n')}\n    /v2/.other;`,
    ...headers({ mediaType: '$registrish_media_type' }),
  ])
}

/** By tag: the file that is sent is that of the digest which the link named, so it cannot differ from the headers. */
function manifestByTag({ headers }: Printed, root: string): string {
  return location(`~ "^/v2/(?<registrish_name>${ANY_NAME})/manifests/(?<registrish_tag>${TAG_PATTERN})$"`, [
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
    `if (!-f ${quoted(`${root}${LINKS}/$registrish_name/manifests/$registrish_digest`)}) {\n    return 404;\n}`,
    ...followLink(root, '$registrish_digest'),
    ...headers({ mediaType: '$registrish_type/$registrish_subtype' }),
  ])
}

function followLink(root: string, name: string): readonly string[] {
  return [
    `set $registrish_file ${name};`,
    `alias ${quoted(`${root}${LINKS}/$registrish_name/manifests/$registrish_file`)};`,
    `set $registrish_file $registrish_target;`,
  ]
}

function blob({ mediaType, headers }: Printed): string {
  return location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/blobs/(?<registrish_digest>${DIGEST_PATTERN})$"`, [
    `default_type ${mediaType};`,
    'set $registrish_kind blob;',
    `if ($registrish_unchanged) {\n    rewrite ^ /v2/.unchanged/blob last;\n}`,
    ...headers({}),
  ])
}

function referrers({ mediaType, headers, fallback }: Printed): string {
  return [
    location(`~ "^/v2/${EXACT_NAME}/referrers/${DIGEST_PATTERN}$"`, [
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
  return location(`~ "^/v2/(?<registrish_name>${EXACT_NAME})/tags/list$"`, [
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
  const folder = `${root}${LINKS}/$registrish_name/manifests`
  const files = [
    ...TYPES.map(type => `${folder}/${typeFolder(type)}/$registrish_digest`),
    `${folder}/$registrish_digest`,
  ]
  const answer = (file: string): string => `if (-f ${quoted(file)}) {\n    return 304;\n}`
  return [
    location('= /v2/.unchanged/manifest', [
      'internal;',
      'disable_symlinks off;',
      ...files.map(answer),
      ...manifest.headers({}),
      'return 404;',
    ]),
    location('= /v2/.unchanged/blob', [
      'internal;',
      answer(`${root}/v2/$registrish_name/blobs/$registrish_digest`),
      ...blobs.headers({}),
      'return 404;',
    ]),
  ].join('\n')
}

function errorPages(): string {
  return `error_page 403 404 =404 ${ERRORS}/404;
error_page 400 414 ${ERRORS}/400;
error_page 405 ${ERRORS}/405;
error_page 416 ${ERRORS}/416;
`
}

/** Error documents of the distribution spec. */
function errors(root: string): string {
  const answer = (name: string, lines: readonly string[]): string =>
    location(`= ${ERRORS}/${name}`, ['internal;', `default_type ${JSON_TYPE};`, ...ERROR_HEADERS, ...lines])
  return [
    answer('404', [
      'uninitialized_variable_warn off;',
      `if (!-d ${quoted(`${root}/v2/$registrish_name/manifests`)}) {\n    return 404 ${literal(formatApiError('NAME_UNKNOWN'))};\n}`,
      `if ($registrish_kind = blob) {\n    return 404 ${literal(formatApiError('BLOB_UNKNOWN'))};\n}`,
      `return 404 ${literal(formatApiError('MANIFEST_UNKNOWN'))};`,
    ]),
    answer('405', ['add_header Allow "GET, HEAD" always;', `return 405 ${literal(formatApiError('UNSUPPORTED'))};`]),
    answer('400', [`return 400 ${literal(BAD_REQUEST)};`]),
    answer('416', [`return 416 ${literal(RANGE_INVALID)};`]),
  ].join('\n')
}

const ERROR_HEADERS = [
  'add_header Cache-Control no-store always;',
  'add_header Docker-Distribution-API-Version registry/2.0 always;',
  'add_header X-Content-Type-Options nosniff always;',
]

/** What the distribution spec has no codes for. */
const BAD_REQUEST = formatOwnError('BAD_REQUEST', 'this is not an HTTP request that can be understood')
const RANGE_INVALID = formatOwnError('RANGE_INVALID', 'the blob has no such range')

function formatOwnError(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] })
}

/** A manifest's Content-Type is a header of ours, since `default_type` takes no variable; a range would bring nginx's own beside it. The farm is made of links. */
const UNTYPED = ['default_type "";', 'max_ranges 0;', 'disable_symlinks off;']

/** A family of the route table in nginx's words. */
interface Printed {
  readonly mediaType: string
  /** `add_header` lines, `{digest}` and `{mediaType}` replaced by variables; Content-Type only where it varies and is known. */
  headers(variables: { readonly mediaType?: string }): readonly string[]
  /** The quoted body where no file stands. */
  readonly fallback: string
}

function printFamily(families: readonly RouteFamily[], kind: RouteKind): Printed {
  const family = families.find(entry => entry.kind === kind)
  if (family === undefined) throw new TypeError(`the route table has no family ${kind}`)
  return {
    mediaType: family.mediaType,
    fallback: family.fallback === undefined ? "''" : literal(new TextDecoder().decode(family.fallback)),
    headers: ({ mediaType }) => [
      ...Object.entries(family.headers).flatMap(([name, value]) => {
        if (value.includes('$')) throw new TypeError(`${name} cannot be put into nginx's words: ${value}`)
        if (name === 'Content-Type' && mediaType === undefined) return []
        const text = value.replace('{digest}', '$registrish_digest').replace('{mediaType}', mediaType ?? '')
        return [`add_header ${name} ${quoted(text)};`]
      }),
      'add_header Last-Modified "";',
    ],
  }
}

function location(match: string, lines: readonly string[]): string {
  return `location ${match} {\n${indent(lines.join('\n'))}\n}\n`
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ')
}

/** A string in which nginx replaces variables. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** A string that nginx takes as it is. */
function literal(text: string): string {
  if (/['\\$]/.test(text)) throw new TypeError(`${quote(text)} cannot be quoted for nginx`)
  return `'${text}'`
}
