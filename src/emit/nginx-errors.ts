import { formatApiError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { literal, location, quoted } from './nginx-text.ts'

/** Where errors are answered: no repository can be called so, and nobody can ask for it from outside. */
export const ERRORS = '/v2/.error'

/** Which location answers which failure. nginx says 403 for a folder or a link that is not followed: clients must see 404. */
export function errorPages(absent: string = `=404 ${ERRORS}/404`): string {
  return `error_page 403 404 ${absent};
error_page 400 414 ${ERRORS}/400;
error_page 405 ${ERRORS}/405;
error_page 412 ${ERRORS}/412;
error_page 416 ${ERRORS}/416;
`
}

/** Error documents of the distribution spec. */
export function errors(root: string): string {
  const answer = (name: string, lines: readonly string[], headers: readonly string[] = ERROR_HEADERS): string =>
    location(`= ${ERRORS}/${name}`, ['internal;', `default_type ${JSON_TYPE};`, ...headers, ...lines])
  return [
    answer('404', [
      'uninitialized_variable_warn off;',
      `if (!-d ${quoted(`${root}/v2/$registrish_name/manifests`)}) {\n    return 404 ${literal(formatApiError('NAME_UNKNOWN'))};\n}`,
      `if ($registrish_kind = blobs) {\n    return 404 ${literal(formatApiError('BLOB_UNKNOWN'))};\n}`,
      `return 404 ${literal(formatApiError('MANIFEST_UNKNOWN'))};`,
    ]),
    answer('405', ['add_header Allow "GET, HEAD" always;', `return 405 ${literal(formatApiError('UNSUPPORTED'))};`]),
    answer('400', [`return 400 ${literal(BAD_REQUEST)};`]),
    answer('412', [`return 412 ${literal(PRECONDITION_FAILED)};`]),
    answer('416', [`return 416 ${literal(RANGE_INVALID)};`], AFTER_CONTENT_HEADERS),
    answer('digest', [`return 400 ${literal(formatApiError('DIGEST_INVALID'))};`]),
  ].join('\n')
}

const ERROR_HEADERS = [
  'add_header Cache-Control no-store always;',
  'add_header Docker-Distribution-API-Version registry/2.0 always;',
  'add_header X-Content-Type-Options nosniff always;',
]

/** By then nginx has the headers of the blob: only what must not stand is overruled. */
const AFTER_CONTENT_HEADERS = ['add_header Cache-Control no-store always;', 'add_header ETag "" always;']

/** What the distribution spec has no codes for. */
const BAD_REQUEST = formatOwnError('BAD_REQUEST', 'this is not an HTTP request that can be understood')
const PRECONDITION_FAILED = formatOwnError('PRECONDITION_FAILED', 'the only condition known here is If-None-Match')
const RANGE_INVALID = formatOwnError('RANGE_INVALID', 'the blob has no such range')

function formatOwnError(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] })
}
