import { RegistrishError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'
import type { Credentials } from './auth-file.ts'
import type { HttpClient, HttpRequest, HttpResponse } from './client.ts'
import { reachOf } from './local-address.ts'
import type { Retry } from './retry.ts'
import { describeStatus, passingFailure } from './status.ts'

/** What a token is asked with. */
export interface TokenRequest {
  readonly http: HttpClient
  readonly retry: Retry
  /** The registry, for messages. */
  readonly registry: string
  /** From {@link parseRealm}. */
  readonly realm: URL
  readonly service?: string
  readonly scope: string
  /** Absent: anonymously. */
  readonly credentials?: Exclude<Credentials, { readonly kind: 'bearer' }>
}

/** A bearer token and how long it is good for, in ms from now. */
export interface Token {
  readonly token: string
  readonly lifetime: number
}

/** Shortest lifetime a token may have, in s, and what it has where the server does not say (distribution, "Token Authentication Specification"). */
const SHORTEST_LIFETIME = 60

/** Largest answer that is read, in bytes. */
const LARGEST_ANSWER = 1_000_000

/**
 * Checks the token server that a registry names: HTTPS, unless the registry itself is spoken to in plain HTTP; and no address of this machine or of a private
 * network, unless the registry has one too, lest a registry make us knock at doors of ours.
 * @throws RegistrishError `bad-answer`.
 */
export function parseRealm(realm: string | undefined, registry: URL): URL {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined
  const plain = url?.protocol === 'http:' && registry.protocol === 'http:'
  if (url === undefined || (url.protocol !== 'https:' && !plain)) {
    throw strange(registry, 'names no token server that can be trusted: its address has to begin with https://')
  }
  if (reachOf(url.hostname) !== 'public' && reachOf(registry.hostname) === 'public') {
    throw strange(registry, `names ${url.host}, an address of a private network, as its token server`)
  }
  return url
}

/**
 * Fetches a bearer token (distribution, "Token Authentication Specification"; for identity tokens "OAuth2 Token Authentication").
 * @throws RegistrishError `unauthorized` where the server refuses, `bad-answer`, and what {@link Retry} and the client throw.
 */
export async function fetchToken(request: TokenRequest): Promise<Token> {
  const { credentials, realm } = request
  if (credentials?.kind === 'identity') {
    const answer = await ask(request, realm, oauthForm(request, credentials.token))
    if (answer !== undefined) return answer
  }
  const url = new URL(realm)
  if (request.service !== undefined && !url.searchParams.has('service'))
    url.searchParams.set('service', request.service)
  if (request.scope !== '') url.searchParams.append('scope', request.scope)
  if (credentials === undefined) return required(await ask(request, url, {}), request)
  const [user, secret] =
    credentials.kind === 'password'
      ? [credentials.username, credentials.password]
      : [credentials.username === '' ? '<token>' : credentials.username, credentials.token]
  if (credentials.kind === 'password') url.searchParams.set('account', user)
  return required(await ask(request, url, { headers: { authorization: basic(user, secret) } }), request)
}

/** The value of an `Authorization` header for basic authentication (RFC 7617). */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}

/** Asks once, with the patience of `retry`; undefined where the server knows no OAuth2. */
async function ask(request: TokenRequest, url: URL, extra: HttpRequest): Promise<Token | undefined> {
  const { http, retry, registry } = request
  return retry.run({
    what: `token for ${registry}`,
    async attempt() {
      const response = await http.request(url, extra)
      const failure = await passingFailure(response, registry)
      return failure ?? { value: await readToken(response, request, extra.method === 'POST') }
    },
  })
}

async function readToken(response: HttpResponse, request: TokenRequest, isOauth: boolean): Promise<Token | undefined> {
  if (response.status !== 200) {
    await response.discard()
    if (isOauth && (response.status === 404 || response.status === 405)) return undefined
    throw refused(response, request)
  }
  const body = parseJson(await response.text(LARGEST_ANSWER))
  const { token, access_token: accessToken, expires_in: seconds } = isRecord(body) ? body : {}
  const value = typeof token === 'string' && token !== '' ? token : accessToken
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new RegistrishError(
      'bad-answer',
      `the token server ${response.url.host} of ${request.registry} sent no token`,
      { side: 'source', hint: ASTRAY },
    )
  }
  const lifetime = Math.max(SHORTEST_LIFETIME, typeof seconds === 'number' ? seconds : SHORTEST_LIFETIME)
  return { token: value, lifetime: lifetime * 1000 }
}

function oauthForm({ service, scope }: TokenRequest, refreshToken: string): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    service: service ?? '',
    client_id: 'registrish',
    access_type: 'offline',
    ...(scope === '' ? {} : { scope }),
  })
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  }
}

function required(token: Token | undefined, { registry, realm }: TokenRequest): Token {
  if (token !== undefined) return token
  throw new RegistrishError('bad-answer', `the token server ${realm.host} of ${registry} sent no token`, {
    side: 'source',
    hint: ASTRAY,
  })
}

function refused({ status, url }: HttpResponse, { registry, credentials }: TokenRequest): RegistrishError {
  const isRefusal = status === 400 || status === 401 || status === 403
  const what = credentials === undefined ? 'anonymous users' : `the credentials from ${credentials.origin}`
  return isRefusal
    ? new RegistrishError(
        'unauthorized',
        `${registry} refuses ${what} (its token server ${url.host} answers ${describeStatus(status)})`,
        {
          side: 'source',
          hint: `log in again: docker login ${registry}; or name another file with --authfile`,
        },
      )
    : new RegistrishError(
        'bad-answer',
        `the token server ${url.host} of ${registry} answers ${describeStatus(status)}`,
        { side: 'source', hint: ASTRAY },
      )
}

const ASTRAY = 'tell those who run the registry, unless a login page or proxy of this network answers in its place'

/** undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function strange(registry: URL, what: string): RegistrishError {
  return new RegistrishError('bad-answer', `${registry.host} ${what}`, {
    side: 'source',
    hint: 'tell those who run the registry; no credentials were sent',
  })
}
