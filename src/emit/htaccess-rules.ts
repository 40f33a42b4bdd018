import { type ApiErrorCode, formatApiError } from '../oci/api-error.ts'
import { DIGEST_PATTERN } from '../oci/digest.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { argument } from './apache-text.ts'
import { fallbackPath, LINKS, LIST, READ_ONLY } from './htaccess-farm.ts'
import { BODY, DIGEST, KIND, LAST, literal } from './htaccess-text.ts'
import { ANY_NAME, EXACT_NAME } from './name-patterns.ts'
import { familyOf } from './route-parts.ts'
import { TYPES, typeFolder } from './type-folder.ts'

const BASE = 'REGISTRISH_BASE'
const FARM = `%{ENV:${BASE}}${LINKS.slice(1)}`

/** What is asked for goes through these from top to bottom; a manifest twice, the second time by the path of its file in the farm. */
export function formatRules(families: readonly RouteFamily[]): readonly string[] {
  const family = (kind: RouteKind): RouteFamily => familyOf(families, kind)
  return [
    'RewriteEngine On',
    '# A digest is that of the bytes as they are.',
    rule('^', '-', ['E=no-gzip:1', 'E=no-brotli:1']),
    ...fileOfFarm(families),
    ...certificates(),
    ...writes(),
    ...place(),
    ...manifestByTag(),
    ...manifestByDigest(),
    ...blob(family('blob')),
    ...tags(family('tags')),
    ...referrers(family('referrers')),
    ...catalog(family('catalog')),
    ...version(family('version')),
    ...unknown(),
  ]
}

/** The second time: nobody can ask for it from outside, since no request comes with such a variable. */
function fileOfFarm(families: readonly RouteFamily[]): readonly string[] {
  const manifest = `${pathOf(LINKS)}/[^:]+:/([^/:]+):([^/:]+)/(${DIGEST_PATTERN})\\z`
  return [
    '# A file of the farm, found below.',
    condition(`%{ENV:REDIRECT_${KIND}}`, '^(tag|manifest)\\z'),
    rule(manifest, '-', [...served('%1', '$1/$2'), `E=${DIGEST}:$3`]),
    ...families
      .filter(({ fallback }) => fallback !== undefined)
      .flatMap(({ kind, mediaType }) => [
        condition(`%{ENV:REDIRECT_${KIND}}`, `=${kind}`),
        rule(`${pathOf(fallbackPath(kind))}\\z`, '-', served(kind, mediaType)),
      ]),
    condition('%{ENV:REDIRECT_STATUS}', '=405'),
    rule(`${pathOf(READ_ONLY)}\\z`, '-', ['H=default-handler', `T=${JSON_TYPE}`, 'END']),
  ]
}

/** How a rule sees a path below the web root. */
function pathOf(path: string): string {
  return `^${path.slice(1)}`
}

function certificates(): readonly string[] {
  return [
    '# How certificate authorities look whose site this is.',
    rule('^\\.well-known/(?:acme-challenge|pki-validation)/[A-Za-z0-9_-]+(?:\\.txt)?\\z', '-', ['END']),
  ]
}

function writes(): readonly string[] {
  return [
    '# Read-only.',
    condition('%{REQUEST_METHOD}', '!^(?:GET|HEAD)\\z'),
    rule('^v2(?:/|\\z)', '-', ['R=405', 'END']),
  ]
}

/** Where the file system has this folder: a hoster with many sites may not let %{DOCUMENT_ROOT} say it. */
function place(): readonly string[] {
  return [
    '# The folder of this file.',
    condition('%{REQUEST_FILENAME}::$0', '^(.*?/)(v2(?:/.*)?)::\\2(?:/|\\z)'),
    rule('^v2/.*', '-', [`E=${BASE}:%1`]),
  ]
}

/** One look at the small file in the farm decides both bytes and headers, so that they cannot disagree while the tag moves. */
function manifestByTag(): readonly string[] {
  return [
    '# A manifest by tag: the one asked for. Where there is none, MultiViews may have put a longer one in its place.',
    condition('%{THE_REQUEST}::$2', '^[^ ]+ [^ ?]*/([^ ?/]+)(?:\\?[^ ]*)? [^ ]+::\\1\\z'),
    ...byEntry('tag', TAG_PATTERN),
  ]
}

