import type { ApiErrorCode } from '../oci/api-error.ts'
import { DIGEST_PATTERN } from '../oci/digest.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { chooseError, READ_ONLY_URL } from './apache-errors.ts'
import { ABSENT, fallbackPath, LINKS, READ_ONLY } from './apache-farm.ts'
import { argument } from './apache-text.ts'
import { ANY_NAME, EXACT_NAME } from './name-patterns.ts'
import { familyOf } from './route-parts.ts'
import { TYPES, typeFolder } from './type-folder.ts'

/** The rules that find the file for a path of the registry, most asked for first. `root` is the web root, '' for "/". */
export function formatRules(families: readonly RouteFamily[], root: string): string {
  const typeOf = (kind: RouteKind): string => familyOf(families, kind).mediaType
  return [
    readOnly(root),
    tag(root),
    ...manifest(root),
    blob(root, typeOf('blob')),
    page(root),
    document(root, 'tags', typeOf('tags')),
    document(root, 'referrers', typeOf('referrers')),
    serve(`^/v2/${EXACT_NAME}/referrers/${DIGEST_PATTERN}\\z`, `${root}/${fallbackPath('referrers')}`, {
      kind: 'referrers',
      type: typeOf('referrers'),
    }),
    serve('^/v2/?\\z', `${root}/${fallbackPath('version')}`, { kind: 'version', type: typeOf('version') }),
    existing(`${root}/v2/_catalog`) +
      serve('^/v2/_catalog\\z', `${root}/v2/_catalog`, { kind: 'catalog', type: typeOf('catalog') }),
    ...unknown(root),
  ].join('\n')
}

/** By tag, one look at the small file that says what the tag is: what is served is the file of that digest, so that bytes and headers agree whatever happens meanwhile. */
function tag(root: string): string {
  const name = rule(BY_TAG, '-', ['E=REGISTRISH_ENTRY:$1:/$2'])
  return ['# By tag.\n', name, followEntry(root, BY_TAG, 'tag')].join('')
}

function manifest(root: string): readonly string[] {
  return [
    '# By digest: the folder in which the file is says its type; of other types a small file.',
    ...TYPES.map(type => {
      const file = `${root}${LINKS}/$1:/${typeFolder(type)}/$2`
      return condition(file, '-f') + serve(BY_DIGEST, file, { kind: 'manifest', type, digest: '$2' })
    }),
    rule(BY_DIGEST, '-', ['E=REGISTRISH_ENTRY:$1:/$2']) + followEntry(root, BY_DIGEST, 'manifest'),
  ]
}

function followEntry(root: string, pattern: string, kind: RouteKind): string {
  const entry = `m#^([^/:]+):([^/:]+)/(${DIGEST_PATTERN})\\s*$#`
  return (
    // Without this look Apache would log each tag that is not there as a failure.
    condition(`${root}${LINKS}/$1:/$2`, '-f') +
    condition('expr', `file('${root}${LINKS}/' . reqenv('REGISTRISH_ENTRY')) =~ ${entry}`) +
    serve(pattern, `${root}${LINKS}/$1:/%1:%2/%3`, { kind, type: '%1/%2', digest: '%3' })
  )
}

function blob(root: string, type: string): string {
  const file = `${root}/v2/$1/blobs/$2`
  const path = `%{REQUEST_URI} =~ m#^(/v2/${EXACT_NAME}/blobs/${DIGEST_PATTERN})$#`
  return [
    '# Blobs. Where a range may lie beyond the end the answer says the length.\n',
    condition('expr', `-n req_novary('Range') && ${path} && filesize('${root}' . $1) =~ m#^(.*)$#`),
    rule(BLOB, '-', ['E=REGISTRISH_SIZE:%1']),
    existing(file),
    serve(BLOB, file, { kind: 'blob', type, digest: '$2' }),
  ].join('')
}

/** `?last=`: found among the files of the farm, so that Apache asks for a password, where it is to, before {@link formatPage} answers. */
function page(root: string): string {
  const list = `${root}/v2/$1/tags/list`
  return [
    '# The tags after one of them.\n',
    condition('%{QUERY_STRING}', `(?:^|&)last=(${TAG_PATTERN})(?:&|\\z)`) +
      existing(list) +
      // A path goes on behind a file, for Apache, but no list is there.
      condition(list, '-f'),
    rule(TAGS, `${root}/${PAGE}`, ['L', 'E=REGISTRISH_NAME:$1', 'E=REGISTRISH_LAST:%1']),
  ].join('')
}

