import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'
import { type Refusal, refusalBehind } from '../refusal.ts'

/** The refusal behind an error, of the transport or the SDK, or as the `cause` of ours; undefined for all others. */
export function refusalOf(error: unknown): Refusal | undefined {
  return refusalBehind(error, readRestError)
}

/** Azure's words (REST API, "Status and error codes"). */
function readRestError(error: RestError): Refusal | undefined {
  const { statusCode: status, code, response, message } = error
  // An answer that the SDK cannot read is no refusal.
  if (typeof status !== 'number' || status < 300) return undefined
  const header = (name: string): string | undefined => headerOf(response, name)
  const retryAfter = header('retry-after')
  return {
    status,
    code: plain(header('x-ms-error-code') ?? (typeof code === 'string' ? code : '')),
    // The lines after the first are a request's id and time.
    text: plain(message.split('\n')[0] ?? ''),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
}

interface RestError extends Error {
  readonly statusCode?: unknown
  readonly code?: unknown
  readonly response?: unknown
}

function headerOf(response: unknown, name: string): string | undefined {
  const headers = isRecord(response) ? response['headers'] : undefined
  if (!isRecord(headers) || typeof headers['get'] !== 'function') return undefined
  const value: unknown = headers['get'](name)
  return typeof value === 'string' ? value : undefined
}
