import { DIGEST_PATTERN } from '../oci/digest.ts'
import { NAME_PATTERN, TAG_PATTERN } from '../oci/name.ts'
import type { RouteFamily, RouteKind } from '../tree/route.ts'
import { answerError } from './caddy-errors.ts'
import { LINKS } from './caddy-farm.ts'
import { manifestByDigest, manifestByTag } from './caddy-manifests.ts'
import { NOT_OURS, sendFile, unchanged } from './caddy-send.ts'
import { laterTags } from './caddy-tags.ts'
import { block, type Printed, printFamily, quoted } from './caddy-text.ts'
import { ANY_NAME, RESERVED } from './name-patterns.ts'

/** Go's expressions cannot look ahead: what `EXACT_NAME` leaves out is left out by a second one. */
const RESERVED_PART = `(?:^|/)${RESERVED}(?:/|$)`

const NAMED = '{http.regexp.registrish.1}'
const REFERENCE = '{http.regexp.registrish.2}'

/** The routes that serve content, most asked for first: each answers, or lets those after it try. `root` is the quoted web root. */
export function contentRoutes(families: readonly RouteFamily[], root: string): readonly string[] {
  const print = (kind: RouteKind): Printed => printFamily(families, kind)
  return [
    ...at('tag', `^/v2/(${ANY_NAME})/manifests/(${TAG_PATTERN})$`, manifestByTag(print('tag'), root)),
    ...at('manifest', `^/v2/(${ANY_NAME})/manifests/(${DIGEST_PATTERN})$`, manifestByDigest(print('manifest'), root)),
    ...at('blob', `^/v2/(${ANY_NAME})/blobs/(${DIGEST_PATTERN})$`, blob(print('blob'), root)),
    ...at('version', '^/v2/?$', [
      block('header', print('version').headers({})),
      `respond ${print('version').fallback} 200`,
    ]),
    ...at('tags', `^/v2/(${ANY_NAME})/tags/list$`, [
      known([
        there(root, `/v2/${NAMED}/tags/list`, [
          ...laterTags(print('tags'), root),
          ...document(print('tags'), root, `/v2/${NAMED}/tags/list`),
        ]),
      ]),
    ]),
    ...at('referrers', `^/v2/(${NAME_PATTERN})/referrers/(${DIGEST_PATTERN})$`, referrers(print('referrers'), root)),
    ...at('catalog', '^/v2/_catalog$', [there(root, '/v2/_catalog', document(print('catalog'), root, '/v2/_catalog'))]),
    known(answerError(404, 'MANIFEST_UNKNOWN')),
    ...answerError(404, 'NAME_UNKNOWN'),
  ]
}

/** Routes for the paths that match. Named captures of a route stay for those inside it. */
function at(name: string, pattern: string, lines: readonly string[]): readonly string[] {
  return [
    `@registrish_${name} path_regexp registrish ${quoted(pattern)}`,
    `${block(`route @registrish_${name}`, lines)}\n`,
  ]
}

/** Repositories of the tree have links; those that are links out of the tree have none. */
export function knownRepository(root: string): string {
  return block('@registrish_known file', [`root ${root}`, `try_files ${LINKS}/${NAMED}:/`])
}

function known(lines: readonly string[]): string {
  return block('route @registrish_known', lines)
}

function there(root: string, file: string, lines: readonly string[]): string {
  return [
    block('@registrish_there file', [`root ${root}`, `try_files ${file}`]),
    block('route @registrish_there', lines),
  ].join('\n')
}

/** Nothing but the digest stands for a blob. Its type is set at once, since several ranges have one of their own; all else as late as can be, since Caddy sets an ETag of its own. */
function blob(printed: Printed, root: string): readonly string[] {
  const headers = (choice: Parameters<Printed['headers']>[1]): readonly string[] =>
    printed.headers({ digest: REFERENCE }, choice)
  return [
    known([
      there(root, `/v2/${NAMED}/blobs/${REFERENCE}`, [
        block('header', headers({ only: ['Content-Type'] })),
        ...ranges(),
        block('header', [...headers({ without: ['Content-Type'] }), '-Last-Modified', 'defer']),
        ...unchanged(REFERENCE),
        ...sendFile(root, `/v2/${NAMED}/blobs/${REFERENCE}`),
      ]),
      ...answerError(404, 'BLOB_UNKNOWN'),
    ]),
  ]
}

/**
 * Ranges of what has not changed, as far as they are ranges: Caddy says 416 to any other. Nobody may keep its word that there is no such range, which is
 * text; what is said last must come first.
 */
function ranges(): readonly string[] {
  return [
    `@registrish_whole header If-Range ${quoted(`"${REFERENCE}"`)}`,
    'request_header @registrish_whole -If-Range',
    '@registrish_changed header If-Range *',
    'request_header @registrish_changed -Range',
    block('@registrish_odd', [
      'header Range *',
      `not header_regexp Range ${quoted(`^bytes=${RANGE}(?:, *${RANGE}){0,15}$`)}`,
    ]),
    'request_header @registrish_odd -Range',
    '@registrish_ranges header Range *',
    block('header @registrish_ranges', [
      'Cache-Control `{http.response.header.Content-Type}|{http.response.header.Cache-Control}`',
      'Cache-Control ^text/plain.* no-store',
      'Cache-Control ^[^|]*\\|(.*)$ $1',
      'defer',
    ]),
  ]
}

/** Caddy takes no bytes from the end for a range. */
const RANGE = '(?:[0-9]{1,18}-[0-9]{0,18}|-0{0,17}[1-9][0-9]{0,17})'

function referrers(printed: Printed, root: string): readonly string[] {
  const file = `/v2/${NAMED}/referrers/${REFERENCE}`
  return [
    block('@registrish_free not', [`vars_regexp ${NAMED} ${quoted(RESERVED_PART)}`]),
    block('route @registrish_free', [
      known([there(root, file, document(printed, root, file))]),
      block('header', printed.headers({})),
      `respond ${printed.fallback} 200`,
    ]),
  ]
}

function document(printed: Printed, root: string, file: string): readonly string[] {
  return [
    'request_header -Range',
    block('header', [...printed.headers({}), ...NOT_OURS, '-ETag', 'defer']),
    ...sendFile(root, file),
  ]
}
