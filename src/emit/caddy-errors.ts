import { type ApiErrorCode, ERROR_HEADERS, formatApiError } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import { block, quoted } from './caddy-text.ts'

/** Lines that answer with an error document of the distribution spec. */
export function answerError(status: number, code: ApiErrorCode, more: readonly string[] = []): readonly string[] {
  return [block('header', [...HEADERS, ...more]), `respond ${quoted(formatApiError(code))} ${status}`]
}

const HEADERS = [
  `Content-Type ${JSON_TYPE}`,
  ...Object.entries(ERROR_HEADERS).map(([name, value]) => `${name} ${value}`),
]
