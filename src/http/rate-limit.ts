import { RegistrishError } from '../errors.ts'
import type { HttpResponse } from './client.ts'

/** A number at or above this is a moment (seconds since 1970), below it a duration. */
const EPOCH_FROM = 1_000_000_000

/** Milliseconds until the host wants to be asked again, by its `Retry-After` (RFC 9110 §10.2.3: seconds or a date) or Docker Hub's `X-Retry-After` (a moment); undefined where it does not say. */
export function retryAfterOf(response: Pick<HttpResponse, 'header'>, now: number): number | undefined {
  return untilMoment(response.header('retry-after') ?? response.header('x-retry-after'), now)
}

/**
 * The error for a host that counts requests and wants a longer pause than anyone waits for: says what the limit is and when it resets, as far as the host
 * does (Docker Hub: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining`; others: `ratelimit-reset` or `x-ratelimit-reset`).
 */
export function rateLimitError(response: HttpResponse, registry: string, now: number): RegistrishError {
  const limit = quotaOf(response.header('ratelimit-limit') ?? response.header('x-ratelimit-limit'))
  const remaining = quotaOf(response.header('ratelimit-remaining') ?? response.header('x-ratelimit-remaining'))
  const wait =
    retryAfterOf(response, now) ??
    untilMoment(response.header('ratelimit-reset') ?? response.header('x-ratelimit-reset'), now)
  const window = limit?.window ?? remaining?.window
  const counts = [
    ...(limit === undefined
      ? []
      : [`${limit.count} ${window === undefined ? 'requests' : `in ${duration(window)}`} allowed`]),
    ...(remaining === undefined ? [] : [`${remaining.count} left`]),
  ]
  return new RegistrishError(
    'rate-limited',
    `${registry} limits how much may be fetched${counts.length === 0 ? '' : ` (${counts.join(', ')})`}: ${resets(wait, window, now)}`,
    {
      side: 'source',
      hint: `run the same command again then: what was fetched is kept; logging in may raise the limit: docker login ${registry}`,
      ...(wait === undefined ? {} : { retryAt: now + wait }),
    },
  )
}

/** Whether an answer says that nothing is left of the host's quota. */
export function isExhausted(response: HttpResponse): boolean {
  return quotaOf(response.header('ratelimit-remaining') ?? response.header('x-ratelimit-remaining'))?.count === 0
}

function resets(wait: number | undefined, window: number | undefined, now: number): string {
  if (wait !== undefined) return `it resets at ${moment(now + wait)}, in ${duration(wait)}`
  if (window !== undefined) return `it resets within ${duration(window)}`
  return 'it does not say when that resets'
}

function untilMoment(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d{1,15}(?:\.\d+)?$/.test(text)) {
    const seconds = Number(text)
    return Math.max(0, seconds >= EPOCH_FROM ? seconds * 1000 - now : seconds * 1000)
  }
  const date = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** Parses `100;w=21600` and `100`; the window in ms. */
function quotaOf(value: string | undefined): { readonly count: number; readonly window?: number } | undefined {
  const match = /^\s*(\d{1,12})(?:\s*;\s*w=(\d{1,9}))?/.exec(value ?? '')
  if (match?.[1] === undefined) return undefined
  return { count: Number(match[1]), ...(match[2] === undefined ? {} : { window: Number(match[2]) * 1000 }) }
}

function moment(time: number): string {
  return new Date(time)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')
}

function duration(ms: number): string {
  const minutes = Math.ceil(ms / 60_000)
  if (ms < 120_000) return `${Math.ceil(ms / 1000)} s`
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  if (hours === 0) return `${minutes} min`
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`
}
