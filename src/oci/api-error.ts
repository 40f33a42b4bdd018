/** Error codes of the distribution API (OCI distribution spec, "Error Codes"). */
export type ApiErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'TOOMANYREQUESTS'
  | 'UNSUPPORTED'

/** What each code says to a person. */
const MESSAGES: Readonly<Record<ApiErrorCode, string>> = {
  BLOB_UNKNOWN: 'blob unknown to registry',
  DIGEST_INVALID: 'provided digest did not match uploaded content',
  MANIFEST_UNKNOWN: 'manifest unknown',
  NAME_INVALID: 'invalid repository name',
  NAME_UNKNOWN: 'repository name not known to registry',
  TOOMANYREQUESTS: 'too many requests',
  UNSUPPORTED: 'the operation is unsupported: this registry is read-only',
}

/** The JSON body of an error answer, without white space and without a final newline: the same bytes on every host. */
export function formatApiError(code: ApiErrorCode): string {
  return JSON.stringify({ errors: [{ code, message: MESSAGES[code] }] })
}