function manifestByDigest(): readonly string[] {
  const path = `^v2/(${ANY_NAME})/manifests/(${DIGEST_PATTERN})\\z`
  return [
    '# A manifest by digest: where it is says its type; another than these is named by a small file.',
    ...TYPES.map(typeFolder).flatMap(type => [
      condition(`${FARM}/$1:/${type}/$2`, '-f'),
      rule(path, `${LINKS}/$1:/${type}/$2`, ['L', `E=${KIND}:manifest`]),
    ]),
    ...byEntry('manifest', DIGEST_PATTERN),
  ]
}

function byEntry(kind: 'tag' | 'manifest', reference: string): readonly string[] {
  return [
    condition(`${FARM}/$1:/$2/.htaccess`, '-f'),
    rule(`^v2/(${ANY_NAME})/manifests/(${reference})\\z`, `${LINKS}/$1:/$2/entry`, ['L', `E=${KIND}:${kind}`]),
  ]
}

function blob({ kind, mediaType }: RouteFamily): readonly string[] {
  return [
    '# Blobs, of repositories that the farm knows.',
    ...REGULAR,
    condition(`${FARM}/$1:`, '-d'),
    rule(`^v2/(${ANY_NAME})/blobs/(${DIGEST_PATTERN})\\z`, '-', [...served(kind, mediaType), `E=${DIGEST}:$2`]),
  ]
}

/** Those after a tag come from the farm; after what is no tag comes nothing, and "-" is none. */
function tags({ kind, mediaType }: RouteFamily): readonly string[] {
  const path = `^v2/(${ANY_NAME})/tags/list\\z`
  const cut = (last: string): string => rule(path, `${LINKS}/$1:/${LIST}/entry`, ['L', `E=${LAST}:${last}`])
  const known = condition(`${FARM}/$1:/${LIST}/.htaccess`, '-f')
  return [
    '# The list of tags, whole or from a tag on.',
    known,
    condition('%{QUERY_STRING}', `^(?:(?!last=)[^&]*&)*last=(${TAG_PATTERN})(?:&|\\z)`),
    cut('%1'),
    known,
    condition('%{QUERY_STRING}', '(?:^|&)last=[^&]'),
    cut('-'),
    ...REGULAR,
    known,
    rule(path, '-', served(kind, mediaType)),
  ]
}

function referrers({ kind, mediaType }: RouteFamily): readonly string[] {
  return [
    '# What refers to a digest; an empty list where nothing does.',
    ...REGULAR,
    condition(`${FARM}/$1:`, '-d'),
    rule(`^v2/(${ANY_NAME})/referrers/${DIGEST_PATTERN}\\z`, '-', served(kind, mediaType)),
    rule(`^v2/${EXACT_NAME}/referrers/${DIGEST_PATTERN}\\z`, fallbackPath(kind), ['L', `E=${KIND}:${kind}`]),
  ]
}

function catalog({ kind, mediaType }: RouteFamily): readonly string[] {
  return [...REGULAR, rule('^v2/_catalog\\z', '-', served(kind, mediaType))]
}

function version({ kind }: RouteFamily): readonly string[] {
  return [rule('^v2/?\\z', fallbackPath(kind), ['L', `E=${KIND}:${kind}`])]
}

function unknown(): readonly string[] {
  // The body goes through a pattern since flags are cut at commas.
  const notFound = (path: string, code: ApiErrorCode): readonly string[] => [
    `RewriteCond ${literal(formatApiError(code))} (.+)`,
    rule(path, '-', [`E=${BODY}:%1`, 'R=404', 'END']),
  ]
  return [
    '# Everything else.',
    condition(`${FARM}/$1:`, '-d'),
    ...notFound(`^v2/(${ANY_NAME})/blobs/`, 'BLOB_UNKNOWN'),
    condition(`${FARM}/$1:`, '-d'),
    ...notFound(`^v2/(${ANY_NAME})/(?:manifests|tags|referrers)/`, 'MANIFEST_UNKNOWN'),
    ...notFound('^', 'NAME_UNKNOWN'),
  ]
}

/** A file that is there and no symbolic link, which might lead out of the tree. */
const REGULAR = [condition('%{REQUEST_FILENAME}', '-f'), condition('%{REQUEST_FILENAME}', '!-l')]

/** A file as it is, whatever its name makes Apache think. */
function served(kind: string, mediaType: string): readonly string[] {
  return [`E=${KIND}:${kind}`, `T=${mediaType}`, 'H=default-handler', 'END']
}

function condition(test: string, pattern: string): string {
  return `RewriteCond ${/[ "]/.test(test) ? argument(test) : test} ${argument(pattern)}`
}

function rule(path: string, substitution: string, flags: readonly string[]): string {
  return `RewriteRule ${argument(path)} ${substitution} [${flags.join(',')}]`
}
