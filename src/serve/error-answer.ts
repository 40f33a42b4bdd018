import { isRegistrishError, systemCode } from '../errors.ts'
import { type ApiErrorCode, ERROR_HEADERS, formatApiError, formatOwnError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import type { ServeResponse } from './handler.ts'

/** What only a program says that answers by itself; docker-registry's names where it has one. */
export type ServerErrorCode = 'INTERNAL' | 'PAGINATION_NUMBER_INVALID' | 'REQUEST_TIMEOUT' | 'UNAVAILABLE'

/** An error answer in the registry's JSON form. */
export function errorAnswer(
  status: number,
  code: ApiErrorCode | ServerErrorCode,
  headers: Readonly<Record<string, string>> = {},
): ServeResponse {
  const body = Buffer.from(isOwn(code) ? formatOwnError(code, OWN_MESSAGES[code]) : formatApiError(code))
  return {
    status,
    headers: { 'Content-Type': JSON_TYPE, ...ERROR_HEADERS, 'Content-Length': String(body.length), ...headers },
    body,
  }
}

/**
 * The answer to a request that failed with `error`: 503 when the process has no descriptors or memory left or a file never stood still, 404 for a manifest that is not what
 * its name says (the route table leaves it out as well), else 500. Says nothing about the machine; whoever operates it gets the error itself.
 */
export function answerTo(error: unknown): ServeResponse {
  const code = systemCode(error)
  const cause = error instanceof Error ? systemCode(error.cause) : undefined
  if (SHORTAGES.has(code ?? '') || SHORTAGES.has(cause ?? '') || isRegistrishError(error, 'conflict'))
    return errorAnswer(503, 'UNAVAILABLE', { 'Retry-After': '1' })
  if (isRegistrishError(error, 'digest-mismatch', 'manifest-invalid', 'unsupported'))
    return errorAnswer(404, 'MANIFEST_UNKNOWN')
  return errorAnswer(500, 'INTERNAL')
}

const OWN_MESSAGES: Readonly<Record<ServerErrorCode, string>> = {
  INTERNAL: 'the registry could not read its files',
  PAGINATION_NUMBER_INVALID: 'n is not a number of results',
  REQUEST_TIMEOUT: 'the request did not arrive in time',
  UNAVAILABLE: 'the registry is overloaded: try again in a moment',
}

/** System errors that pass when other requests have ended. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

function isOwn(code: string): code is ServerErrorCode {
  return code in OWN_MESSAGES
}
