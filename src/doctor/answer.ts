import { MOST_HOPS } from '../http/redirect.ts'

/** One redirect on the way to an answer. */
export interface HopSeen {
  readonly status: number
  /** Where it led, whole. */
  readonly to: string
}

/** How a login went where one was asked for: something was sent to prove who asks; there was nothing to send, or it was refused; the token server is out of order; or nothing may be sent there. */
export type LoginSeen =
  | { readonly outcome: 'sent' }
  | { readonly outcome: 'refused' | 'broken' | 'unsafe'; readonly why: string }

/** What came of one request, redirects followed one by one: an answer, or why there was none (`status` is 0 then). */
export interface Answer {
  /** `GET https://host/v2/`, as it was asked at first. */
  readonly request: string
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** As they came over the wire, never decoded; at most as many as were asked for. */
  readonly bytes: Uint8Array
  /** Whether those are all. */
  readonly whole: boolean
  /** Why it ended early, or never came. */
  readonly broken?: string
  readonly hops: readonly HopSeen[]
  /** Absent where nobody wanted to know who asks. */
  readonly login?: LoginSeen
}

/** The media type of an answer as it is sent, parameters included; empty where there is none. */
export function typeOf({ headers }: Answer): string {
  return headers['content-type'] ?? ''
}

/** The length that an answer states, in bytes. */
export function lengthOf({ headers }: Answer): number | undefined {
  const text = headers['content-length']
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** What an answer says its body is packed with; undefined for nothing. */
export function encodingOf({ headers }: Answer): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  return encoding === undefined || encoding === '' || encoding === 'identity' ? undefined : encoding
}

/** Whether redirects led to no answer: what is asked for may be there or not. */
export function isLost({ hops, status }: Answer): boolean {
  return hops.length >= MOST_HOPS || (hops.length > 0 && status === 0)
}

/** Whether an answer is kept from those who are not logged in, or not as somebody who may see it. */
export function isShut({ login, status }: Answer): boolean {
  return login !== undefined && (status === 401 || status === 403)
}

/** Whether a body is a web page. */
export function isWebPage({ bytes }: Answer): boolean {
  return /^\ufeff?\s*<(?:!doctype|html|head|body)/i.test(new TextDecoder().decode(bytes.subarray(0, 256)))
}

/** The JSON document of an answer; undefined where it is none. */
export function jsonOf({ bytes, whole }: Answer): unknown {
  if (!whole) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch {
    return undefined
  }
}

/** An answer in words: `404`, `no answer (the connection broke)`. */
export function statusText({ status, broken }: Answer): string {
  return status === 0 ? `no answer (${broken ?? 'nothing came'})` : String(status)
}
