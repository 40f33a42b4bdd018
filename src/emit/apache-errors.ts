import { type ApiErrorCode, ERROR_HEADERS, formatApiError, formatOwnError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { quoted } from './apache-text.ts'

/** Error documents of the distribution spec, as texts of the configuration. `unknown` is the body of a 404, which may hold `%{…}`; `failed` the condition that is true where a request has failed. */
export function errorDocuments(unknown: string, failed: string): readonly string[] {
  const bodies: Readonly<Record<number, string>> = {
    400: formatApiError('BAD_REQUEST'),
    401: UNAUTHORIZED,
    403: DENIED,
    404: unknown,
    414: formatApiError('BAD_REQUEST'),
    416: formatApiError('RANGE_INVALID'),
  }
  return [
    ...Object.entries(bodies).map(([status, body]) => `ErrorDocument ${status} ${quoted(body)}`),
    // Beside a text Apache would put an Allow of its own, which is wrong.
    `ErrorDocument 405 ${READ_ONLY_URL}`,
    ...HEADERS.map(([name, value]) => `Header always set ${name} ${quoted(value)} ${failed}`),
    `Header always set Content-Range "bytes */%{REGISTRISH_SIZE}e" "expr=%{REQUEST_STATUS} -eq 416 && -n reqenv('REGISTRISH_SIZE')"`,
    `Header always set Allow "GET, HEAD" "expr=%{REQUEST_STATUS} -eq 405"`,
  ]
}

/** Where what would write is answered: no repository is called so. */
export const READ_ONLY_URL = '/v2/.405'

/** The body of a 404 where the rules say which code it bears. */
export const CHOSEN_ERROR: string = JSON.stringify({
  errors: [{ code: '%{reqenv:REGISTRISH_CODE}', message: '%{reqenv:REGISTRISH_MESSAGE}' }],
})

/** What a rule says so that {@link CHOSEN_ERROR} is the error document of a code. */
export function chooseError(code: ApiErrorCode): string {
  const document = formatApiError(code)
  const message = /"message":"([^",%\\]+)"/.exec(document)?.[1] ?? ''
  const chosen = CHOSEN_ERROR.replace(/%\{[^}]*CODE\}/, code).replace(/%\{[^}]*MESSAGE\}/, message)
  if (chosen !== document) throw new TypeError(`mod_rewrite cannot be told ${document}`)
  return `E=REGISTRISH_CODE:${code},E=REGISTRISH_MESSAGE:${message}`
}

const HEADERS = [['Content-Type', JSON_TYPE] as const, ...Object.entries(ERROR_HEADERS)]

/** What the distribution spec has no more than a code for. */
const UNAUTHORIZED = formatOwnError('UNAUTHORIZED', 'authentication required')
const DENIED = formatOwnError('DENIED', 'requested access to the resource is denied')