/** The rules of the farm's folder: what follows that tag in the list. A tag that is not in the list has no place there: the list ends. */
export function formatPage(root: string): string {
  const list = `file('${root}/v2/' . reqenv('REGISTRISH_NAME') . '/tags/list')`
  const rest = String.raw`m#^([^|]+)\|\{\x22name\x22:\x22[^\x22]*\x22,\x22tags\x22:\[.*?\x22\1\x22,?([^\]]*)\]#`
  const answer = (tags: string): string =>
    rule('^', '-', ['R=200', 'END', 'E=REGISTRISH_KIND:page', `E=REGISTRISH_REST:${tags}`, ...UNCODED])
  return [
    'RewriteEngine On\n',
    condition('expr', `reqenv('REGISTRISH_LAST') . '|' . ${list} =~ ${rest}`),
    answer('%2'),
    condition('%{ENV:REGISTRISH_LAST}', '!^\\z'),
    answer(''),
  ].join('')
}

function document(root: string, kind: 'tags' | 'referrers', type: string): string {
  const pattern = kind === 'tags' ? TAGS : `^/v2/(${EXACT_NAME})/referrers/(${DIGEST_PATTERN})\\z`
  const file = `${root}/v2/$1/${kind === 'tags' ? 'tags/list' : 'referrers/$2'}`
  return existing(file) + serve(pattern, file, { kind, type })
}

/** 404 for all else, with the code that says what is missing: as a file that is not there, since `R=404` would answer before Apache has asked for a password. */
function unknown(root: string): readonly string[] {
  const answer = (pattern: string, code: ApiErrorCode): string =>
    rule(pattern, `${root}/${ABSENT}`, ['END', chooseError(code)])
  const known = condition(`${root}/v2/$1/manifests`, '-d')
  return [
    '# What is not there.',
    known + answer(`^/v2/(${EXACT_NAME})/manifests/(?:${TAG_PATTERN}|${DIGEST_PATTERN})\\z`, 'MANIFEST_UNKNOWN'),
    known + answer(BLOB, 'BLOB_UNKNOWN'),
    answer('^/v2(?:/|\\z)', 'NAME_UNKNOWN'),
  ]
}

function readOnly(root: string): string {
  const url = `^${READ_ONLY_URL.replace('.', '\\.')}\\z`
  return [
    '# The registry is read-only.\n',
    condition('%{REQUEST_METHOD}', '!^(?:GET|HEAD)\\z'),
    rule('^/v2(?:/|\\z)', '-', ['R=405', 'END']),
    '\n',
    condition('%{ENV:REDIRECT_STATUS}', '=405'),
    rule(url, `${root}/${READ_ONLY}`, ['END', `E=REGISTRISH_TYPE:${JSON_TYPE}`, ...UNCODED]),
  ].join('')
}

function serve(
  pattern: string,
  file: string,
  { kind, type, digest }: { readonly kind: RouteKind; readonly type: string; readonly digest?: string },
): string {
  return rule(pattern, file, [
    'END',
    `E=REGISTRISH_KIND:${kind}`,
    `E=REGISTRISH_TYPE:${type}`,
    // Where the file is gone by the time that it is opened.
    chooseError(kind === 'blob' ? 'BLOB_UNKNOWN' : digest === undefined ? 'NAME_UNKNOWN' : 'MANIFEST_UNKNOWN'),
    ...(digest === undefined ? [] : [`E=REGISTRISH_DIGEST:${digest}`]),
    ...UNCODED,
  ])
}

/** A file that Apache can send without following a symbolic link, which may lead out of the tree. */
function existing(file: string): string {
  return condition(file, '-F')
}

function condition(text: string, pattern: string): string {
  return `RewriteCond ${argument(text)} ${argument(pattern)}\n`
}

function rule(pattern: string, file: string, flags: readonly string[]): string {
  return `RewriteRule ${argument(pattern)} ${argument(file)} ${argument(`[${flags.join(',')}]`)}\n`
}

const BY_TAG = `^/v2/(${ANY_NAME})/manifests/(${TAG_PATTERN})\\z`
const BY_DIGEST = `^/v2/(${ANY_NAME})/manifests/(${DIGEST_PATTERN})\\z`
const BLOB = `^/v2/(${EXACT_NAME})/blobs/(${DIGEST_PATTERN})\\z`
const TAGS = `^/v2/(${EXACT_NAME})/tags/list\\z`

/** A digest is that of the bytes as they are: nothing may compress them. */
const UNCODED: readonly string[] = ['E=no-gzip:1', 'E=no-brotli:1']

/** Root-relative path of a file that stands for the part of a list of tags, which is in no file. */
const PAGE = READ_ONLY
