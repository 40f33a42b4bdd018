/** Error codes of the distribution API (OCI distribution spec, "Error Codes"). */
type SpecErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'TOOMANYREQUESTS'
  | 'UNSUPPORTED'

/** Those of the specification, and what it has no word for but every server here says alike. */
export type ApiErrorCode = SpecErrorCode | 'BAD_REQUEST' | 'RANGE_INVALID'

/** What each code says to a person. */
const MESSAGES: Readonly<Record<ApiErrorCode, string>> = {
  BAD_REQUEST: 'this is not an HTTP request that can be understood',
  BLOB_UNKNOWN: 'blob unknown to registry',
  DIGEST_INVALID: 'provided digest did not match uploaded content',
  MANIFEST_UNKNOWN: 'manifest unknown',
  NAME_INVALID: 'invalid repository name',
  NAME_UNKNOWN: 'repository name not known to registry',
  RANGE_INVALID: 'the blob has no such range',
  TOOMANYREQUESTS: 'too many requests',
  UNSUPPORTED: 'the operation is unsupported: this registry is read-only',
}

/** Headers of every error answer besides Content-Type and its length. */
export const ERROR_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Docker-Distribution-API-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
}

/** The JSON body of an error answer, without white space and without a final newline: the same bytes on every host. */
export function formatApiError(code: ApiErrorCode): string {
  return formatOwnError(code, MESSAGES[code])
}

/** The same with a code and a message that one server alone has. */
export function formatOwnError(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] })
}
