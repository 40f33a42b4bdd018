import { ERROR_HEADERS, formatApiError, formatOwnError } from '../oci/api-error.ts'
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
  const answer = (name: string, lines: readonly string[], headers: readonly string[] = HEADERS): string =>
    location(`= ${ERRORS}/${name}`, ['internal;', `default_type ${JSON_TYPE};`, ...headers, ...lines])
  return [
    answer('404', [
      'uninitialized_variable_warn off;',
      `if (!-d ${quoted(`${root}/v2/$registrish_name/manifests`)}) {\n    return 404 ${literal(formatApiError('NAME_UNKNOWN'))};\n}`,
      `if ($registrish_kind = blobs) {\n    return 404 ${literal(formatApiError('BLOB_UNKNOWN'))};\n}`,
      `return 404 ${literal(formatApiError('MANIFEST_UNKNOWN'))};`,
    ]),
    answer('405', ['add_header Allow "GET, HEAD" always;', `return 405 ${literal(formatApiError('UNSUPPORTED'))};`]),
    answer('400', [`return 400 ${literal(formatApiError('BAD_REQUEST'))};`]),
    answer('412', [`return 412 ${literal(FAILED_CONDITION)};`]),
    answer('416', [`return 416 ${literal(formatApiError('RANGE_INVALID'))};`], AFTER_CONTENT_HEADERS),
    answer('digest', [`return 400 ${literal(formatApiError('DIGEST_INVALID'))};`]),
  ].join('\n')
}

const HEADERS = Object.entries(ERROR_HEADERS).map(([name, value]) => `add_header ${name} ${value} always;`)

/** By then nginx has the headers of the blob: only what must not stand is overruled. */
const AFTER_CONTENT_HEADERS = ['add_header Cache-Control no-store always;', 'add_header ETag "" always;']

/** What only nginx answers. */
const FAILED_CONDITION = formatOwnError('PRECONDITION_FAILED', 'the only condition known here is If-None-Match')
