import { STATUS_CODES } from 'node:http'
import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from './client.ts'
import { isExhausted, rateLimitError, retryAfterOf } from './rate-limit.ts'

/** Longest pause that a host may ask for, in ms; beyond it the caller is told to come back. */
const LONGEST_WAIT = 60_000

/** Statuses that another try may mend (RFC 9110 §15; RFC 6585 for 429). */
const PASSING = new Set([408, 429, 500, 502, 503, 504])

/**
 * The failure that an answer's status stands for, where another try may mend it; undefined for every other status. The body is discarded.
 * @throws RegistrishError `rate-limited` where the host wants a pause of more than a minute, or says that its quota is used up.
 */
export async function passingFailure(
  response: HttpResponse,
  registry: string,
  now: number = Date.now(),
): Promise<{ readonly failed: RegistrishError; readonly delay?: number } | undefined> {
  const { status } = response
  if (!PASSING.has(status)) return undefined
  await response.discard()
  const delay = retryAfterOf(response, now)
  const tooLong = delay === undefined ? status === 429 && isExhausted(response) : delay > LONGEST_WAIT
  if (tooLong) throw rateLimitError(response, registry, now)
  const failed = status === 429 ? rateLimitError(response, registry, now) : unavailable(response, registry)
  return { failed, ...(delay === undefined ? {} : { delay }) }
}

/** A status with its name, for messages: `503 Service Unavailable`. */
export function describeStatus(status: number): string {
  const name = STATUS_CODES[status]
  return name === undefined ? String(status) : `${status} ${name}`
}

function unavailable({ status, url }: HttpResponse, registry: string): RegistrishError {
  return new RegistrishError(
    status === 408 ? 'timeout' : 'unreachable',
    `${registry} is out of order: ${url.host} answers ${describeStatus(status)}`,
    { side: 'source', hint: 'run the same command again later: what was fetched is kept' },
  )
}
