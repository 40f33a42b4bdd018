import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'

/** An answer that is a refusal, in the words of Azure's blob service (REST API, "Status and error codes"). */
export interface Refusal {
  readonly status: number
  /** `BlobNotFound`…; empty where the answer names none, or is not Azure's. */
  readonly code: string
  /** The service's message, fit to be printed. */
  readonly text: string
  readonly retryAfter?: string
  /** Its Content-Type, where it is not Azure that spoke. */
  readonly foreign?: string
}

/** A request that was refused, as our transport throws it for an answer that is not Azure's, and as the cause of our errors; the SDK throws errors of its own. */
export class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`${refusal.status} ${refusal.code}`)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

/** The refusal behind an error, of the transport or the SDK, or as the `cause` of ours; undefined for all others. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refused) return error.refusal
  if (!(error instanceof Error)) return undefined
  const { statusCode: status, code, response } = error as RestError
  // An answer that the SDK cannot read is no refusal.
  if (typeof status !== 'number' || status < 300) return error.cause === undefined ? undefined : refusalOf(error.cause)
  const header = (name: string): string | undefined => headerOf(response, name)
  const retryAfter = header('retry-after')
  return {
    status,
    code: plain(header('x-ms-error-code') ?? (typeof code === 'string' ? code : '')),
    // The lines after the first are a request's id and time.
    text: plain(error.message.split('\n')[0] ?? ''),
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
