import { RegistrishError } from '../errors.ts'
import { reachOf } from './local-address.ts'

/** One request of a chain of redirects. */
export interface Hop {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

/** What a chain of redirects may do. */
export interface RedirectRules {
  /** Where the chain began. */
  readonly first: URL
  /** Whether that URL may be asked for in plain HTTP. */
  readonly mayBePlain: (url: URL) => boolean
}

/** Redirects that are followed at most. */
export const MOST_HOPS = 10

/** Whether a status sends a GET or HEAD elsewhere (RFC 9110 §15.4). */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308
}

/**
 * Where a redirect leads. Credentials are dropped as soon as scheme, host or port change, and stay dropped (OCI distribution spec, "Redirects"; RFC 9110 §15.4).
 * Messages name hosts only: the rest of the address may be a signature that gives access.
 * @throws RegistrishError `bad-answer` for no or a bad address, for plain HTTP that was not allowed, and for a public host that points into this machine.
 */
export function nextHop(hop: Hop, location: string | undefined, { first, mayBePlain }: RedirectRules): Hop {
  const url = location !== undefined && URL.canParse(location, hop.url.href) ? new URL(location, hop.url) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw refused(hop, 'redirects to something that is no HTTP address')
  if (url.protocol === 'http:' && !mayBePlain(url)) {
    throw refused(
      hop,
      `redirects to ${url.host} in plain HTTP`,
      'add --plain-http if nobody can listen or interfere on the way',
    )
  }
  const reach = reachOf(url.hostname)
  if (reachOf(first.hostname) === 'public' && (reach === 'loopback' || reach === 'link-local')) {
    throw refused(hop, `redirects to ${url.host}, an address of this machine`)
  }
  url.username = ''
  url.password = ''
  url.hash = ''
  return { url, headers: url.origin === hop.url.origin ? hop.headers : withoutCredentials(hop.headers) }
}

/** The error for a chain that does not end. */
export function tooManyHops(hop: Hop, first: URL): RegistrishError {
  const what = first.host === hop.url.host ? 'redirects in a circle' : `and ${first.host} redirect in a circle`
  return refused(hop, what, 'tell those who run the registry, or what stands before it: its addresses lead nowhere')
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(?:proxy-)?authorization$|^cookie$/i.test(name)),
  )
}

function refused(hop: Hop, what: string, hint = 'tell those who run it; nothing was sent there'): RegistrishError {
  return new RegistrishError('bad-answer', `${hop.url.host} ${what}`, { side: 'source', hint })
}
