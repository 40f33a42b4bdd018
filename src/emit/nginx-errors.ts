import { formatApiError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { literal, location, quoted } from './nginx-text.ts'

/** Where errors are answered: no repository can be called so, and nobody can ask for it from outside. */
export const ERRORS = '/v2/.error'

/** Which location answers which failure. nginx says 403 for a folder or a link that is not followed: clients must see 404. */
export function errorPages(): string {
  return `error_page 403 404 =404 ${ERRORS}/404;
error_page 400 414 ${ERRORS}/400;
error_page 405 ${ERRORS}/405;
error_page 416 ${ERRORS}/416;
`
}

/** Error documents of the distribution spec. */
export function errors(root: string): string {
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
